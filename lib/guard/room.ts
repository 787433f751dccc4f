/**
 * Learns how many connections a process has file descriptors for: no permission
 * reveals how many descriptors there are. Each shortage lowers the number to
 * seven eighths of what is open then. Afterwards it grows again, because the
 * shortage may have had another cause. Pure: time is an argument, in
 * milliseconds on any monotonic clock.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";

/** The connections that there are descriptors for. */
export class DescriptorRoom {
  readonly #limits: Limits;
  #count = Infinity;
  #shortAt = -Infinity;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** How many connections there is room for; at first any number. */
  countAt(now: number): number {
    if (this.#count === Infinity) return Infinity;
    const { roomDoubleMs } = this.#limits;
    return Math.floor(
      this.#count * 2 ** Math.max(0, (now - this.#shortAt) / roomDoubleMs),
    );
  }

  /** Notes that no descriptor is left, although only `open` connections exist. */
  short(open: number, now: number): void {
    // Those that were just evicted may not have closed yet.
    if (now - this.#shortAt < this.#limits.acceptCheckMs / 2) return;
    this.#shortAt = now;
    const count = Math.floor(open * 7 / 8);
    this.#count = Math.max(this.#limits.roomLeastCount, count);
  }
}
