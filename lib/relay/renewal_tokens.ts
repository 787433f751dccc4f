/**
 * Renewal tokens: a relay hands one to each node that it has registered, and a
 * node that shows it renews without a signature. A token is a MAC with a key
 * that only this process of the relay has; the relay stores none of them. Pure:
 * keys and times are arguments.
 *
 * token = base64url(expiry[6] mac[16])
 *
 * @module
 */

import {
  fromBase64Url,
  isSameMac,
  macOf,
  toBase64Url,
} from "../access/keys.ts";
import type { Lease } from "./lease.ts";

const CONTEXT = "relay-p2p renewal 1\n";
const EXPIRY_BYTES = 6;
/** 128 bits: nobody guesses a MAC. */
const MAC_BYTES = 16;

/** The registration that a token renews. */
export type Renewable = Pick<Lease, "id" | "instance" | "entry">;

/** When a token is made or shown, and where. */
export interface TokenTerms {
  /** Milliseconds on the caller's monotonic clock. */
  readonly now: number;
  /**
   * The nonce of the connection, if the token is valid on this one alone; else
   * empty.
   */
  readonly nonce: string;
}

/** Makes and checks the renewal tokens of one relay. */
export class RenewalTokens {
  readonly #lifeMs: number;
  #key: Uint8Array;

  /** `key` is random, at least 32 bytes; a token is valid for `lifeMs`. */
  constructor(key: Uint8Array, lifeMs: number) {
    this.#key = key;
    this.#lifeMs = lifeMs;
  }

  /** Makes all tokens invalid that were handed out so far. */
  replaceKey(key: Uint8Array): void {
    this.#key = key;
  }

  /** A token for a registration. */
  issue(registration: Renewable, { now, nonce }: TokenTerms): string {
    const expiry = Math.floor(now + this.#lifeMs);
    const token = new Uint8Array(EXPIRY_BYTES + MAC_BYTES);
    const view = new DataView(token.buffer);
    view.setUint16(0, Math.floor(expiry / 2 ** 32));
    view.setUint32(2, expiry % 2 ** 32);
    token.set(this.#macOf(registration, { expiry, nonce }), EXPIRY_BYTES);
    return toBase64Url(token);
  }

  /** Whether `token` renews this registration here and now. */
  isValid(
    token: string,
    registration: Renewable,
    { now, nonce }: TokenTerms,
  ): boolean {
    const bytes = fromBase64Url(token);
    if (bytes?.length !== EXPIRY_BYTES + MAC_BYTES) return false;
    const view = new DataView(bytes.buffer);
    const expiry = view.getUint16(0) * 2 ** 32 + view.getUint32(2);
    return expiry > now && isSameMac(
      bytes.subarray(EXPIRY_BYTES),
      this.#macOf(registration, { expiry, nonce }),
    );
  }

  /** The parts before the entry contain no line break. */
  #macOf(
    { id, instance, entry }: Renewable,
    { expiry, nonce }: { expiry: number; nonce: string },
  ): Uint8Array {
    const text = `${CONTEXT}${id}\n${instance}\n${nonce}\n${expiry}\n${entry}`;
    return macOf(this.#key, text).subarray(0, MAC_BYTES);
  }
}
