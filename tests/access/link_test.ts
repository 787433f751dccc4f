import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  formatLink,
  type Link,
  looksLikeLink,
  parseLink,
  relaysOfLink,
  SENDER_LENGTH,
} from "../../lib/access/link.ts";
import { toBase64Url } from "../../lib/access/keys.ts";
import {
  formatPass,
  linkKeyOf,
  openPass,
  SERIAL_BYTES,
} from "../../lib/access/pass.ts";
import { parseRelayAddress } from "../../lib/base/address.ts";
import { Failure } from "../../lib/base/errors.ts";
import { sha256 } from "../../lib/base/hash.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import {
  CONTENT,
  EXPIRES,
  golden,
  NAME,
  NODE_ID,
  RELAY_ID,
  SECRET,
} from "./_golden.ts";

const RELAY = { host: "nas.local", port: 1700, id: RELAY_ID };
const KEY = linkKeyOf(SECRET);
const SERIAL = toBase64Url(
  Uint8Array.from({ length: SERIAL_BYTES }, (_, at) => at),
);
const TERMS = { content: CONTENT, expires: EXPIRES, uses: 1, serial: SERIAL };
const PASS = formatPass(TERMS, { name: NAME, key: KEY });
const LINK: Link = { relay: RELAY, name: NAME, content: CONTENT, pass: PASS };

Deno.test("A pass and a link are those of PROTOCOL.md", () => {
  assertEquals(PASS, golden("pass"));
  assertEquals(formatLink(LINK), golden("link"));
  assertEquals(parseLink(golden("link")), LINK);
});

Deno.test("The link of an open relay is that of PROTOCOL.md", () => {
  const { pass: _, ...open } = LINK;
  assertEquals(formatLink(open), golden("open link"));
  assertEquals(parseLink(golden("open link")), open);
});

const OTHER = {
  address: parseRelayAddress(golden("other relay")),
  pass: golden("other pass"),
};
const SENDER = NODE_ID.slice(0, SENDER_LENGTH);
const TWO: Link = { ...LINK, sender: SENDER, others: [OTHER] };

Deno.test("The link of two relays is that of PROTOCOL.md", () => {
  assertEquals(formatLink(TWO), golden("link of two"));
  assertEquals(parseLink(golden("link of two")), TWO);
  assertEquals(relaysOfLink(TWO), [{ address: RELAY, pass: PASS }, OTHER]);
});

Deno.test("A link of several relays survives format and parse, with and without sender and passes", () => {
  const { pass: _, ...open } = LINK;
  const bare = { address: { ...RELAY, host: "b.example", port: 65_535 } };
  const v6 = { address: { ...RELAY, host: "2001:db8::7" }, pass: PASS };
  for (const first of [LINK, open]) {
    for (const sender of [{}, { sender: SENDER }]) {
      for (const others of [[bare], [v6], [bare, v6], [v6, bare]]) {
        const link = { ...first, ...sender, others, name: "f" };
        const text = formatLink(link);
        assertEquals(parseLink(text), link);
        assert(/^[\w.\/:%-]+$/.test(text), text);
      }
    }
  }
});

/** A link of two relays whose payload is another one, with a right checksum. */
function withPayload(alter: (said: Uint8Array) => Uint8Array): string {
  const [, , head, id, payload, ...name] = formatLink(TWO).split("/");
  const bytes = Uint8Array.fromBase64(payload!, { alphabet: "base64url" });
  const said = alter(bytes.slice(0, -4));
  const text = `relay-p2p link 1\n${head}/${id}\n${name.join("/")}\n`;
  const check = sha256(
    new Uint8Array([...new TextEncoder().encode(text), ...said]),
  ).slice(0, 4);
  const coded = toBase64Url(new Uint8Array([...said, ...check]));
  return ["p2p:", "", head, id, coded, ...name].join("/");
}

