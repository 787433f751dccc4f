import { createHash } from "node:crypto";
import { assertEquals } from "@std/assert";
import { sha256 } from "../../lib/base/hash.ts";
import {
  hmacSha256,
  sha256OfText,
  SHORT_BYTES,
  shortSha256,
} from "../../lib/base/short_hash.ts";
import { randomBytes, seededRandom } from "../_random.ts";

function expected(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

Deno.test("shortSha256 gives the hashes that the standard gives", () => {
  for (
    const [text, hash] of [
      ["", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
      [
        "abc",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      ],
      [
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
      ],
    ] as const
  ) {
    assertEquals(shortSha256(new TextEncoder().encode(text)).toHex(), hash);
    assertEquals(sha256OfText(text).toHex(), hash);
  }
});

Deno.test("shortSha256 and sha256 give the hashes of the platform, for each length", () => {
  const random = seededRandom(1);
  for (let length = 0; length <= 2 * SHORT_BYTES; length++) {
    const bytes = randomBytes(length, random);
    assertEquals(shortSha256(bytes).toHex(), expected(bytes), `${length}`);
    assertEquals(sha256(bytes).toHex(), expected(bytes), `${length}`);
  }
  const long = randomBytes(100_000, random);
  assertEquals(shortSha256(long).toHex(), expected(long));
});

Deno.test("sha256OfText hashes any text as the platform does, also half a character", () => {
  for (
    const text of ["é", "\u{1f4a5}", "\ud83d", "x\udca5", "文".repeat(900)]
  ) {
    assertEquals(sha256OfText(text).toHex(), expected(text));
  }
});

Deno.test("shortSha256 gives each caller bytes of its own", () => {
  const one = sha256OfText("one");
  const before = one.toHex();
  sha256OfText("two");
  hmacSha256(one, "three");
  assertEquals(one.toHex(), before);
});
