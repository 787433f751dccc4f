/**
 * Decides which nodes stay connected between renewals: as many as cost little,
 * and few from one address. Such a node notices at once that the relay has
 * stopped, and is listed again seconds after its return. Pure.
 *
 * @module
 */

import { isShared } from "../guard/admission.ts";
import { countUnder, onDispose } from "../base/collections.ts";
import type { Limits } from "../base/limits.ts";

/** The nodes that stay connected to one relay. */
export class IdleConnections {
  readonly #limits: Limits;
  readonly #perSource = new Map<string, number>();
  #count = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Nodes that stay connected. */
  get count(): number {
    return this.#count;
  }

  /**
   * Lets a node of the address group `source` stay until it is disposed of;
   * `undefined` if too many stay already.
   */
  take(source: string): Disposable | undefined {
    const { stayingNodeCount, stayingNodesPerAddressCount } = this.#limits;
    const beside = this.#perSource.get(source) ?? 0;
    if (this.#count >= stayingNodeCount) return undefined;
    if (!isShared(source) && beside >= stayingNodesPerAddressCount) {
      return undefined;
    }
    this.#add(source, 1);
    return onDispose(() => this.#add(source, -1));
  }

  #add(source: string, change: number): void {
    this.#count += change;
    countUnder(this.#perSource, source, change);
  }
}
