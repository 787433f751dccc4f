/**
 * Leases that are listed longer than they were granted for, because this
 * instance of the relay receives nothing from the others. New nodes first
 * replace the leases that have been kept longest. Pure.
 *
 * @module
 */

import { groupUnder, removeUnder } from "../base/collections.ts";
import type { MutableLease } from "./lease.ts";

/** The leases that are kept. */
export class KeptLeases {
  /** In the order in which they end. */
  readonly #all = new Set<MutableLease>();
  /** The same by address group. */
  readonly #bySource = new Map<string, Set<MutableLease>>();

  /** The one that was kept first, of all or of an address group. */
  oldest(source?: string): MutableLease | undefined {
    const among = source === undefined ? this.#all : this.#bySource.get(source);
    return among?.values().next().value;
  }

  /** Adds a kept lease. Its source must not change as long as it is kept. */
  add(lease: MutableLease): void {
    this.#all.add(lease);
    groupUnder(this.#bySource, lease.source).add(lease);
  }

  /** Removes a lease; returns whether it was kept. */
  delete(lease: MutableLease): boolean {
    if (!this.#all.delete(lease)) return false;
    removeUnder(this.#bySource, lease.source, lease);
    return true;
  }
}
