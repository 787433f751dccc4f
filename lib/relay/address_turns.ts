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
import { Turns } from "../base/turns.ts";

/** Delays the requests at one relay. */
export class AddressTurns {
  readonly #rate: AddressGroupRate;
  readonly #signal: AbortSignal;
  /** Resolves when all others have had a turn after the last request. */
  readonly #others = new Map<string, Promise<void>>();

  /** Aborting `signal` ends all waiting. */
  constructor(
    limits: Pick<Limits, "requestRatePerSecond" | "requestBurstCount">,
    signal: AbortSignal,
  ) {
    const { requestRatePerSecond, requestBurstCount } = limits;
    this.#rate = new AddressGroupRate(requestRatePerSecond, requestBurstCount);
    this.#signal = signal;
  }

  /**
   * Waits until a request of the peer at `remote` may be answered, or `count` of
   * them. Peers behind a proxy on this machine are not delayed: they share only
   * an address.
   */
  async next(remote: Endpoint, count = 1): Promise<void> {
    const source = addressGroup(remote.host);
    if (isShared(source)) return;
    const waitMs = this.#rate.reserve(source, performance.now(), count);
    if (waitMs > 0) {
      await delay(waitMs, { signal: this.#signal }).catch(ignore); // the relay stops
    }
    const before = this.#others.get(source);
    const after = (before ?? Promise.resolve()).then(() => new Turns(0).give());
    this.#others.set(source, after);
    void after.then(() => {
      if (this.#others.get(source) === after) this.#others.delete(source);
    });
    await before;
  }
}

function ignore(): void {}
