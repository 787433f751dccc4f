/**
 * The other instances of a relay, from their own reports. Pure: time is an
 * argument.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import type { InstanceRecord } from "./sealing.ts";

/** The other instances that are alive. */
export class Instances {
  readonly #limits: Limits;
  readonly #byId = new Map<
    string,
    { readonly address: string; readonly until: number }
  >();
  #heldMs = 0;

  constructor(
    limits: Limits,
  ) {
    this.#limits = limits;
  }

  /** Notes an instance that counts as alive for another `leftMs`. */
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

  /** From now on instances count as alive for `ms` longer. */
  hold(ms: number): void {
    this.#heldMs = ms;
  }

  /**
   * The address at which an instance can be dialled; `undefined` if it is not
   * alive.
   */
  addressOf(instance: string, now: number): string | undefined {
    const found = this.#byId.get(instance);
    return found !== undefined && found.until + this.#heldMs > now
      ? found.address
      : undefined;
  }

  /** The number of instances that are alive. */
  count(now: number): number {
    for (const [instance, { until }] of this.#byId) {
      if (until + this.#heldMs <= now) this.#byId.delete(instance);
    }
    return this.#byId.size;
  }
}
