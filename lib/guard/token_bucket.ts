/**
 * How often something may happen. Pure: time is an argument, in milliseconds on
 * any monotonic clock.
 *
 * @module
 */

/** Allows `burst` at once, and `rate` a second on average. */
export class TokenBucket {
  readonly #ratePerMs: number;
  readonly #burst: number;
  #tokens: number;
  #filledAt: number;

  /** Full at `now`. */
  constructor(ratePerSecond: number, burst: number, now: number) {
    this.#ratePerMs = ratePerSecond / 1000;
    this.#burst = burst;
    this.#tokens = burst;
    this.#filledAt = now;
  }

  /** Takes one token, or returns `false` if there is none. */
  take(now: number): boolean {
    this.#fill(now);
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Takes `count` tokens; missing ones are taken on credit. */
  spend(count: number, now: number): void {
    this.#fill(now);
    this.#tokens = Math.max(-this.#burst, this.#tokens - count);
  }

  /** Gives one token back. */
  giveBack(): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + 1);
  }

  /** Whether no token was taken recently. */
  isFull(now: number): boolean {
    this.#fill(now);
    return this.#tokens >= this.#burst;
  }

  #fill(now: number): void {
    const earned = (now - this.#filledAt) * this.#ratePerMs;
    this.#tokens = Math.min(this.#burst, this.#tokens + earned);
    this.#filledAt = now;
  }
}
