/**
 * The keys of a private relay, all derived from one secret, and the MACs made
 * with them. Pure.
 *
 * @module
 */

import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";

/** Bytes of a MAC, which proves knowledge of a key. */
const CODE_BYTES = 32;

const SALT = "relay-p2p access 1";

/**
 * Derives the key for one purpose: HKDF-SHA256 of the secret, with `purpose` as
 * its info. One key reveals nothing about another, or about the secret.
 */
export function deriveKey(
  secret: Uint8Array,
  purpose: string,
  bytes: number = CODE_BYTES,
): Uint8Array<ArrayBuffer> {
  return new Uint8Array(hkdfSync("sha256", secret, SALT, purpose, bytes));
}

/** HMAC-SHA256 of the parts in sequence; 32 bytes. */
export function macOf(
  key: Uint8Array,
  ...parts: readonly (string | Uint8Array)[]
): Uint8Array<ArrayBuffer> {
  const hmac = createHmac("sha256", key);
  for (const part of parts) hmac.update(part);
  return new Uint8Array(hmac.digest());
}

/** Compares two MACs in constant time. */
export function isSameMac(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Encodes bytes as base64url: letters, digits, `-` and `_`. */
export function toBase64Url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/**
 * Decodes such a text; `undefined` for a text that {@linkcode toBase64Url}
 * would not have written.
 */
export function fromBase64Url(
  text: string,
): Uint8Array<ArrayBuffer> | undefined {
  try {
    const bytes = Uint8Array.fromBase64(text, { alphabet: "base64url" });
    return toBase64Url(bytes) === text ? bytes : undefined;
  } catch {
    return undefined; // not base64url
  }
}
