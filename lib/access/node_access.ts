/**
 * Decides which clients a node of a private relay serves: those with a grant
 * under the keys that the relay gave the node. Contacts nobody. Pure: time is
 * an argument.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import { Attempts } from "./attempts.ts";
import { type Grant, openGrant } from "./grant.ts";
import { type AccessRefusal, REFUSALS } from "./refusal.ts";
import type { Moment } from "./relay_access.ts";
import { Uses } from "./uses.ts";

/** Whether a client is served, and what. */
export type GrantVerdict =
  | { readonly kind: "admitted"; readonly grant: Grant }
  | AccessRefusal;

/** The gate of a node. */
export class NodeAccess {
  readonly #limits: Limits;
  readonly #attempts: Attempts;
  readonly #uses: Uses;
  #keys: readonly Uint8Array[] = [];

  /** Without keys, nobody is served. */
  constructor(limits: Limits) {
    this.#limits = limits;
    this.#attempts = new Attempts(limits);
    this.#uses = new Uses(limits);
  }

  /** Takes the keys that the relay has just given, in place of all before. */
  setKeys(keys: readonly Uint8Array[]): void {
    this.#keys = keys;
  }

  /** Whether a grant that was shown before was made under a key in force. */
  isGood(text: string): boolean {
    return openGrant(text, this.#keys) !== undefined;
  }

  /** How long a client may stay that has just been let in by a grant. */
  goodMs({ expires }: Grant, { unixMs }: Pick<Moment, "unixMs">): number {
    const { clockToleranceMs, grantSeconds } = this.#limits;
    const leftMs = expires * 1000 + clockToleranceMs - unixMs;
    return Math.min(leftMs, grantSeconds * 1000);
  }

  /**
   * Looks at the grant a client shows, if it shows one. `source` is the group of
   * its address, whichever way it came.
   */
  admit(
    text: string | undefined,
    source: string,
    { now, unixMs }: Moment,
  ): GrantVerdict {
    if (this.#attempts.isBlocked(source, now)) {
      return REFUSALS.too_many_failures;
    }
    // No fault of the client: the relay has not been asked yet.
    if (this.#keys.length === 0) return REFUSALS.unauthorized;
    const grant = text === undefined ? undefined : openGrant(text, this.#keys);
    if (grant === undefined) {
      this.#attempts.failed(source, now);
      return REFUSALS.unauthorized;
    }
    const { expires, serial, uses, fetch } = grant;
    if (unixMs > expires * 1000 + this.#limits.clockToleranceMs) {
      return REFUSALS.expired;
    }
    if (serial === undefined || uses === undefined || fetch === undefined) {
      return { kind: "admitted", grant };
    }
    const use = { serial, uses, fetch, expires };
    // Kept as long as such a grant is taken.
    const seconds = (unixMs - this.#limits.clockToleranceMs) / 1000;
    const outcome = this.#uses.take(use, seconds);
    if (outcome === "used_up") return REFUSALS.used_up;
    if (outcome === "no_room") return REFUSALS.too_many_uses;
    return { kind: "admitted", grant };
  }
}
