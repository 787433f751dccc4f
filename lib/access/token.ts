/**
 * Tokens: a node or a client uses a private relay with a token. The token
 * itself is never sent. A proof of it is sent, valid for one connection to one
 * relay. Pure.
 *
 * A token is text: `p2p-node-` or `p2p-client-`, then base32 of the key (20
 * bytes) and of a checksum (5 bytes). A typing error, or the other role's
 * token, is therefore detected before anything is dialled.
 *
 * @module
 */

import { decodeBase32, encodeBase32 } from "@std/encoding/base32";
import { Failure } from "../base/errors.ts";
import { sha256 } from "../base/hash.ts";
import { deriveKey, isSameMac, macOf } from "./keys.ts";

/** The role that a token is for. */
export type TokenRole = "node" | "client";

/** A token. */
export interface Token {
  /** The role that it is for. */
  readonly role: TokenRole;
  /** The key: never shown, never sent. */
  readonly key: Uint8Array;
}

/** The terms of a proof: one relay, one connection. */
export interface ProofTerms {
  /** Id of the relay. */
  readonly relayId: string;
  /** The relay's nonce for this connection, from its hello. */
  readonly nonce: string;
}

const KEY_BYTES = 20;
const CHECK_BYTES = 5;
const CHECK_CONTEXT = "relay-p2p token 1\n";
const PROOF_CONTEXT = "relay-p2p proof 1\n";
const KEYS_CONTEXT = "relay-p2p keys 1\n";
const PREFIX: Readonly<Record<TokenRole, string>> = {
  node: "p2p-node-",
  client: "p2p-client-",
};

/** Derives the token of a role from the relay's secret. */
export function tokenOf(secret: Uint8Array, role: TokenRole): Token {
  return { role, key: deriveKey(secret, role, KEY_BYTES) };
}

/** Text of a token. It is a secret. */
export function formatToken({ role, key }: Token): string {
  const bytes = new Uint8Array([...key, ...checkOf(role, key)]);
  return PREFIX[role] + encodeBase32(bytes).toLowerCase();
}

/**
 * Parses a token for `role`.
 *
 * @throws {Failure} of kind `not_allowed` that does not repeat the token.
 */
export function parseToken(text: string, role: TokenRole): Token {
  const plain = text.toLowerCase();
  const found = (["node", "client"] as const)
    .find((each) => plain.startsWith(PREFIX[each]));
  if (found === undefined) {
    throw badToken(role, `a ${role} token begins with ${PREFIX[role]}`);
  }
  const code = plain.slice(PREFIX[found].length);
  const bytes = /^[a-z2-7]{40}$/.test(code)
    ? decodeBase32(code.toUpperCase())
    : new Uint8Array(KEY_BYTES + CHECK_BYTES);
  const key = bytes.slice(0, KEY_BYTES);
  if (!isSameMac(bytes.slice(KEY_BYTES), checkOf(found, key))) {
    throw badToken(role, "it was mistyped or cut");
  }
  if (found !== role) throw badToken(role, `it is a ${found} token`);
  return { role, key };
}

function badToken(role: TokenRole, why: string): Failure {
  return new Failure("not_allowed", {
    what: `Cannot use ${role} token`,
    why,
    remedy: "copy it again, or ask the person who runs the relay",
  });
}

function checkOf(role: TokenRole, key: Uint8Array): Uint8Array {
  const text = new TextEncoder().encode(CHECK_CONTEXT + role + "\n");
  return sha256(new Uint8Array([...text, ...key])).slice(0, CHECK_BYTES);
}

/**
 * Proves knowledge of a token to one relay on one connection; base64 of 32
 * bytes.
 */
export function proofOf(
  { role, key }: Token,
  { relayId, nonce }: ProofTerms,
): string {
  return macOf(key, PROOF_CONTEXT, `${role}\n${relayId}\n${nonce}`).toBase64();
}

/**
 * Proves to a node that its grant keys come from a relay that knows its token;
 * base64 of 32 bytes. Another relay that claims to be private cannot make this
 * proof.
 */
export function keysProofOf(
  grantKeys: readonly string[],
  { token, relayId, nonce }: ProofTerms & { token: Token },
): string {
  const message = [token.role, relayId, nonce, ...grantKeys].join("\n");
  return macOf(token.key, KEYS_CONTEXT, message).toBase64();
}

/** Whether `proof` proves the token. */
export function isProof(
  proof: string,
  token: Token,
  terms: ProofTerms,
): boolean {
  return isSameText(proof, proofOf(token, terms));
}

/** Whether `proof` proves the grant keys. */
export function isKeysProof(
  proof: string,
  grantKeys: readonly string[],
  terms: ProofTerms & { token: Token },
): boolean {
  return isSameText(proof, keysProofOf(grantKeys, terms));
}

function isSameText(a: string, b: string): boolean {
  const encoder = new TextEncoder();
  return isSameMac(encoder.encode(a), encoder.encode(b));
}
