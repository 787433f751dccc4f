/**
 * Splits long work into short pieces, so that the rest of the process gets
 * turns in between.
 *
 * @module
 */

import { clearImmediate, setImmediate } from "node:timers";

/**
 * While a task waits for the next turn of the event loop, Deno polls sockets
 * and files in only one of 61 turns (`event_interval` of tokio). With only one
 * turn between two pieces of work, everybody on the network would wait for 61
 * pieces. 61 empty turns take 0.35 ms.
 */
const LOOP_TURNS = 61;

/**
 * Calls `call` after all others have had a turn, including the network.
 * Disposing of the result cancels the call.
 */
export function afterOthers(call: () => void): Disposable {
  let left = LOOP_TURNS;
  const step = () => {
    if (--left === 0) call();
    else next = setImmediate(step);
  };
  let next = setImmediate(step);
  return { [Symbol.dispose]: () => clearImmediate(next) };
}

/** Decides when long work should give others a turn, and gives it. */
export class Turns {
  readonly #turnMs: number;
  #startedAt = performance.now();

  /** A piece of work takes `turnMs`, plus one step at most. */
  constructor(turnMs: number) {
    this.#turnMs = turnMs;
  }

  /** Whether it is time to give others a turn; then await `give`. */
  get isOver(): boolean {
    return performance.now() - this.#startedAt >= this.#turnMs;
  }

  /** Begins again: the work has waited for others. */
  restart(): void {
    this.#startedAt = performance.now();
  }

  /** Gives all others a turn. */
  async give(): Promise<void> {
    await new Promise<void>((resolve) => afterOthers(resolve));
    this.restart();
  }
}
