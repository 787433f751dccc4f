/**
 * Decides which clients a node of a private relay serves: those with a grant
 * made with one of the node's keys. Contacts nobody. Pure: time is an argument.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import { Attempts } from "./attempts.ts";
import { type Grant, openGrant } from "./grant.ts";
import { isSameMac } from "./keys.ts";
import { type AccessRefusal, REFUSALS } from "./refusal.ts";
import type { Moment } from "./relay_access.ts";
import { Uses } from "./uses.ts";

/** A key that a relay gave, and that relay's clock. */
export interface GrantKey {
  readonly key: Uint8Array;
  /**
   * The relay's time, in milliseconds since 1970, when the monotonic clock of
   * this process was at 0. Grants end by it, because the relay has set their
   * ends. Without it, they end by the clock of this machine.
   */
  readonly zeroUnixMs?: number | undefined;
}

/** Whether the node serves a client, and what. */
export type GrantVerdict =
  | {
    readonly kind: "admitted";
    readonly grant: Grant;
    /** The time by which the grant ends. */
    readonly unixMs: number;
  }
  | AccessRefusal;

/** Checks grants for a node. */
export class NodeAccess {
  readonly #limits: Limits;
  readonly #attempts: Attempts;
  #uses: Uses;
  readonly #isHolder: boolean;
  #keys: readonly GrantKey[] = [];

  /** A holder takes the grants for its contents alone, and a node the others. */
  constructor(limits: Limits, { isHolder = false } = {}) {
    this.#limits = limits;
    this.#isHolder = isHolder;
    this.#attempts = new Attempts(limits);
    this.#uses = new Uses(limits);
  }

  /**
   * Replaces all keys by those that the relay has just given. If one is gone, its
   * links are over, and the uses of all are forgotten: the relay counts them too.
   */
  setKeys(keys: readonly GrantKey[]): void {
    const isDropped = (old: GrantKey) =>
      !keys.some(({ key }) => isSameMac(key, old.key));
    if (this.#keys.some(isDropped)) this.#uses = new Uses(this.#limits);
    this.#keys = keys;
  }

  /** Whether the key of a grant that was shown before is still in force. */
  isGood(text: string): boolean {
    return this.#open(text) !== undefined;
  }

  /** The grant in a text, and the key that made it. Always tries all keys. */
  #open(
    text: string,
  ): { readonly grant: Grant; readonly by: GrantKey } | undefined {
    return this.#keys.map((by) => ({ grant: openGrant(text, [by.key]), by }))
      .find((one): one is typeof one & { grant: Grant } =>
        one.grant !== undefined
      );
  }

  /** How long a client that a grant has just admitted may stay. */
  goodMs(
    { grant: { expires }, unixMs }: GrantVerdict & { kind: "admitted" },
  ): number {
    const { clockToleranceMs, grantSeconds } = this.#limits;
    const leftMs = expires * 1000 + clockToleranceMs - unixMs;
    return Math.min(leftMs, grantSeconds * 1000);
  }

  /**
   * Checks the grant of a client, if it shows one. `source` is the group of its
   * address, whether it came directly or by a tunnel.
   */
  admit(
    text: string | undefined,
    source: string,
    { now, unixMs: ownUnixMs }: Moment,
  ): GrantVerdict {
    if (this.#attempts.isBlocked(source, now)) {
      return REFUSALS.too_many_failures;
    }
    // Not the client's fault: the relay has not given any keys yet.
    if (this.#keys.length === 0) return REFUSALS.unauthorized;
    const opened = text === undefined ? undefined : this.#open(text);
    if (
      opened === undefined ||
      (opened.grant.fingerprint !== undefined) !== this.#isHolder
    ) {
      this.#attempts.failed(source, now);
      return REFUSALS.unauthorized;
    }
    const { grant, by: { zeroUnixMs } } = opened;
    const unixMs = zeroUnixMs === undefined ? ownUnixMs : zeroUnixMs + now;
    const { expires, serial, uses, fetch } = grant;
    if (unixMs > expires * 1000 + this.#limits.clockToleranceMs) {
      return REFUSALS.expired;
    }
    if (serial === undefined || uses === undefined || fetch === undefined) {
      return { kind: "admitted", grant, unixMs };
    }
    const use = { serial, uses, fetch, expires };
    // Remembered for as long as the grant is accepted.
    const seconds = (unixMs - this.#limits.clockToleranceMs) / 1000;
    const outcome = this.#uses.take(use, seconds);
    if (outcome === "used_up") return REFUSALS.used_up;
    if (outcome === "no_room") return REFUSALS.too_many_uses;
    return { kind: "admitted", grant, unixMs };
  }
}
