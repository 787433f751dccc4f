/**
 * Peers that are not asked for a while, each time for longer. The first pause
 * is short, because a machine that has just started is busy. Pure: time is an
 * argument.
 *
 * @module
 */

/** The shortest and the longest pause, in milliseconds. */
export interface BackoffLimits {
  readonly firstMs: number;
  readonly mostMs: number;
}

/** The peers that pause, by id. */
export class Backoffs {
  readonly #numbers: BackoffLimits;
  readonly #rests = new Map<string, { until: number; ms: number }>();

  /** Starts without any. */
  constructor(numbers: BackoffLimits) {
    this.#numbers = numbers;
  }

  /** Whether a peer still pauses at `now`. */
  has(id: string, now: number): boolean {
    return (this.#rests.get(id)?.until ?? now) > now;
  }

  /** Starts a pause: twice as long as the last one, if that was recent. */
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
