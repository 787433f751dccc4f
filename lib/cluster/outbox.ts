/**
 * What an instance has still to write: the newest of each item, so that it never
 * grows beyond the number of items. Pure.
 *
 * @module
 */

import type { ItemKey, ItemKind } from "./replicator.ts";

/** What is to be written of an item. */
export interface Pending extends ItemKey {
  /** Whether its body is to be written as well. */
  readonly isNew: boolean;
  /** The sequence at which it ended; `undefined` if it has not. */
  readonly endedAt?: number;
}

/** Items that wait to be written. */
export class Outbox {
  readonly #most: number;
  readonly #byKey = new Map<string, Pending>();
  /** How many of them have ended. */
  #ended = 0;

  /** Of items that have ended it keeps at most so many. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Items that wait. */
  get size(): number {
    return this.#byKey.size;
  }

  /** An item has changed, or was renewed. */
  changed({ kind, id }: ItemKey, isNew: boolean): void {
    const key = kind + id;
    const before = this.#byKey.get(key);
    if (before?.endedAt !== undefined) this.#ended--;
    const hasNewBody = isNew ||
      before !== undefined && (before.isNew || before.endedAt !== undefined);
    this.#byKey.set(key, { kind, id, isNew: hasNewBody });
  }

  /** An item has ended. */
  ended({ kind, id }: ItemKey, sequence: number): void {
    const key = kind + id;
    const before = this.#byKey.get(key);
    if (before?.endedAt === undefined) {
      // The others notice when its time is over.
      if (this.#ended >= this.#most) return;
      this.#ended++;
    }
    this.#byKey.set(key, { kind, id, isNew: false, endedAt: sequence });
  }

  /** Takes out the first items, at most `most`. */
  take(most: number): Pending[] {
    const taken: Pending[] = [];
    for (const [key, pending] of this.#byKey) {
      if (taken.length >= most) break;
      this.#byKey.delete(key);
      if (pending.endedAt !== undefined) this.#ended--;
      taken.push(pending);
    }
    return taken;
  }

  /** Puts back what could not be written, unless something newer waits. */
  putBack(items: readonly Pending[]): void {
    for (const item of items) {
      const key = keyOf(item);
      const newer = this.#byKey.get(key);
      if (newer === undefined) {
        if (item.endedAt !== undefined) this.#ended++;
        this.#byKey.set(key, item);
      } else if (newer.endedAt === undefined) {
        const isNew = newer.isNew || item.isNew || item.endedAt !== undefined;
        this.#byKey.set(key, { ...newer, isNew });
      }
    }
  }

  /** Forgets all but what has ended: all the rest is about to be written. */
  keepEnded(): void {
    for (const [key, { endedAt }] of this.#byKey) {
      if (endedAt === undefined) this.#byKey.delete(key);
    }
  }
}

function keyOf({ kind, id }: { kind: ItemKind; id: string }): string {
  return kind + id;
}
