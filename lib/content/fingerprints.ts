/**
 * Fingerprints: 40 bits that stand for a name, the last part of one, a folder,
 * or a content. A relay finds nodes by them and learns no name. Pure.
 *
 * @module
 */

import { createHmac } from "node:crypto";

/** What a fingerprint stands for. */
export type FingerprintKind = "name" | "base" | "folder" | "content";

/** Bytes of a fingerprint. */
export const FINGERPRINT_BYTES = 5;

const CONTEXT = "relay-p2p index 1\n";

/** HMAC-SHA-256 of a text as UTF-8. */
export type Hmac = (key: Uint8Array, text: string) => Uint8Array;

/**
 * The fingerprint of a text under a key, as a whole number below 2^40. By
 * default the platform computes the HMAC.
 */
export function fingerprintOf(
  key: Uint8Array,
  kind: FingerprintKind,
  text: string,
  hmac: Hmac = platformHmac,
): number {
  const code = hmac(key, `${CONTEXT}${kind}\n${text}`);
  let print = 0;
  for (let at = 0; at < FINGERPRINT_BYTES; at++) {
    print = print * 256 + code[at]!;
  }
  return print;
}

function platformHmac(key: Uint8Array, text: string): Uint8Array {
  return createHmac("sha256", key).update(text).digest();
}

const KEY_CONTEXT = "relay-p2p index key 1\n";
const KEY_ID_BYTES = 8;

/**
 * The id of an index key, by which a relay compares keys: 64 bits as base64url,
 * which do not reveal the key. Fingerprints under different keys cannot be
 * compared.
 */
export function indexKeyId(key: Uint8Array): string {
  return createHmac("sha256", key).update(KEY_CONTEXT).digest()
    .subarray(0, KEY_ID_BYTES).toString("base64url");
}

const SWARM_CONTEXT = "relay-p2p swarm 1\n";
const CONTENT_FINGERPRINT_BYTES = 16;

/**
 * The fingerprint of a content at one relay, by which clients find each other:
 * 128 bits as base64url, so that only those who know the content id can ask.
 */
export function contentFingerprint(relayId: string, content: string): string {
  return createHmac("sha256", relayId).update(`${SWARM_CONTEXT}${content}`)
    .digest().subarray(0, CONTENT_FINGERPRINT_BYTES).toString("base64url");
}

/** The last part of a name. */
export function baseOf(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

/** The folders of a name, each with a slash at its end, the innermost first. */
export function foldersOf(name: string): string[] {
  const folders: string[] = [];
  let end = name.lastIndexOf("/");
  for (; end >= 0; end = end === 0 ? -1 : name.lastIndexOf("/", end - 1)) {
    folders.push(name.slice(0, end + 1));
  }
  return folders;
}

/** Base64 of fingerprints in ascending order. */
export function encodeFingerprints(sorted: ArrayLike<number>): string {
  const bytes = new Uint8Array(sorted.length * FINGERPRINT_BYTES);
  const view = new DataView(bytes.buffer);
  for (let n = 0; n < sorted.length; n++) {
    view.setUint32(n * FINGERPRINT_BYTES, Math.floor(sorted[n]! / 256));
    bytes[n * FINGERPRINT_BYTES + 4] = sorted[n]! % 256;
  }
  return bytes.toBase64();
}

/**
 * The fingerprints in such a text; `undefined` if the text is not valid, or the
 * fingerprints are not in ascending order.
 */
export function decodeFingerprints(text: string): Float64Array | undefined {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = Uint8Array.fromBase64(text);
  } catch {
    return undefined; // not base64
  }
  const count = bytes.length / FINGERPRINT_BYTES;
  if (!Number.isInteger(count)) return undefined;
  const view = new DataView(bytes.buffer);
  const fingerprints = new Float64Array(count);
  for (let n = 0; n < count; n++) {
    const at = n * FINGERPRINT_BYTES;
    fingerprints[n] = view.getUint32(at) * 256 + bytes[at + 4]!;
    if (n > 0 && fingerprints[n]! <= fingerprints[n - 1]!) return undefined;
  }
  return fingerprints;
}
