/**
 * The secret of a private relay: at least 128 random bits, as text. Anyone who
 * has it can act as the relay. Pure.
 *
 * @module
 */

import { decodeBase32 } from "@std/encoding/base32";
import { Failure } from "../base/errors.ts";

/** Bytes of a secret that a relay makes for itself. */
export const SECRET_BYTES = 32;

const LEAST_BYTES = 16;
// Short enough that `show` never cuts it, so it can be found and concealed in
// any message.
const MOST_LENGTH = 160;
// 16 random bytes have fewer different values than this once in 10^15 times.
const LEAST_DIFFERENT = 7;

/**
 * Parses a secret: base32, base64, base64url or hexadecimal digits.
 *
 * @throws {Failure} of kind `usage` that does not repeat the secret.
 */
export function parseSecret(text: string): Uint8Array<ArrayBuffer> {
  if (text.length > MOST_LENGTH) {
    throw badSecret(`wanted at most ${MOST_LENGTH} characters`);
  }
  const bytes = decodeWord(text);
  if (bytes === undefined) {
    throw badSecret("wanted base32, base64 or hexadecimal digits");
  }
  if (bytes.length < LEAST_BYTES) {
    throw badSecret(
      `wanted at least ${8 * LEAST_BYTES} bits, found ${8 * bytes.length}`,
    );
  }
  if (!isRandom(bytes)) {
    throw badSecret("it is not random");
  }
  return bytes;
}

function badSecret(why: string): Failure {
  return new Failure("usage", {
    what: "Cannot use secret",
    why,
    remedy: "make one: head -c 32 /dev/urandom | base64",
  });
}

/** Whether bytes may be random: a word or a row of zeros is not. */
export function isRandom(bytes: Uint8Array): boolean {
  return new Set(bytes).size >= LEAST_DIFFERENT;
}

/** Decodes a text by the narrowest alphabet that fits. */
export function decodeWord(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    if (/^([0-9a-f]{2})+$/i.test(text)) return Uint8Array.fromHex(text);
    if (/^([a-z2-7]+|[A-Z2-7]+)=*$/.test(text)) {
      const bare = text.replace(/=*$/, "").toUpperCase();
      const padding = "=".repeat((8 - bare.length % 8) % 8);
      return new Uint8Array(decodeBase32(bare + padding));
    }
    const standard = text.replaceAll("-", "+").replaceAll("_", "/");
    return /\s/.test(text) ? undefined : Uint8Array.fromBase64(standard);
  } catch {
    return undefined; // none of them
  }
}
