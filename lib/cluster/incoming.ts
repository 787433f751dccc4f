/**
 * Checks items from the store like data from a stranger, passes on the valid
 * ones, and counts the others.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import { Counts } from "../guard/counts.ts";
import type { HeldItem, ItemKey, Replicated } from "./replicator.ts";
import type { Head, Sealing } from "./sealing.ts";

/** Options of {@linkcode Incoming}. */
export interface IncomingOptions {
  /** This instance. Its own items are skipped. */
  readonly instance: string;
  readonly sealing: Sealing;
  readonly replicated: Replicated;
  readonly limits: Pick<Limits, "clusterItemBytes">;
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

/** Checks and passes on what comes from the store. */
export class Incoming {
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
   * needed.
   */
  renew(heads: readonly string[], storeNow: () => number): ItemKey[] {
    const { replicated } = this.#options;
    const unknown = new Map<string, ItemKey>();
    for (const line of heads) {
      const head = this.#headIn(line);
      if (head === undefined) continue;
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

  /** Processes items with their bodies. */
  async takeValues(
    values: readonly string[],
    storeNow: () => number,
  ): Promise<void> {
    const { replicated } = this.#options;
    await Promise.all(values.map(async (value) => {
      const item = this.#itemIn(value, storeNow());
      if (item === undefined) return;
      const outcome = replicated.renew(item) ?? await replicated.take(item);
      if (outcome === "taken" || outcome === "extended") this.#taken++;
      else this.#drop(outcome);
    }));
  }

  #itemIn(value: string, now: number): HeldItem | undefined {
    const { sealing, limits } = this.#options;
    const at = value.indexOf("\n");
    const head = this.#headIn(at < 0 ? value : value.slice(0, at));
    if (head === undefined || head.mark === "w") return undefined;
    if (value.length > limits.clusterItemBytes + SEAL_BYTES) {
      this.#drop("too_large");
      return undefined;
    }
    const renewal = renewalOf(head, now);
    if (renewal.leftMs <= 0) {
      this.#drop("over");
      return undefined;
    }
    const body = sealing.parseBody(value.slice(at + 1), head);
    if (body === undefined) {
      this.#drop("forged");
      return undefined;
    }
    return { ...renewal, body };
  }

  /**
   * The head in a line; `undefined` if it is this instance's own, or forged.
   */
  #headIn(line: string): Head | undefined {
    const { sealing, instance } = this.#options;
    if (line.includes(` ${instance} `)) return undefined;
    const head = sealing.parseHead(line);
    if (head === undefined) this.#drop("forged");
    return head;
  }

  #drop(reason: DropReason): void {
    this.#dropped.add(reason);
  }
}

/** A head, and the code of the body: less than 512 bytes. */
const SEAL_BYTES = 512;

function renewalOf(
  { kind, id, sequence, until, holder, mark }: Head,
  now: number,
): Omit<HeldItem, "body"> {
  const leftMs = until - now;
  return { kind, id, sequence, holder, leftMs, isAttached: mark === "t" };
}
