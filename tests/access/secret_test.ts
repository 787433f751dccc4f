import { assert, assertEquals, assertThrows } from "@std/assert";
import { encodeBase32 } from "@std/encoding/base32";
import { parseSecret } from "../../lib/access/secret.ts";
import { Failure } from "../../lib/base/errors.ts";
import { SECRET } from "./_golden.ts";

const SIXTEEN = SECRET.slice(0, 16);

const TEXTS: readonly [string, string, Uint8Array][] = [
  ["hexadecimal digits", SECRET.toHex(), SECRET],
  ["hexadecimal digits in capitals", SECRET.toHex().toUpperCase(), SECRET],
  ["base64", SECRET.toBase64(), SECRET],
  ["base64 without padding", SECRET.toBase64().replace("=", ""), SECRET],
  [
    "base64url",
    "-_-_-_-_ABCDEFGHIJKLMNOPQRST",
    parseSecret("+/+/+/+/ABCDEFGHIJKLMNOPQRST"),
  ],
  ["base32", encodeBase32(SECRET), SECRET],
  [
    "base32 in small letters, without padding",
    encodeBase32(SECRET).toLowerCase().replaceAll("=", ""),
    SECRET,
  ],
  ["128 bits", SIXTEEN.toHex(), SIXTEEN],
];

for (const [what, text, bytes] of TEXTS) {
  Deno.test(`parseSecret reads ${what}`, () => {
    assertEquals(parseSecret(text).toHex(), bytes.toHex());
  });
}

const WRONG: readonly [string, string, string][] = [
  [
    "120 bits",
    SECRET.slice(0, 15).toHex(),
    "wanted at least 128 bits, found 120",
  ],
  ["a password", "correct horse battery staple", "wanted base32, base64"],
  ["nothing", "", "wanted at least 128 bits, found 0"],
  ["zeros", "0".repeat(64), "it is not random"],
  ["one letter", "a".repeat(40), "it is not random"],
  ["too much", "ab".repeat(1000), "wanted at most 160 characters"],
  ["half a byte", SECRET.toHex() + "!", "wanted base32, base64"],
];

for (const [what, text, why] of WRONG) {
  Deno.test(`parseSecret refuses ${what}, and does not repeat it`, () => {
    const error = assertThrows(() => parseSecret(text), Failure, why);
    assertEquals(error.kind, "usage");
    assert(text === "" || !error.message.includes(text));
  });
}
