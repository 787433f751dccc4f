/**
 * Begins TLS handshakes one at a time if many wait. After each, everything else
 * in the process gets its turn. A handshake takes 2 ms, and anybody who
 * connects causes one.
 *
 * @module
 */

import { clearImmediate, setImmediate } from "node:timers";
import { groupUnder, removeUnder } from "../base/collections.ts";
import { afterOthers } from "../base/turns.ts";
import type { Limits } from "../base/limits.ts";
import type { HandshakeOrder } from "../guard/handshake_order.ts";

/** A handshake that waits for its turn. */
export interface WaitingHandshake extends Disposable {
  /** Resolves when it may begin, or when it is disposed of. */
  readonly turn: Promise<void>;
}

/** The handshakes of one listener. */
export class HandshakeTurns {
  readonly #order: HandshakeOrder;
  readonly #limits: Limits;
  readonly #now: () => number;
  /** By address group, first come first. */
  readonly #waiting = new Map<string, Set<() => void>>();
  #waitingCount = 0;
  #begunAt = -Infinity;
  /** Until the next one begins; `null` if none waits. */
  #next: Disposable | null = null;
  #isPause = false;

  /** `now` reads a monotonic clock, in milliseconds. */
  constructor(order: HandshakeOrder, limits: Limits, now: () => number) {
    this.#order = order;
    this.#limits = limits;
    this.#now = now;
  }

  /** Waits for the turn of a handshake of `group`. */
  wait(group: string): WaitingHandshake {
    const { promise: turn, resolve } = Promise.withResolvers<void>();
    groupUnder(this.#waiting, group).add(resolve);
    this.#waitingCount++;
    const isBetter = this.#isPause &&
      !this.#order.leavesSome(group, this.#now());
    if (isBetter) this.#next?.[Symbol.dispose]();
    if (this.#next === null || isBetter) this.#begin();
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
    this.#isPause = false;
    const now = this.#now();
    const group = this.#order.first(this.#waiting.keys(), now);
    if (group === undefined) return;
    const pauseMs = this.#pauseMs(group, now);
    if (pauseMs > 0) {
      const timer = setTimeout(() => this.#begin(), pauseMs);
      this.#next = { [Symbol.dispose]: () => clearTimeout(timer) };
      this.#isPause = true;
      return;
    }
    const [begin] = this.#waiting.get(group)!;
    this.#remove(group, begin!);
    this.#order.begun(group, now);
    this.#begunAt = now;
    begin!();
    // Everything else comes first, but only if a handshake waits for it.
    const immediate = setImmediate(() => {
      this.#next = this.#waiting.size === 0
        ? null
        : afterOthers(() => this.#begin());
    });
    this.#next = { [Symbol.dispose]: () => clearImmediate(immediate) };
  }

  /**
   * How long to delay a handshake of `group`, which is the next in order.
   * Without the delay an attacker with many addresses takes half of a core.
   */
  #pauseMs(group: string, now: number): number {
    const { handshakePauseMs, handshakesPerAddressCount } = this.#limits;
    const isFlood = this.#waitingCount > handshakesPerAddressCount;
    if (!isFlood || !this.#order.leavesSome(group, now)) return 0;
    return this.#begunAt + handshakePauseMs - now;
  }

  #remove(group: string, begin: () => void): void {
    if (removeUnder(this.#waiting, group, begin)) this.#waitingCount--;
  }

  /** Begins no more handshakes. The owners dispose of those that wait. */
  [Symbol.dispose](): void {
    this.#next?.[Symbol.dispose]();
  }
}
