/**
 * The instances of a relay, as they tell of themselves. Pure: time is an
 * argument.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import type { InstanceRecord } from "./sealing.ts";

/** The other instances that are there. */
export class Instances {
  readonly #limits: Pick<Limits, "clusterInstanceMs" | "clusterInstanceCount">;
  readonly #byId = new Map<
    string,
    { readonly address: string; readonly until: number }
  >();
  #heldMs = 0;

  constructor(
    limits: Pick<Limits, "clusterInstanceMs" | "clusterInstanceCount">,
  ) {
    this.#limits = limits;
  }

  /** Learns of an instance that is there for another `leftMs`. */
  note(
    { instance, address }: Pick<InstanceRecord, "instance" | "address">,
    leftMs: number,
    now: number,
  ): void {
    const { clusterInstanceMs, clusterInstanceCount } = this.#limits;
    const isKnown = this.#byId.has(instance);
    if (!isKnown && this.count(now) >= clusterInstanceCount) return;
    const until = now + Math.min(leftMs, clusterInstanceMs);
    this.#byId.set(instance, { address, until });
  }

  /** From now on instances count as there for so much longer. */
  hold(ms: number): void {
    this.#heldMs = ms;
  }

  /** Where an instance can be dialled; `undefined` if it is not there. */
  addressOf(instance: string, now: number): string | undefined {
    const found = this.#byId.get(instance);
    return found !== undefined && found.until + this.#heldMs > now
      ? found.address
      : undefined;
  }

  /** Instances that are there. */
  count(now: number): number {
    for (const [instance, { until }] of this.#byId) {
      if (until + this.#heldMs <= now) this.#byId.delete(instance);
    }
    return this.#byId.size;
  }
}
