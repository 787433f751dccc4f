/**
 * Counts failed proofs by address. After too many failures an address is
 * ignored for a while, even if its next proof is right. Addresses that many
 * peers share are not counted: a stranger behind a local proxy must not lock
 * everybody out, and a key of 160 bits cannot be guessed. Pure: time is an
 * argument, in milliseconds on any monotonic clock.
 *
 * @module
 */

import { isShared } from "../guard/admission.ts";
import { putLast } from "../base/collections.ts";
import type { Limits } from "../base/limits.ts";

interface Record {
  /** The times of the failures, oldest first, and only as many as matter. */
  readonly failedAt: number[];
  blockedUntil: number;
}

/** Remembers the addresses with recent failures. */
export class Attempts {
  readonly #limits: Limits;
  /** By address; the one that failed last is at the end. */
  readonly #records = new Map<string, Record>();

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  get sourceCount(): number {
    return this.#records.size;
  }

  /** Whether proofs from `source` are refused without a check. */
  isBlocked(source: string, now: number): boolean {
    const record = this.#records.get(source);
    return record !== undefined && now < record.blockedUntil;
  }

  failed(source: string, now: number): void {
    if (isShared(source)) return;
    const { proofFailureCount, proofFailureWindowMs, proofFailureSourceCount } =
      this.#limits;
    const record = this.#records.get(source) ??
      { failedAt: [], blockedUntil: -Infinity };
    putLast(this.#records, [source, record], proofFailureSourceCount);
    const since = now - proofFailureWindowMs;
    while (record.failedAt.length > 0 && record.failedAt[0]! <= since) {
      record.failedAt.shift();
    }
    record.failedAt.push(now);
    if (record.failedAt.length < proofFailureCount) return;
    record.failedAt.length = 0;
    record.blockedUntil = now + proofFailureWindowMs;
  }
}
