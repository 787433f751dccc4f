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
          hmacSha256(key, text).toHex(),
          createHmac("sha256", key).update(text).digest("hex"),
        );
      },
    ),
  );
});
