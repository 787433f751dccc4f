/**
 * What an instance must still write: only the newest state of each item, so it
 * never has more entries than items. Pure.
 *
 * @module
 */

import type { ItemKey, ItemKind } from "./replicator.ts";

/** A change of an item that must be written. */
export interface Pending extends ItemKey {
  /** Whether its body must be written too. */
  readonly isNew: boolean;
  /**
   * The sequence number with which it ended; `undefined` if it has not ended.
   */
  readonly endedAt?: number;
}

/** The items that must still be written. */
export class ChangeOutbox {
  readonly #most: number;
  readonly #byKey = new Map<string, Pending>();
  /** The number of these that have ended. */
  #ended = 0;

  /** Keeps at most `most` items that have ended. */
  constructor(most: number) {
    this.#most = most;
  }

  /** The number of waiting items. */
  get size(): number {
    return this.#byKey.size;
  }

  /** Notes that an item has changed, or was renewed. */
  changed({ kind, id }: ItemKey, isNew: boolean): void {
    const key = kind + id;
    const before = this.#byKey.get(key);
    if (before?.endedAt !== undefined) this.#ended--;
    const hasNewBody = isNew ||
      before !== undefined && (before.isNew || before.endedAt !== undefined);
    this.#byKey.set(key, { kind, id, isNew: hasNewBody });
  }

  /** Notes that an item has ended. */
  ended({ kind, id }: ItemKey, sequence: number): void {
    const key = kind + id;
    const before = this.#byKey.get(key);
    if (before?.endedAt === undefined) {
      // Without this, other instances drop the item when it expires.
      if (this.#ended >= this.#most) return;
      this.#ended++;
    }
    this.#byKey.set(key, { kind, id, isNew: false, endedAt: sequence });
  }

  /** Removes and returns the first items, at most `most`. */
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

  /** Puts back items that could not be written, unless a newer change waits. */
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

  /**
   * Forgets all items except ended ones, because the caller is about to write
   * all others.
   */
  keepEnded(): void {
    for (const [key, { endedAt }] of this.#byKey) {
      if (endedAt === undefined) this.#byKey.delete(key);
    }
  }
}

function keyOf({ kind, id }: { kind: ItemKind; id: string }): string {
  return kind + id;
}
