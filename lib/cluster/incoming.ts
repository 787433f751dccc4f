/**
 * Checks items from the store like data from a stranger, passes on the valid
 * ones, and counts the others.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import { Counts } from "../guard/counts.ts";
import type { HeldItem, ItemKey, Replicated } from "./replicator.ts";
import { type Head, SEAL_BYTES, type Sealing } from "./sealing.ts";
import type { StoredValue, StorePage } from "./store.ts";

/** Options of {@linkcode IncomingItems}. */
export interface IncomingOptions {
  /** This instance. Its own items are skipped. */
  readonly instance: string;
  readonly sealing: Sealing;
  readonly replicated: Replicated;
  readonly limits: Limits;
}

/** Why something from the store was dropped. */
export type DropReason =
  /** No instance of this relay wrote it. */
  | "forged"
  /** It is larger than any item. */
  | "too_large"
  /** It had already expired. */
  | "over"
  | "stale"
  | "full"
  | "unproven";

/** Checks items from the store, and passes them on. */
export class IncomingItems {
  readonly #options: IncomingOptions;
  readonly #dropped = new Counts([
    ...["forged", "too_large", "over", "stale", "full", "unproven"],
  ]);
  #taken = 0;

  constructor(options: IncomingOptions) {
    this.#options = options;
  }

  /** Accepted items, including renewals. */
  get takenCount(): number {
    return this.#taken;
  }

  /** Dropped items, by reason. */
  get dropped(): Readonly<Record<string, number>> {
    return this.#dropped.snapshot();
  }

  /**
   * Processes the heads of a batch. Returns the keys of items whose bodies are
   * needed. An instance writes a whole batch: nothing follows a forged head.
   */
  renew(heads: readonly string[], storeNow: () => number): ItemKey[] {
    const { replicated } = this.#options;
    const unknown = new Map<string, ItemKey>();
    for (const line of heads) {
      if (this.#isOwn(line)) continue;
      const head = this.#headIn(line);
      if (head === undefined) break;
      const { kind, id, mark } = head;
      if (mark === "w") {
        replicated.leave(head);
        unknown.delete(kind + id);
        this.#taken++;
        continue;
      }
      const renewal = renewalOf(head, storeNow());
      if (renewal.leftMs <= 0) this.#drop("over");
      else {
        const outcome = replicated.renew(renewal);
        if (outcome === undefined) unknown.set(kind + id, { kind, id });
        else if (outcome === "stale") this.#drop("stale");
        else this.#taken++;
      }
    }
    return [...unknown.values()];
  }

  /** Processes items with their bodies. Returns the forged ones. */
  async takeValues(
    { values, largeCount = 0 }:
      & Pick<StorePage, "values">
      & Partial<Pick<StorePage, "largeCount">>,
    storeNow: () => number,
  ): Promise<StoredValue[]> {
    const { replicated } = this.#options;
    this.#dropped.add("too_large", largeCount);
    const forged: StoredValue[] = [];
    await Promise.all(values.map(async (value) => {
      const item = this.#itemIn(value.text, storeNow());
      if (item === "forged") forged.push(value);
      if (typeof item !== "object") return;
      const outcome = replicated.renew(item) ?? await replicated.take(item);
      if (outcome === "taken" || outcome === "extended") this.#taken++;
      else this.#drop(outcome);
    }));
    return forged;
  }

  #itemIn(text: string, now: number): HeldItem | "forged" | undefined {
    const { sealing, limits } = this.#options;
    const at = text.indexOf("\n");
    const line = at < 0 ? text : text.slice(0, at);
    if (this.#isOwn(line)) return undefined;
    const head = this.#headIn(line);
    if (head === undefined) return "forged";
    if (head.mark === "w") return undefined;
    if (text.length > limits.clusterItemBytes + SEAL_BYTES) {
      this.#drop("too_large");
      return undefined;
    }
    const renewal = renewalOf(head, now);
    if (renewal.leftMs <= 0) {
      this.#drop("over");
      return undefined;
    }
    const body = sealing.parseBody(text.slice(at + 1), head);
    if (body === undefined) {
      this.#drop("forged");
      return "forged";
    }
    return { ...renewal, body };
  }

  /** Whether this instance is the holder of an item, as it says. */
  #isOwn(line: string): boolean {
    return line.includes(` ${this.#options.instance} `);
  }

  #headIn(line: string): Head | undefined {
    const head = this.#options.sealing.parseHead(line);
    if (head === undefined) this.#drop("forged");
    return head;
  }

  #drop(reason: DropReason): void {
    this.#dropped.add(reason);
  }
}

function renewalOf(
  { kind, id, sequence, until, holder, mark }: Head,
  now: number,
): Omit<HeldItem, "body"> {
  const leftMs = until - now;
  return { kind, id, sequence, holder, leftMs, isAttached: mark === "t" };
}
