/**
 * Long work in short pieces: whatever else the process has to do gets its turn
 * in between.
 *
 * @module
 */

import { setImmediate } from "node:timers/promises";

/** Gives others a turn whenever work has gone on for so long. */
export class Turns {
  readonly #turnMs: number;
  #startedAt = performance.now();

  /** A piece of work takes `turnMs`, and one step of it more at most. */
  constructor(turnMs: number) {
    this.#turnMs = turnMs;
  }

  /** Whether it is the turn of others; then wait for `give`. */
  get isOver(): boolean {
    return performance.now() - this.#startedAt >= this.#turnMs;
  }

  /** Lets all others have their turn. */
  async give(): Promise<void> {
    await setImmediate();
    this.#startedAt = performance.now();
  }
}
