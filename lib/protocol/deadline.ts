/**
 * Deadlines on a conn. A passed deadline closes the conn, and the interrupted
 * caller gets the deadline's error.
 *
 * @module
 */

import type { Conn } from "../base/conn.ts";

// Several looks at the progress in the time in which there must be some.
const QUIET_PARTS = 4;

/**
 * Deadlines on a conn, and the reason for which it was closed in place of what
 * the interrupted call threw.
 */
export class Watch {
  readonly #conn: Conn;
  #reason: Error | null = null;

  constructor(conn: Conn) {
    this.#conn = conn;
  }

  /** Ends the conn unless disposed of within `ms`. */
  expect(ms: number, reason: () => Error): Disposable {
    const timer = setTimeout(() => this.end(reason()), ms);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  }

  /** Ends the conn when `done` has not risen for `ms`, unless disposed of. */
  expectProgress(
    done: () => number,
    ms: number,
    reason: () => Error,
  ): Disposable {
    let before = done();
    let quietParts = 0;
    // Looks several times in `ms`: a clock read for every read costs more.
    const timer = setInterval(() => {
      const now = done();
      quietParts = now === before ? quietParts + 1 : 0;
      before = now;
      if (quietParts >= QUIET_PARTS) this.end(reason());
    }, ms / QUIET_PARTS);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }

  /** Ends the conn. */
  end(reason: Error): void {
    this.#reason ??= reason;
    this.#conn.close();
  }

  /** `step`, or the reason for which the conn was ended meanwhile. */
  async guard<T>(step: Promise<T>): Promise<T> {
    try {
      return await step;
    } catch (error) {
      throw this.reasonFor(error);
    }
  }

  /** What to throw in place of `error`: why the conn was ended, where it was. */
  reasonFor(error: unknown): unknown {
    return this.#reason ?? error;
  }
}
