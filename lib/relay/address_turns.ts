/**
 * Limits the requests of one address at a relay to a number a second, over all
 * its connections, and lets others have their turn between two of them. Further
 * requests wait. A busy neighbour therefore never causes a refusal.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { addressGroup } from "../base/address.ts";
import { isShared } from "../guard/admission.ts";
import type { Endpoint } from "../base/conn.ts";
import type { Limits } from "../base/limits.ts";
import { AddressGroupRate } from "../base/rate.ts";
import { afterOthers } from "../base/turns.ts";

// A round in which nobody waits ends by a timer. Turns of the event loop would
// end it sooner, but take a third of a millisecond of the processor.
const ROUND_MS = 1;

/**
 * Delays the requests at one relay. Each address has one request answered in a
 * round, and in each round everybody on the network gets a turn.
 */
export class AddressTurns {
  readonly #rate: AddressGroupRate;
  readonly #signal: AbortSignal;
  /** The number of the round. */
  #round = 0;
  /**
   * The round of the last request of each address; earlier rounds are
   * forgotten.
   */
  readonly #rounds = new Map<string, number>();
  /** Requests that wait for the start of each round. */
  readonly #waiting = new Map<number, (() => void)[]>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ending: Disposable | undefined;

  /** Aborting `signal` ends all waiting. */
  constructor(
    limits: Limits,
    signal: AbortSignal,
  ) {
    const { requestRatePerSecond, requestBurstCount } = limits;
    this.#rate = new AddressGroupRate(requestRatePerSecond, requestBurstCount);
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#stop());
  }

  /**
   * Waits until a request of the peer at `remote` may be answered, which counts
   * as `count` requests; `undefined` if it need not wait. Peers behind a proxy
   * on this machine are not delayed: they share only an address.
   */
  next(remote: Endpoint, count = 1): Promise<void> | undefined {
    const source = addressGroup(remote.host);
    if (count === 0 || isShared(source)) return undefined;
    const waitMs = this.#rate.reserve(source, performance.now(), count);
    if (waitMs > 0) {
      return delay(waitMs, { signal: this.#signal })
        .catch(ignore) // the relay stops
        .then(() => this.#next(source));
    }
    return this.#next(source);
  }

  #next(source: string): Promise<void> | undefined {
    if (this.#signal.aborted) return undefined;
    const last = this.#rounds.get(source);
    if (last === undefined) {
      this.#rounds.set(source, this.#round);
      this.#awaitEnd();
      return undefined;
    }
    const round = last + 1;
    this.#rounds.set(source, round);
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = this.#waiting.get(round);
    if (waiting === undefined) this.#waiting.set(round, [resolve]);
    else waiting.push(resolve);
    this.#awaitEnd();
    return promise;
  }

  #awaitEnd(): void {
    if (this.#waiting.size > 0) {
      this.#ending ??= afterOthers(() => this.#begin());
    } else this.#timer ??= setTimeout(() => this.#begin(), ROUND_MS);
  }

  /** Begins the next round. */
  #begin(): void {
    this.#clear();
    const round = ++this.#round;
    for (const [source, last] of this.#rounds) {
      if (last < round) this.#rounds.delete(source);
    }
    const waiting = this.#waiting.get(round);
    this.#waiting.delete(round);
    if (this.#rounds.size > 0) this.#awaitEnd();
    for (const resolve of waiting ?? []) resolve();
  }

  #clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#ending?.[Symbol.dispose]();
    this.#ending = undefined;
  }

  #stop(): void {
    this.#clear();
    this.#rounds.clear();
    for (const resolve of [...this.#waiting.values()].flat()) resolve();
    this.#waiting.clear();
  }
}

function ignore(): void {}
