/**
 * Remembers for a while which nodes have withdrawn. A node that returns at once
 * must not register more often than others, or with a record that it signed
 * before. Pure.
 *
 * @module
 */

import { putLast } from "../base/collections.ts";
import type { History } from "./lease.ts";

interface Departure extends History {
  readonly forgetAt: number;
}

/** Nodes that have just withdrawn, or were found dead. */
export class WithdrawnNodes {
  readonly #most: number;
  /** In order of departure, which is also the order of `forgetAt`. */
  readonly #byId = new Map<string, Departure>();

  /** Remembers at most `most` nodes. */
  constructor(most: number) {
    this.#most = most;
  }

  /** What is remembered of a node. */
  get(id: string): History | undefined {
    return this.#byId.get(id);
  }

  /** Remembers a node until `forgetAt`; the oldest makes room. */
  add(id: string, history: History, forgetAt: number): void {
    const { sequence, windowAt, windowCount } = history;
    const departure = { sequence, windowAt, windowCount, forgetAt };
    putLast(this.#byId, [id, departure], this.#most);
  }

  /** Forgets a node that is back. */
  delete(id: string): void {
    this.#byId.delete(id);
  }

  /**
   * Forgets nodes after their `forgetAt`, at most `most` of them. Returns how
   * many more it could have forgotten; below 0 if some are left.
   */
  forget(now: number, most: number): number {
    let left = most;
    for (const [id, { forgetAt }] of this.#byId) {
      if (forgetAt > now) break; // so are the others
      if (left-- === 0) return -1;
      this.#byId.delete(id);
    }
    return left;
  }
}
