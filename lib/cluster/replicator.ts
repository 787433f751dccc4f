/**
 * What the instances of one relay tell each other: nodes with a lease, uses of
 * links, holders of a swarm. A replicator carries items between them, and knows
 * nothing of what they mean. Types only.
 *
 * @module
 */

import type { Endpoint } from "../base/conn.ts";

/** What an item stands for; one letter, as it is stored. */
export type ItemKind =
  /** A node's lease. */
  | "n"
  /** One use of a link. */
  | "u"
  /** A client that holds contents for a swarm. */
  | "h";

/** What an item is found by. */
export interface ItemKey {
  /** What it stands for. */
  readonly kind: ItemKind;
  /** Letters, digits, `-`, `_` and `.`. */
  readonly id: string;
}

/** Something that one instance holds, and others list. */
export interface Item extends ItemKey {
  /** The higher one wins. */
  readonly sequence: number;
  /** Milliseconds for which it is true. */
  readonly leftMs: number;
  /** Whether it is attached to its instance. */
  readonly isAttached: boolean;
  /** What others need to know of it. */
  readonly body: string;
}

/** An item as it came from another instance. */
export interface HeldItem extends Item {
  /** That instance. */
  readonly holder: string;
}

/** What became of an item from another instance. */
export type TakeOutcome =
  | "taken"
  /** A newer one is known, or it is over. */
  | "stale"
  /** There is no room. */
  | "full"
  /** It is not what it says that it is. */
  | "unproven";

/** How much an instance knows of the others. */
export type ClusterPhase =
  /** The store does not answer: only what was known before is listed. */
  | "away"
  /** The store answers, and not all is read or written yet. */
  | "stale"
  /** All that the others hold is listed, and they list all of this one. */
  | "whole";

/** The side of a relay that a replicator feeds, and asks. */
export interface Replicated {
  /** What this instance holds under the key; `undefined` if nothing. */
  current(key: ItemKey): Item | undefined;
  /** All that this instance holds. */
  own(): Iterable<ItemKey>;
  /** Takes an item of another instance. */
  take(item: HeldItem): Promise<TakeOutcome>;
  /**
   * Takes what may have changed of an item without its body; `undefined` if the
   * body is needed.
   */
  renew(item: Omit<HeldItem, "body">): "extended" | "stale" | undefined;
  /** An item has ended elsewhere before its time. */
  leave(item: ItemKey & Pick<Item, "sequence">): void;
  /** Learns how much is known of the others. */
  phase(phase: ClusterPhase): void;
}

/** A replicator in numbers. Counts are since its start. */
export interface ClusterStats {
  /** How much is known of the others. */
  readonly phase: ClusterPhase;
  /** Instances that are there, this one included. */
  readonly instances: number;
  /** Batches of the stream that are written and not read here yet. */
  readonly lagBatches: number;
  /** For how long that has been more than none, in seconds. */
  readonly lagSeconds: number;
  /** Items that wait to be written. */
  readonly waiting: number;
  /** Items written. */
  readonly written: number;
  /** Items of others that were taken. */
  readonly taken: number;
  /** Items of others that were not taken, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  /** Failures of the store, by kind. */
  readonly failures: Readonly<Record<string, number>>;
}

/** Events of a replicator, at most one of each phase a minute. */
export interface ClusterEvent {
  /** The name of the event. */
  readonly event: "cluster";
  /** How much is known of the others now. */
  readonly phase: ClusterPhase;
  /** Why the store is away, or does not take what is written. */
  readonly why?: string;
}

/** Carries items between the instances of a relay. Disposing says goodbye. */
export interface Replicator extends AsyncDisposable {
  /** This instance. */
  readonly instance: string;
  /** Begins; waits for nothing. */
  start(options: {
    replicated: Replicated;
    /** Where this instance can be dialled. */
    address: Endpoint;
    onEvent: (event: ClusterEvent) => void;
  }): void;
  /**
   * An item of this instance has changed. `isNew` says that its body has; else
   * it was renewed.
   */
  changed(key: ItemKey, options: { isNew: boolean }): void;
  /** An item has ended before its time. */
  ended(key: ItemKey, sequence: number): void;
  /** Where an instance can be dialled; `undefined` if it is not there. */
  addressOf(instance: string): string | undefined;
  /**
   * From now on other instances count as there for so much longer than they have
   * said, because what they say may not arrive.
   */
  hold(ms: number): void;
  /** A code of a text, 22 characters, that only the instances can make. */
  codeFor(text: string): string;
  /** A snapshot in numbers. */
  stats(): ClusterStats;
}
