/**
 * A rate of sending that address groups share, as {@linkcode RateShares} says.
 * Waits with one timer for all.
 *
 * @module
 */

import { RateLimit } from "./rate.ts";
import { RateShares, type RateUser } from "./rate_shares.ts";

/** Limits what is sent to many clients to a number of bytes a second. */
export class SharedRate {
  readonly #limit: RateLimit;
  readonly #shares: RateShares<() => void>;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @throws {RangeError} unless the rate is above zero.
   */
  constructor(bytesPerSecond: number) {
    this.#limit = new RateLimit(bytesPerSecond);
    this.#shares = new RateShares(this.#limit);
  }

  /** The rate. */
  get bytesPerSecond(): number {
    return this.#limit.bytesPerSecond;
  }

  /** The most bytes to reserve at once; fewer when many wait. */
  get stepBytes(): number {
    return this.#shares.turnBytes;
  }

  /** Reserves `bytes` if they may be sent now; otherwise the user waits. */
  begin(bytes: number, user: RateUser): boolean {
    return this.#shares.begin(bytes, user, performance.now());
  }

  /** Resolves when `bytes` may be sent. */
  wait(bytes: number, user: RateUser): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#shares.request(bytes, user, resolve);
    if (this.#timer === undefined) this.#serve();
    return promise;
  }

  /**
   * Serves as many as the rate allows, but at most as many as there are groups
   * in one go: a user that was just served must ask again first.
   */
  #serve(): void {
    this.#timer = undefined;
    const now = performance.now();
    const shares = this.#shares;
    for (let left = shares.groupCount; left > 0 || shares.groupCount === 1;) {
      const begin = shares.next(now);
      if (begin === undefined) break;
      begin();
      left--;
    }
    const waitMs = shares.dueIn(now);
    if (waitMs === undefined) return;
    this.#timer = setTimeout(() => this.#serve(), waitMs);
  }
}
