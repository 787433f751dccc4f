/**
 * The keys of a private relay, all derived from one secret, and the codes made
 * with them. Pure.
 *
 * @module
 */

import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";

/** Bytes of a code that proves knowledge of a key. */
export const CODE_BYTES = 32;

const SALT = "relay-p2p access 1";

/**
 * The key for one purpose: HKDF-SHA256 of the secret, with `purpose` for its
 * info. Knowing one of them tells nothing of another, or of the secret.
 */
export function deriveKey(
  secret: Uint8Array,
  purpose: string,
  bytes: number = CODE_BYTES,
): Uint8Array<ArrayBuffer> {
  return new Uint8Array(hkdfSync("sha256", secret, SALT, purpose, bytes));
}

/** HMAC-SHA256 of the parts, one after the other; 32 bytes. */
export function codeOf(
  key: Uint8Array,
  ...parts: readonly (string | Uint8Array)[]
): Uint8Array<ArrayBuffer> {
  const hmac = createHmac("sha256", key);
  for (const part of parts) hmac.update(part);
  return new Uint8Array(hmac.digest());
}

/** Whether two codes are the same, in a time that does not tell where not. */
export function isSameCode(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Bytes as text of letters, digits, `-` and `_`. */
export function toBase64Url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/**
 * The bytes of such a text; `undefined` for one that {@linkcode toBase64Url}
 * would not have written so.
 */
export function fromBase64Url(
  text: string,
): Uint8Array<ArrayBuffer> | undefined {
  try {
    const bytes = Uint8Array.fromBase64(text, { alphabet: "base64url" });
    return toBase64Url(bytes) === text ? bytes : undefined;
  } catch {
    return undefined; // not base64url at all
  }
}
