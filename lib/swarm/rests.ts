/**
 * Others that are left alone for a while, and each time for longer. At first
 * not for long: a machine that begins is busy. Pure: time is an argument.
 *
 * @module
 */

/** The shortest and the longest rest, in milliseconds. */
export interface RestNumbers {
  readonly firstMs: number;
  readonly mostMs: number;
}

/** Who rests, by id. */
export class Rests {
  readonly #numbers: RestNumbers;
  readonly #rests = new Map<string, { until: number; ms: number }>();

  /** Nobody rests. */
  constructor(numbers: RestNumbers) {
    this.#numbers = numbers;
  }

  /** Whether one rests at `now`. */
  has(id: string, now: number): boolean {
    return (this.#rests.get(id)?.until ?? now) > now;
  }

  /** Begins a rest: twice as long as the one before, if that was of late. */
  begin(id: string, now: number): void {
    const { firstMs, mostMs } = this.#numbers;
    for (const [other, { until }] of this.#rests) {
      if (now - until >= mostMs) this.#rests.delete(other);
    }
    const before = this.#rests.get(id)?.ms ?? firstMs / 2;
    const ms = Math.min(mostMs, 2 * before);
    this.#rests.set(id, { until: now + ms, ms });
  }
}
