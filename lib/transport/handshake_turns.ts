/**
 * Begins TLS handshakes one at a time if many wait. After each, everything else
 * in the process gets its turn. A handshake takes 2 ms, and each stranger that
 * dials causes one.
 *
 * @module
 */

import { clearImmediate, setImmediate } from "node:timers";
import { afterOthers } from "../base/turns.ts";
import type { HandshakeOrder } from "../guard/handshake_order.ts";

/** A handshake that waits for its turn. */
export interface WaitingHandshake extends Disposable {
  /** Resolves when it may begin, or when it is disposed of. */
  readonly turn: Promise<void>;
}

/** The handshakes of one listener. */
export class HandshakeTurns {
  readonly #order: HandshakeOrder;
  readonly #now: () => number;
  /** By address group, first come first. */
  readonly #waiting = new Map<string, Set<() => void>>();
  #next: Disposable | null = null;

  /** `now` reads a monotonic clock, in milliseconds. */
  constructor(order: HandshakeOrder, now: () => number) {
    this.#order = order;
    this.#now = now;
  }

  /** Waits for the turn of a handshake of `group`. */
  wait(group: string): WaitingHandshake {
    const { promise: turn, resolve } = Promise.withResolvers<void>();
    const calls = this.#waiting.get(group) ?? new Set();
    this.#waiting.set(group, calls.add(resolve));
    if (this.#next === null) this.#begin();
    const leave = () => {
      this.#remove(group, resolve);
      resolve();
    };
    return { turn, [Symbol.dispose]: leave };
  }

  /** Notes that a peer of `group` said hello. */
  finished(group: string): void {
    this.#order.finished(group, this.#now());
  }

  /** Begins the first handshake in the order, if any waits. */
  #begin(): void {
    this.#next = null;
    const now = this.#now();
    const group = this.#order.first(this.#waiting.keys(), now);
    if (group === undefined) return;
    const [begin] = this.#waiting.get(group)!;
    this.#remove(group, begin!);
    this.#order.begun(group, now);
    begin!();
    // Everything else comes first, but only if a handshake waits for it.
    const immediate = setImmediate(() => {
      this.#next = this.#waiting.size === 0
        ? null
        : afterOthers(() => this.#begin());
    });
    this.#next = { [Symbol.dispose]: () => clearImmediate(immediate) };
  }

  #remove(group: string, begin: () => void): void {
    const calls = this.#waiting.get(group);
    calls?.delete(begin);
    if (calls?.size === 0) this.#waiting.delete(group);
  }

  /** Begins no more handshakes. The owners dispose of those that wait. */
  [Symbol.dispose](): void {
    this.#next?.[Symbol.dispose]();
  }
}
