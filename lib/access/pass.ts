/**
 * Passes: a relay puts a pass into a link and recognises it later. A pass
 * allows one name with one content, for a limited time and number of fetches.
 * Pure.
 *
 * ```
 * version[1] flags[1] content[32] expires[4] uses[2] serial[12] mac[16]
 * ```
 *
 * big-endian, as base64url. Without a pass the flags are 0 and everything after
 * `content` is missing.
 *
 * @module
 */

import {
  deriveKey,
  fromBase64Url,
  isSameMac,
  macOf,
  toBase64Url,
} from "./keys.ts";

/** Bytes of a link's random serial number. */
export const SERIAL_BYTES = 12;
/** Bytes of a pass. */
const PASS_BYTES = 68;
/** Bytes for a content alone, without a pass. */
const BARE_BYTES = 34;

const VERSION = 1;
const HAS_PASS = 1;
const MAC_BYTES = 16;
const CONTEXT = "relay-p2p link 1\n";

/** The terms of a pass. */
export interface PassTerms {
  /** The content that it allows. */
  readonly content: string;
  /** When it expires, in seconds since 1970. */
  readonly expires: number;
  /** How many fetches it allows. */
  readonly uses: number;
  /** Its serial number, {@linkcode SERIAL_BYTES} random bytes as base64url. */
  readonly serial: string;
}

/** The key with which a relay makes passes. */
export function linkKeyOf(secret: Uint8Array): Uint8Array<ArrayBuffer> {
  return deriveKey(secret, "link");
}

/** Text of a pass for `name`. A secret. */
export function formatPass(
  { content, expires, uses, serial }: PassTerms,
  { name, key }: { name: string; key: Uint8Array },
): string {
  const bytes = new Uint8Array(PASS_BYTES);
  bytes.set(encodeBare(content));
  bytes[1] = HAS_PASS;
  const view = new DataView(bytes.buffer);
  view.setUint32(BARE_BYTES, expires);
  view.setUint16(BARE_BYTES + 4, uses);
  bytes.set(fromBase64Url(serial)!, BARE_BYTES + 6);
  bytes.set(passMacOf(bytes, { name, key }), PASS_BYTES - MAC_BYTES);
  return toBase64Url(bytes);
}

/** The bytes for a content without a pass. */
export function encodeBare(content: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array([VERSION, 0, ...Uint8Array.fromHex(content)]);
}

/**
 * Decodes the bytes in a link, a pass or a content alone, without checking the
 * MAC.
 */
export function decodePass(
  bytes: Uint8Array,
): PassTerms | { readonly content: string } | undefined {
  const [version, flags] = bytes;
  if (version !== VERSION) return undefined;
  const content = bytes.slice(2, BARE_BYTES).toHex();
  if (flags === 0 && bytes.length === BARE_BYTES) return { content };
  if (flags !== HAS_PASS || bytes.length !== PASS_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return {
    content,
    expires: view.getUint32(BARE_BYTES),
    uses: view.getUint16(BARE_BYTES + 4),
    serial: toBase64Url(
      bytes.slice(BARE_BYTES + 6, BARE_BYTES + 6 + SERIAL_BYTES),
    ),
  };
}

/**
 * Reads a pass for `name` that was made with one of `keys`, and says which;
 * `undefined` for any other text. Does not check whether it has expired.
 */
export function openPass(
  text: string,
  { name, keys }: { name: string; keys: readonly Uint8Array[] },
): { terms: PassTerms; keyIndex: number } | undefined {
  const bytes = fromBase64Url(text);
  const terms = bytes && decodePass(bytes);
  if (terms === undefined || !("serial" in terms)) return undefined;
  const given = bytes!.slice(PASS_BYTES - MAC_BYTES);
  // Always tries all keys, so that the time does not reveal which one fits.
  const matches = keys.map((key) =>
    isSameMac(given, passMacOf(bytes!, { name, key }))
  );
  const keyIndex = matches.indexOf(true);
  return keyIndex < 0 ? undefined : { terms, keyIndex };
}

function passMacOf(
  bytes: Uint8Array,
  { name, key }: { name: string; key: Uint8Array },
): Uint8Array {
  const signed = bytes.slice(0, PASS_BYTES - MAC_BYTES);
  return macOf(key, CONTEXT, signed, name).slice(0, MAC_BYTES);
}
