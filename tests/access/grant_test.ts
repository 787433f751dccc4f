import { assertEquals } from "@std/assert";
import {
  formatGrant,
  type Grant,
  grantKeyOf,
  isGranted,
  openGrant,
} from "../../lib/access/grant.ts";
import { macOf, toBase64Url } from "../../lib/access/keys.ts";
import { CONTENT, EXPIRES, golden, NODE_ID, SECRET } from "./_golden.ts";

const KEY = grantKeyOf(SECRET, NODE_ID);
const LINKED: Grant = {
  expires: EXPIRES,
  prefix: "photos/a.jpg",
  content: CONTENT,
  serial: "AAECAwQFBgcICQoL",
  uses: 2,
  fetch: "AAECAwQFBgcICQoLDA0ODw",
};

Deno.test("A grant and its key are those of PROTOCOL.md", () => {
  assertEquals(KEY.toBase64(), golden("key of grants"));
  assertEquals(formatGrant({ expires: EXPIRES }, KEY), golden("grant"));
  assertEquals(openGrant(golden("grant"), [KEY]), { expires: EXPIRES });
});

Deno.test("openGrant reads a grant of a link, under any of its keys", () => {
  const other = grantKeyOf(SECRET.toReversed(), NODE_ID);
  const text = formatGrant(LINKED, KEY);
  assertEquals(openGrant(text, [other, KEY]), LINKED);
  assertEquals(openGrant(text, [KEY, other]), LINKED);
});

Deno.test("openGrant refuses the grant of another node, and of another secret", () => {
  const text = formatGrant(LINKED, KEY);
  const another = grantKeyOf(SECRET, golden("relay id"));
  assertEquals(openGrant(text, [another]), undefined);
  assertEquals(
    openGrant(text, [grantKeyOf(SECRET.toReversed(), NODE_ID)]),
    undefined,
  );
  assertEquals(openGrant(text, []), undefined);
});

/** Text of any JSON under the right key. */
function signed(value: unknown): string {
  const json = new TextEncoder().encode(
    typeof value === "string" ? value : JSON.stringify(value),
  );
  const code = macOf(KEY, "relay-p2p grant 1\n", json);
  return `${toBase64Url(json)}.${toBase64Url(code)}`;
}

const ODD: readonly [string, unknown][] = [
  ["no JSON", "expires"],
  ["a number", 7],
  ["nothing", null],
  ["a list", []],
  ["no end", {}],
  ["an end in words", { expires: "tomorrow" }],
  ["an end before 1970", { expires: -1 }],
  ["a restriction that it does not know", { expires: EXPIRES, on: "Sunday" }],
  ["a prefix that no name has", { expires: EXPIRES, prefix: "../" }],
  ["an empty prefix", { expires: EXPIRES, prefix: "" }],
  ["a content that is none", { expires: EXPIRES, content: "ab" }],
  ["a fingerprint that is none", { expires: EXPIRES, fingerprint: "a b" }],
  ["a serial without uses", { expires: EXPIRES, serial: "abc" }],
  ["uses without a serial", { expires: EXPIRES, uses: 1, fetch: "abc" }],
  ["uses in words", { ...LINKED, uses: "all" }],
];

for (const [what, value] of ODD) {
  Deno.test(`openGrant refuses ${what}, also under the right key`, () => {
    assertEquals(openGrant(signed(value), [KEY]), undefined);
  });
}

Deno.test("openGrant accepts the corrected forms of the table above", () => {
  assertEquals(openGrant(signed(LINKED), [KEY]), LINKED);
});

const NAMES: readonly [string | undefined, string, boolean][] = [
  [undefined, "a.txt", true],
  ["a.txt", "a.txt", true],
  ["a.txt", "a.txt2", false],
  ["a.txt", "b/a.txt", false],
  ["photos/", "photos/a.jpg", true],
  ["photos/", "photos/2024/a.jpg", true],
  ["photos/", "photos", false],
  ["photos/", "photos2/a.jpg", false],
  ["photos", "photos/a.jpg", false],
];

for (const [prefix, name, expected] of NAMES) {
  Deno.test(`isGranted, prefix ${prefix}: ${name} is ${expected ? "in" : "out"}`, () => {
    const grant = prefix === undefined ? {} : { prefix };
    assertEquals(isGranted({ expires: EXPIRES, ...grant }, name), expected);
  });
}