Deno.test("A link of several relays is refused if its payload ends early, has more at its end, or unknown flags", () => {
  assertEquals(parseLink(withPayload((said) => said)), TWO);
  const bad = (alter: (said: Uint8Array) => Uint8Array) =>
    assertThrows(
      () => parseLink(withPayload(alter)),
      Failure,
      "this version does not know its kind",
    );
  const { length } = Uint8Array.fromBase64(
    golden("link of two").split("/")[4]!,
    { alphabet: "base64url" },
  );
  for (let cut = 1; cut < length - 4; cut++) {
    bad((said) => said.slice(0, -cut));
  }
  bad((said) => new Uint8Array([...said, 0]));
  for (const flag of [4, 0x80]) {
    bad((said) => said.with(1, said[1]! | flag));
  }
});

Deno.test("A link of more relays than a client takes is refused", () => {
  const at = (port: number) => ({ host: "h", port, id: RELAY_ID });
  const of = (count: number) => ({
    ...{ relay: at(1), name: "f", content: CONTENT },
    others: Array.from(
      { length: count - 1 },
      (_, n) => ({ address: at(n + 2) }),
    ),
  });
  const most = of(LIMITS.relaysCount);
  assertEquals(parseLink(formatLink(most)), most);
  const more = formatLink(of(LIMITS.relaysCount + 1));
  assertThrows(() => parseLink(more), Failure, "does not know its kind");
});

for (
  const [what, { pass, ...open }] of [["a private", LINK], [
    "an open",
    LINK,
  ]] as const
) {
  Deno.test(`A link of ${what} relay that names its sender survives format and parse, with the same pass`, () => {
    const link = {
      ...open,
      ...(what === "an open" ? {} : { pass }),
      sender: NODE_ID.slice(0, SENDER_LENGTH),
    };
    assertEquals(parseLink(formatLink(link)), link);
  });
}

Deno.test("openPass recognises its own pass, for its own name, by any of its keys", () => {
  const other = linkKeyOf(SECRET.toReversed());
  const open = (name: string, keys: Uint8Array[]) =>
    openPass(PASS, { name, keys });
  assertEquals(open(NAME, [KEY]), { terms: TERMS, keyIndex: 0 });
  assertEquals(open(NAME, [other, KEY])?.keyIndex, 1);
  assertEquals(open(NAME, [other]), undefined);
  assertEquals(open("photos/other.jpg", [KEY]), undefined);
  assertEquals(openPass(PASS.slice(4), { name: NAME, keys: [KEY] }), undefined);
  assertEquals(openPass("", { name: NAME, keys: [KEY] }), undefined);
});

Deno.test("openPass refuses a pass in which any byte was altered", () => {
  const bytes = Uint8Array.fromBase64(PASS, { alphabet: "base64url" });
  for (let at = 0; at < bytes.length; at++) {
    const altered = bytes.slice();
    altered[at]! ^= 1;
    const text = toBase64Url(altered);
    const opened = openPass(text, { name: NAME, keys: [KEY] });
    assertEquals(opened, undefined, `byte ${at}`);
  }
});

Deno.test("A link that is cut anywhere is refused, and not repeated", () => {
  const text = formatLink(LINK);
  for (let length = 0; length < text.length; length++) {
    const error = assertThrows(() => parseLink(text.slice(0, length)), Failure);
    assertEquals(error.exitCode, 2);
    assert(!error.message.includes(text.slice(100, 120)));
  }
  for (let from = 1; from < text.length; from++) {
    assertThrows(() => parseLink(text.slice(from)), Failure);
  }
});

Deno.test("A link in which any character was altered is refused", () => {
  const text = formatLink(LINK);
  for (let at = 0; at < text.length; at++) {
    for (const other of ["A", "b", "7", "-", "%", "/"]) {
      if (text[at] === other) continue;
      const altered = text.slice(0, at) + other + text.slice(at + 1);
      assertThrows(() => parseLink(altered), Failure);
    }
  }
});

Deno.test("A link with its scheme and id in capitals, or whitespace around it, is the same", () => {
  const text = formatLink(LINK);
  const capitals = text.replace("p2p", "P2P")
    .replace(RELAY_ID, RELAY_ID.toUpperCase());
  assertEquals(parseLink(` ${capitals} `), LINK);
});

const ODD: readonly [string, string][] = [
  ["nothing", ""],
  ["a relay address", `p2p://nas.local:1700/${RELAY_ID}`],
  ["10 KB", golden("link") + "a".repeat(10_000)],
  ["a line break", `${golden("link")}\n`],
  ["another scheme", golden("link").replace("p2p", "http")],
];

