/**
 * SHA-256 of very many short texts, in JavaScript. A hash object of the platform
 * leaves memory outside of V8's heap, which stays until V8 collects all. A node
 * needs nine of them for each file, so it grew by 50 MB during hashing. These
 * leave nothing.
 *
 * @module
 */

import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";

const encoder = new TextEncoder();

/** The hash of a text as UTF-8. */
export function sha256OfText(text: string): Uint8Array<ArrayBuffer> {
  return sha256(encoder.encode(text));
}

/** HMAC-SHA-256 of a text as UTF-8 (RFC 2104). */
export function hmacSha256(
  key: Uint8Array,
  text: string,
): Uint8Array<ArrayBuffer> {
  return hmac(sha256, key, encoder.encode(text));
}
