import { assertEquals, assertNotEquals } from "@std/assert";
import {
  deriveKey,
  fromBase64Url,
  isSameMac,
  macOf,
  toBase64Url,
} from "../../lib/access/keys.ts";
import { SECRET } from "./_golden.ts";

/** The same by the browser's own functions, which are another program. */
async function derivedBySubtle(purpose: string, bytes: number) {
  const text = (value: string) => new TextEncoder().encode(value);
  const key = await crypto.subtle.importKey("raw", SECRET, "HKDF", false, [
    "deriveBits",
  ]);
  const salt = text("relay-p2p access 1");
  const info = text(purpose);
  const derivation = { name: "HKDF", hash: "SHA-256", salt, info };
  return new Uint8Array(
    await crypto.subtle.deriveBits(derivation, key, 8 * bytes),
  );
}

for (const [purpose, bytes] of [["node", 20], ["link", 32]] as const) {
  Deno.test(`deriveKey is HKDF-SHA256, for ${purpose}`, async () => {
    const expected = await derivedBySubtle(purpose, bytes);
    assertEquals(deriveKey(SECRET, purpose, bytes), expected);
  });
}

Deno.test("deriveKey makes another key for every purpose", () => {
  const purposes = ["node", "client", "link", "grant", "granta", "grantb"];
  const keys = purposes.map((purpose) => deriveKey(SECRET, purpose).toHex());
  assertEquals(new Set(keys).size, keys.length);
});

Deno.test("macOf is HMAC-SHA256 of the parts in sequence", async () => {
  const key = await crypto.subtle.importKey(
    "raw",
    SECRET,
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["sign"],
  );
  const text = new TextEncoder().encode("one and two");
  const expected = new Uint8Array(await crypto.subtle.sign("HMAC", key, text));
  const parts = ["one", new TextEncoder().encode(" and "), "two"];
  assertEquals(macOf(SECRET, ...parts), expected);
  assertNotEquals(macOf(SECRET, "one and twp"), expected);
});

Deno.test("isSameMac compares codes of any length", () => {
  const code = macOf(SECRET, "a");
  assertEquals(isSameMac(code, code.slice()), true);
  for (const at of [0, 15, 31]) {
    const other = code.slice();
    other[at]! ^= 1;
    assertEquals(isSameMac(code, other), false, `byte ${at}`);
  }
  assertEquals(isSameMac(code, code.slice(1)), false);
  assertEquals(isSameMac(code, new Uint8Array()), false);
});

Deno.test("fromBase64Url reads what toBase64Url writes, and nothing else", () => {
  const bytes = new Uint8Array([251, 255, 0, 1]);
  assertEquals(toBase64Url(bytes), "-_8AAQ");
  assertEquals(fromBase64Url("-_8AAQ"), bytes);
  for (
    const text of ["-_8AAR", "-_8AAQ==", "+/8AAQ", "-_8 AAQ", "-_8AA", "ä", "="]
  ) {
    assertEquals(fromBase64Url(text), undefined, text);
  }
});
