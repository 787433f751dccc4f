/**
 * Which texts are a key of fingerprints.
 */

import { assertEquals, assertThrows } from "@std/assert";
import { encodeBase32 } from "@std/encoding/base32";
import { checkedIndexKey, parseIndexKey } from "../../lib/access/index_key.ts";
import { Failure } from "../../lib/base/errors.ts";
import { serveNode } from "../../lib/node/server.ts";

const KEY = Uint8Array.from({ length: 32 }, (_, n) => (n * 37) % 256);

Deno.test("An index key is 32 bytes in base64, base32 or hexadecimal digits", () => {
  for (const text of [KEY.toBase64(), KEY.toHex(), encodeBase32(KEY)]) {
    assertEquals(parseIndexKey(text), KEY);
  }
});

for (
  const [what, text, why] of [
    ["no digits", "grüße", "wanted base32, base64 or hexadecimal digits"],
    ["16 bytes", KEY.slice(16).toHex(), "wanted 32 bytes, found 16"],
    ["33 bytes", `${KEY.toHex()}00`, "wanted 32 bytes, found 33"],
    ["zeros", "00".repeat(32), "it is not random"],
  ] as const
) {
  Deno.test(`An index key of ${what} is refused, and not repeated`, () => {
    const error = assertThrows(() => parseIndexKey(text), Failure);
    assertEquals([error.kind, error.parts.why], ["usage", why]);
    assertEquals(error.message.includes(text), false);
  });
}

Deno.test("The library refuses an index key of another length", async () => {
  assertEquals(checkedIndexKey(KEY), KEY);
  const indexKey = KEY.slice(1);
  const relay = { host: "127.0.0.1", port: 9 };
  const node = serveNode({ relay, port: 0, paths: [], indexKey });
  const error = await node.then(() => undefined, (error) => error);
  assertEquals(error instanceof RangeError, true);
  assertEquals(
    error.message,
    "Cannot use index key: wanted 32 bytes, found 31",
  );
});
