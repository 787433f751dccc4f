import { assertEquals } from "@std/assert";
import { formatLink } from "../../../lib/access/link.ts";
import { formatToken, tokenOf } from "../../../lib/access/token.ts";
import { Redaction } from "../../../lib/cli/output/redaction.ts";
import { golden, SECRET } from "../../access/_golden.ts";

const TOKEN = formatToken(tokenOf(SECRET, "client"));
const ID = "a".repeat(52);

const TEXTS: readonly [string, string, string][] = [
  ["a token", `error: (${TOKEN}): no`, "error: (p2p-client-…): no"],
  ["a token in capitals", TOKEN.toUpperCase(), "P2P-CLIENT-…"],
  ["half a token", TOKEN.slice(0, 30), "p2p-client-…"],
  [
    "a link",
    `cannot use ${golden("link")}; sorry`,
    `cannot use p2p://nas.local:1700/${golden("relay id")}/…; sorry`,
  ],
  [
    "a link that was cut",
    golden("link").slice(0, 100),
    `p2p://nas.local:1700/${golden("relay id")}/…`,
  ],
  [
    "the link of an open relay",
    golden("open link"),
    `p2p://nas.local:1700/${golden("relay id")}/…`,
  ],
  [
    "a link that a note put in quotes",
    `"${golden("link")}"`,
    `"p2p://nas.local:1700/${golden("relay id")}/…"`,
  ],
];

for (const [what, text, expected] of TEXTS) {
  Deno.test(`Redaction removes ${what} from any text`, () => {
    assertEquals(new Redaction().apply(text), expected);
  });
}

Deno.test("Concealment removes known values, and leaves the rest unchanged", () => {
  const concealment = new Redaction();
  const secret = SECRET.toHex();
  concealment.add(secret);
  concealment.add("short");
  assertEquals(concealment.apply(`(${secret}): ${secret}`), "(…): …");
  for (
    const text of [
      "a short word",
      `relay address p2p://127.0.0.1:1700/${ID}`,
      `relay id ${ID}`,
      "see p2p-client-notes.txt",
      "saved p2p-node-1.log",
    ]
  ) {
    assertEquals(concealment.apply(text), text);
  }
});

Deno.test("Every possible link is concealed", () => {
  for (const host of ["nas.local", "192.0.2.7", "2001:db8::7"]) {
    const text = formatLink({
      relay: { host, port: 1700, id: golden("relay id") },
      name: "a",
      content: golden("content"),
      pass: golden("pass"),
    });
    const payload = text.split("/")[4]!;
    assertEquals(new Redaction().apply(text).includes(payload), false);
  }
});
