/**
 * SHA-256, which `sha256sum` prints: from the platform, the fastest hash on a
 * machine with SHA instructions. For very many short texts see `short_hash.ts`.
 *
 * @module
 */

import { createHash, type Hash } from "node:crypto";

export type { Hash };

/** Bytes of a SHA-256 hash. */
export const HASH_BYTES = 32;

export function sha256(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  // A `Buffer` takes longer than these digits.
  return Uint8Array.fromHex(createSha256().update(bytes).digest("hex"));
}

/**
 * Whether the hash number `index` in `hashes`, which are concatenated, is
 * `hash`.
 */
export function isHashAt(
  hashes: Uint8Array,
  index: number,
  hash: Uint8Array,
): boolean {
  const offset = index * HASH_BYTES;
  for (let at = 0; at < HASH_BYTES; at++) {
    if (hashes[offset + at] !== hash[at]) return false;
  }
  return hash.length === HASH_BYTES;
}

/** SHA-256 of bytes that arrive in parts: call `update(…)`, then `digest()`. */
export function createSha256(): Hash {
  return createHash("sha256");
}
