/**
 * Splits long work into short pieces, so that the rest of the process gets its
 * turn in between.
 *
 * @module
 */

import { clearImmediate, setImmediate } from "node:timers";

/**
 * While something waits for the next turn of the event loop, Deno looks for what
 * sockets and files have to say in one of 61 turns alone (`event_interval` of
 * tokio). Work that lets the loop turn once between two pieces makes everybody on
 * the network wait for 61 of them. So many empty turns take 0.35 ms.
 */
const LOOP_TURNS = 61;

/**
 * Calls `call` when all others have had their turn, those on the network
 * included; unless disposed of before.
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
    await new Promise<void>((resolve) => afterOthers(resolve));
    this.#startedAt = performance.now();
  }
}
