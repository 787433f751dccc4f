/**
 * The key of fingerprints: 32 random bytes, which nodes and clients have, but
 * not their relay. Pure.
 *
 * @module
 */

import { Failure } from "../base/errors.ts";
import { decodeWord, isRandom } from "./secret.ts";

/** Bytes of an index key. */
export const INDEX_KEY_BYTES = 32;

/**
 * Parses an index key: base32, base64, base64url or hexadecimal digits.
 *
 * @throws {Failure} of kind `usage` that does not repeat the key.
 */
export function parseIndexKey(text: string): Uint8Array<ArrayBuffer> {
  const bytes = decodeWord(text);
  const why = bytes === undefined
    ? "wanted base32, base64 or hexadecimal digits"
    : bytes.length !== INDEX_KEY_BYTES
    ? `wanted ${INDEX_KEY_BYTES} bytes, found ${bytes.length}`
    : isRandom(bytes)
    ? undefined
    : "it is not random";
  if (why === undefined) return bytes!;
  throw new Failure("usage", {
    what: "Cannot use index key",
    why,
    remedy: "make one: head -c 32 /dev/urandom | base64",
  });
}

/**
 * Checks and returns a key that a caller of the library passed.
 *
 * @throws {RangeError} if it does not have {@linkcode INDEX_KEY_BYTES} bytes.
 */
export function checkedIndexKey<Key extends Uint8Array | undefined>(
  key: Key,
): Key {
  if (key === undefined || key.length === INDEX_KEY_BYTES) return key;
  throw new RangeError(
    `Cannot use index key: wanted ${INDEX_KEY_BYTES} bytes, found ${key.length}`,
  );
}