for (const [what, text] of ODD) {
  Deno.test(`parseLink refuses ${what}`, () => {
    const error = assertThrows(
      () => parseLink(text),
      Failure,
      "Cannot use link",
    );
    assertEquals(error.exitCode, 2);
  });
}

const NAMES = [
  "a",
  "photos/2024/a b.jpg",
  "it's $HOME `id` !! ~ (1) [2] {3} *.txt & | ; < > \" # ^ = ?,",
  "日本語/ファイル.txt",
  "100%.txt",
  "-rf",
];

for (const name of NAMES) {
  Deno.test(`A link to ${name} needs no quoting, and parsing returns it unchanged`, () => {
    const text = formatLink({ ...LINK, name });
    assert(/^[\w.\/:%-]+$/.test(text), text);
    assertEquals(parseLink(text), { ...LINK, name });
  });
}

for (const host of ["192.0.2.7", "2001:db8::7", "::1"]) {
  Deno.test(`A link to a relay at ${host} needs no quoting, and survives format and parse`, () => {
    const link = { ...LINK, relay: { ...RELAY, host } };
    const text = formatLink(link);
    assert(/^[\w.\/:%-]+$/.test(text), text);
    assertEquals(parseLink(text), link);
  });
}

Deno.test("A shell reads a link as one unchanged word", async () => {
  const text = formatLink({ ...LINK, name: NAMES[2]! });
  const { stdout } = await new Deno.Command("bash", {
    args: ["-c", `printf '%s|' ${text}`],
  }).output();
  assertEquals(new TextDecoder().decode(stdout), `${text}|`);
});

Deno.test("formatLink makes links of 512 characters and refuses longer ones", () => {
  const rest = formatLink({ ...LINK, name: "a" }).length - 1;
  const parts = (length: number) =>
    `${"a".repeat(200)}/${"b".repeat(length - 201)}`;
  const longest = parts(LIMITS.linkLength - rest);
  assertEquals(formatLink({ ...LINK, name: longest }).length, 512);
  assertEquals(parseLink(formatLink({ ...LINK, name: longest })).name, longest);
  const error = assertThrows(
    () => formatLink({ ...LINK, name: longest + "b" }),
    Failure,
    "it would have 513 characters, and the limit is 512",
  );
  assertEquals(error.exitCode, 2);
});

Deno.test("looksLikeLink distinguishes links, valid or not, from relay addresses", () => {
  assertEquals(looksLikeLink(golden("link")), true);
  assertEquals(looksLikeLink("P2P://a:1/b/"), true);
  assertEquals(looksLikeLink(`p2p://nas.local:1700/${RELAY_ID}/`), false);
  assertEquals(looksLikeLink(`p2p://nas.local:1700/${RELAY_ID}`), false);
  assertEquals(looksLikeLink("photos/p2p://a/b/c"), false);
});

Deno.test("A link is refused if it differs from the form that formatLink writes", () => {
  const text = formatLink({ ...LINK, name: ".bash_login" });
  const [, , head, id, payload, tail] = text.split("/");
  const said = Uint8Array.fromBase64(payload!, { alphabet: "base64url" })
    .slice(0, -4);
  const written = (place: string, name: string) => {
    const checked = `relay-p2p link 1\n${place}/${id}\n${name}\n`;
    const check = sha256(
      new Uint8Array([...new TextEncoder().encode(checked), ...said]),
    ).slice(0, 4);
    const coded = toBase64Url(new Uint8Array([...said, ...check]));
    return ["p2p:", "", place, id, coded, name].join("/");
  };
  assertEquals(written(head!, tail!), text);
  const hide = (part: string) => `%${part.charCodeAt(0).toString(16)}`;
  for (
    const hidden of [
      written(head!, hide(tail!) + tail!.slice(1)),
      written(head!, [...tail!].map(hide).join("")),
      written(hide(head!) + head!.slice(1), tail!),
    ]
  ) {
    assertThrows(
      () => parseLink(hidden),
      Failure,
      "it is written in another way than links are",
    );
  }
});
