/**
 * How often a peer may report that it is still connected, and nothing else:
 * often at first, and then once in a while. Pure.
 *
 * @module
 */

import { LIMITS } from "../base/limits.ts";

/** Counts such reports of one peer. */
export class Keepalives {
  #credit: number = LIMITS.workingBurstCount;
  #reportedAt: number | undefined;

  /** Notes such a report at `now`. Returns whether it is accepted. */
  take(now: number): boolean {
    const { workingBurstCount, workingPauseMs } = LIMITS;
    const earned = (now - (this.#reportedAt ?? now)) / workingPauseMs;
    this.#reportedAt = now;
    this.#credit = Math.min(workingBurstCount, this.#credit + earned) - 1;
    return this.#credit >= 0;
  }
}
