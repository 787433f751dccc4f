/**
 * Recognises our own secrets in a file: the identity in `--state`, and a token.
 * A node never shares such a file, whatever its name. The secret of a private
 * relay is random text, so it cannot be recognised. Pure.
 *
 * @module
 */

/**
 * A token has 49 or 51 characters, and may have line ends and whitespace around
 * it.
 */
const TOKEN_BYTES = { least: 49, most: 64 };
/** A key has 241 bytes of PEM; with its certificate 600 to 900. */
const IDENTITY_BYTES = { least: 300, most: 2048 };

/**
 * Whether a file of this size can hold a secret. Most files need not be read.
 */
export function mayHoldOwnSecret(size: number): boolean {
  return [TOKEN_BYTES, IDENTITY_BYTES].some(({ least, most }) =>
    size >= least && size <= most
  );
}

/**
 * Whether the whole text of a file is a secret.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { isOwnSecret } from "./own_secrets.ts";
 *
 * assertEquals(isOwnSecret(`p2p-node-${"a2".repeat(20)}\n`), true);
 * assertEquals(isOwnSecret("put your p2p-node- token here"), false);
 * ```
 */
export function isOwnSecret(text: string): boolean {
  return TOKEN.test(text) || IDENTITY.test(text);
}

const TOKEN = /^\s*p2p-(node|client)-[a-z2-7]{40}\s*$/;
const IDENTITY =
  /^\s*-----BEGIN PRIVATE KEY-----\s[\sA-Za-z0-9+/=]+-----END PRIVATE KEY-----\s+-----BEGIN CERTIFICATE-----\s/;
