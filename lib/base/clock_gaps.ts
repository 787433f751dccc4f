/**
 * Notices from two clocks that this machine slept, or that its clock was set.
 * The monotonic clock stands still while a machine sleeps and the wall clock
 * does not. A process that was stopped shows no gap: both clocks run on, and its
 * timers are due at once when it continues. Pure.
 *
 * @module
 */

/** Readings of both clocks, in milliseconds. */
export interface Clocks {
  /** Since 1970. */
  readonly wall: number;
  /** Since some moment; never goes back. */
  readonly monotonic: number;
}

/** A gap between the clocks. */
export interface ClockGap {
  /**
   * `slept`: the machine slept, or its clock was set forward, which looks the
   * same. `went_back`: its clock was set back.
   */
  readonly kind: "slept" | "went_back";
  /** How much, in milliseconds. */
  readonly ms: number;
}

/** Compares readings with the ones before. */
export class ClockGaps {
  readonly #mostMs: number;
  #last: Clocks;

  /** `mostMs` is how far the clocks may drift apart between two readings. */
  constructor(first: Clocks, mostMs: number) {
    this.#last = first;
    this.#mostMs = mostMs;
  }

  /** The gap since the last reading, if there is one. */
  note(now: Clocks): ClockGap | undefined {
    const ms = (now.wall - this.#last.wall) -
      (now.monotonic - this.#last.monotonic);
    this.#last = now;
    if (Math.abs(ms) <= this.#mostMs) return undefined;
    return { kind: ms > 0 ? "slept" : "went_back", ms: Math.abs(ms) };
  }
}
