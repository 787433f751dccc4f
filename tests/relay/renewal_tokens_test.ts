import { assertEquals, assertMatch } from "@std/assert";
import { RenewalTokens } from "../../lib/relay/renewal_tokens.ts";
import { mutate, randomBytes, seededRandom } from "../_random.ts";

const LIFE_MS = 1_000;
const NODE = { id: "i".repeat(52), instance: "instance 1", entry: "entry\xff" };
const HERE = { now: 5, nonce: "" };

function newTokens(key = 1): RenewalTokens {
  return new RenewalTokens(new Uint8Array(32).fill(key), LIFE_MS);
}

Deno.test("RenewalTokens takes a token until the moment at which it expires", () => {
  const tokens = newTokens();
  const token = tokens.issue(NODE, HERE);
  assertMatch(token, /^[A-Za-z0-9_-]{30}$/);
  const at = (now: number) => tokens.isValid(token, NODE, { ...HERE, now });
  assertEquals([5, 1_004.9, 1_005, 1_006].map(at), [true, true, false, false]);
});

Deno.test("RenewalTokens gives the code that docs/PROTOCOL.md describes", async () => {
  const token = newTokens().issue(NODE, { now: 2 ** 32, nonce: "AAEC" });
  const key = await crypto.subtle.importKey(
    "raw",
    new Uint8Array(32).fill(1),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["sign"],
  );
  const { id, instance, entry } = NODE;
  const text =
    `relay-p2p renewal 1\n${id}\n${instance}\nAAEC\n4294968296\n${entry}`;
  const code = await crypto.subtle.sign(
    "HMAC",
    key,
    new TextEncoder().encode(text),
  );
  const bytes = [0, 1, 0, 0, 3, 0xe8, ...new Uint8Array(code).subarray(0, 16)];
  const expected = new Uint8Array(bytes).toBase64({
    alphabet: "base64url",
    omitPadding: true,
  });
  assertEquals(token, expected);
});

for (
  const [what, node, terms] of [
    ["another id", { id: "j".repeat(52) }, {}],
    ["another instance", { instance: "instance 2" }, {}],
    ["another registration", { entry: "entry\xfe" }, {}],
    ["another connection", {}, { nonce: "AAEC" }],
    ["its own", {}, {}],
  ] as const
) {
  const isOwn = what === "its own";
  Deno.test(`RenewalTokens ${isOwn ? "takes" : "refuses"} a token for ${what}`, () => {
    const tokens = newTokens();
    const token = tokens.issue(NODE, HERE);
    assertEquals(
      tokens.isValid(token, { ...NODE, ...node }, { ...HERE, ...terms }),
      isOwn,
    );
  });
}

Deno.test("RenewalTokens refuses tokens of another relay, and its own ones under a former key", () => {
  const tokens = newTokens();
  const token = tokens.issue(NODE, HERE);
  assertEquals(newTokens(2).isValid(token, NODE, HERE), false);
  tokens.replaceKey(new Uint8Array(32).fill(3));
  assertEquals(tokens.isValid(token, NODE, HERE), false);
  assertEquals(tokens.isValid(tokens.issue(NODE, HERE), NODE, HERE), true);
});

Deno.test("RenewalTokens refuses a token that differs in any bit", () => {
  const tokens = newTokens();
  const token = tokens.issue(NODE, HERE);
  const bytes = Uint8Array.fromBase64(token, { alphabet: "base64url" });
  const random = seededRandom(16);
  const textOf = (of: Uint8Array) =>
    of.toBase64({ alphabet: "base64url", omitPadding: true });
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const forged = bytes.slice();
    forged[bit >> 3]! ^= 1 << (bit & 7);
    assertEquals(tokens.isValid(textOf(forged), NODE, HERE), false);
  }
  const forged = [
    ...["", "=", "é".repeat(30), `${token}=`, token.slice(0, 29), `${token}A`],
    ...Array.from({ length: 500 }, () => textOf(randomBytes(22, random))),
    ...Array.from({ length: 500 }, () => textOf(mutate(bytes, random)))
      .filter((text) => text !== token),
  ];
  for (const text of forged) {
    assertEquals(tokens.isValid(text, NODE, HERE), false, text);
  }
});
