import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  formatToken,
  isProof,
  keysProofOf,
  parseToken,
  proofOf,
  tokenOf,
  type TokenRole,
} from "../../lib/access/token.ts";
import { Failure } from "../../lib/base/errors.ts";
import { golden, RELAY_ID, SECRET } from "./_golden.ts";

const TERMS = { relayId: RELAY_ID, nonce: golden("nonce") };
const NODE = formatToken(tokenOf(SECRET, "node"));
const CLIENT = formatToken(tokenOf(SECRET, "client"));

for (const role of ["node", "client"] as const) {
  Deno.test(`A ${role} token and its proof are those of PROTOCOL.md`, () => {
    const token = tokenOf(SECRET, role);
    assertEquals(formatToken(token), golden(`${role} token`));
    assertEquals(proofOf(token, TERMS), golden(`${role} proof`));
    assertEquals(parseToken(golden(`${role} token`), role), token);
    const shouted = golden(`${role} token`).toUpperCase();
    assertEquals(parseToken(shouted, role), token);
  });
}

Deno.test("The proof of grant keys is that of PROTOCOL.md", () => {
  const terms = { ...TERMS, token: tokenOf(SECRET, "node") };
  const keys = [golden("key of grants")];
  assertEquals(keysProofOf(keys, terms), golden("proof of keys"));
});

const WRONG: readonly [string, string, TokenRole, string][] = [
  ["the token of the other role", NODE, "client", "it is a node token"],
  ["a client token for a node", CLIENT, "node", "it is a client token"],
  ["nothing", "", "node", "a node token begins with p2p-node-"],
  ["a word", "swordfish", "client", "a client token begins with p2p-client-"],
  ["a token that was cut", CLIENT.slice(0, -1), "client", "mistyped or cut"],
  ["a prefix alone", "p2p-client-", "client", "mistyped or cut"],
  ["a zero key", `p2p-node-${"a".repeat(40)}`, "node", "mistyped or cut"],
  [
    "another role's prefix before a key",
    NODE.replace("node", "client"),
    "client",
    "mistyped or cut",
  ],
];

for (const [what, text, role, why] of WRONG) {
  Deno.test(`parseToken refuses ${what}, and does not repeat it`, () => {
    const error = assertThrows(() => parseToken(text, role), Failure, why);
    assertEquals(error.exitCode, 7);
    assert(!error.message.includes(text.slice(-8)) || text.length < 12);
  });
}

Deno.test("A proof is valid for one relay, one connection and one role", () => {
  const token = tokenOf(SECRET, "client");
  const proof = proofOf(token, TERMS);
  assertEquals(isProof(proof, token, TERMS), true);
  const other = tokenOf(SECRET.toReversed(), "client");
  assertEquals(isProof(proof, other, TERMS), false);
  assertEquals(isProof(proof, tokenOf(SECRET, "node"), TERMS), false);
  assertEquals(isProof(proof, token, { ...TERMS, nonce: "AAECBA==" }), false);
  const elsewhere = { ...TERMS, relayId: golden("node id") };
  assertEquals(isProof(proof, token, elsewhere), false);
  for (const text of ["", proof.slice(1), proof + "=", "ü".repeat(44)]) {
    assertEquals(isProof(text, token, TERMS), false, text);
  }
});
