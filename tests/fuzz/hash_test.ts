/**
 * An HMAC from two plain hashes.
 */

import { createHmac } from "node:crypto";
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { hmacSha256 } from "../../lib/base/short_hash.ts";

Deno.test("An HMAC is that of the platform, for keys shorter and longer than a block", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.string({ unit: "binary", maxLength: 300 }),
      (key, text) => {
        assertEquals(
          hexOf(hmacSha256(key, text)),
          createHmac("sha256", key).update(text).digest("hex"),
        );
      },
    ),
  );
});

function hexOf(words: Int32Array): string {
  return [...words].map((word) => (word >>> 0).toString(16).padStart(8, "0"))
    .join("");
}
