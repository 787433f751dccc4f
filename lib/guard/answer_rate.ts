/**
 * Limits how often datagrams are answered, for each address and for all. Pure.
 * Memory is bounded by the limit for all.
 *
 * @module
 */

import { LIMITS } from "../base/limits.ts";

const WINDOW_MS = 1_000;

/** Decides which datagrams get an answer. */
export class AnswerRate {
  readonly #counts = new Map<string, number>();
  #startedAt = -Infinity;
  #total = 0;

  /** Whether a datagram from `address` may be answered now; counts it if so. */
  allows(address: string, now: number): boolean {
    if (now - this.#startedAt >= WINDOW_MS) {
      this.#startedAt = now;
      this.#counts.clear();
      this.#total = 0;
    }
    const count = this.#counts.get(address) ?? 0;
    if (this.#total >= LIMITS.announceAnswersPerSecond) return false;
    if (count >= LIMITS.announceAnswersPerAddressPerSecond) return false;
    this.#counts.set(address, count + 1);
    this.#total++;
    return true;
  }
}
