/**
 * Limits how often datagrams from one address are answered. Pure.
 *
 * Addresses can be forged, so no address may use up what others need: there is
 * no limit for all together, and a forged datagram costs one answer to the
 * address that it names. Memory does not grow with the addresses: each has a
 * cell in every row, and its count is the least of these. Where cells lie
 * depends on a seed, and changes every second, so nobody can aim at those of
 * others.
 *
 * @module
 */

import { LIMITS } from "../base/limits.ts";

const WINDOW_MS = 1_000;
const ROWS = 4;

/** Decides which datagrams get an answer. */
export class AnswerRate {
  readonly #cells: Uint8Array;
  readonly #cellCount: number;
  #seed: number;
  #startedAt = -Infinity;

  /** `seed` is an integer that nobody else knows. */
  constructor(seed: number, { cellCount = LIMITS.announceCellCount } = {}) {
    this.#seed = seed;
    this.#cellCount = cellCount;
    this.#cells = new Uint8Array(ROWS * cellCount);
  }

  /** Whether a datagram from `address` may be answered now; counts it if so. */
  allows(address: string, now: number): boolean {
    if (now - this.#startedAt >= WINDOW_MS) {
      this.#startedAt = now;
      this.#cells.fill(0);
      this.#seed = mixed(this.#seed + 1);
    }
    const cells = this.#cellsOf(address);
    const count = Math.min(...cells.map((cell) => this.#cells[cell]!));
    if (count >= LIMITS.announceAnswersPerAddressPerSecond) return false;
    for (const cell of cells) {
      if (this.#cells[cell] === count) this.#cells[cell]++;
    }
    return true;
  }

  /** The cell of an address in each row. */
  #cellsOf(address: string): number[] {
    let hash = this.#seed;
    for (let at = 0; at < address.length; at++) {
      hash = mixed(hash ^ address.charCodeAt(at));
    }
    return Array.from({ length: ROWS }, (_, row) => {
      hash = mixed(hash + row + 1);
      return row * this.#cellCount + hash % this.#cellCount;
    });
  }
}

/** Spreads 32 bits over 32 others, by the last steps of MurmurHash3. */
function mixed(bits: number): number {
  let hash = bits >>> 0;
  hash = Math.imul(hash ^ hash >>> 16, 0x85ebca6b);
  hash = Math.imul(hash ^ hash >>> 13, 0xc2b2ae35);
  return (hash ^ hash >>> 16) >>> 0;
}
