/**
 * What the instances of one relay exchange: nodes with a lease, uses of links,
 * holders of a swarm. A replicator carries these items, and does not know their
 * meaning. Types only.
 *
 * @module
 */

import type { Endpoint } from "../base/conn.ts";

/** The kind of an item; one letter, as it is stored. */
export type ItemKind =
  /** A node's lease. */
  | "n"
  /** One use of a link. */
  | "u"
  /** A client that holds contents for a swarm. */
  | "h";

/** Identifies an item. */
export interface ItemKey {
  /** Its kind. */
  readonly kind: ItemKind;
  /** Letters, digits, `-`, `_` and `.`. */
  readonly id: string;
}

/** Something that one instance holds, and others list. */
export interface Item extends ItemKey {
  /** The higher one wins. */
  readonly sequence: number;
  /** Milliseconds until it expires. */
  readonly leftMs: number;
  /** Whether the node is attached to its instance. */
  readonly isAttached: boolean;
  /** The data for other instances. */
  readonly body: string;
}

/** An item of another instance. */
export interface HeldItem extends Item {
  /** The instance that holds it. */
  readonly holder: string;
}

/** What happened to an item from another instance. */
export type TakeOutcome =
  | "taken"
  /** A newer one is known, or it has expired. */
  | "stale"
  /** There is no room. */
  | "full"
  /** Its signature or its id is wrong. */
  | "unproven";

/** How much an instance knows about the others. */
export type ClusterPhase =
  /**
   * The store does not answer: only nodes that were known before are listed.
   */
  | "away"
  /** The store answers, but not everything is read and written yet. */
  | "stale"
  /**
   * This instance lists the nodes of all others, and they list all of its
   * nodes.
   */
  | "whole";

/** The side of a relay that exchanges items with a replicator. */
export interface Replicated {
  /** The item that this instance holds under the key, if there is one. */
  current(key: ItemKey): Item | undefined;
  /** All items that this instance holds. */
  own(): Iterable<ItemKey>;
  /** Takes an item of another instance. */
  take(item: HeldItem): Promise<TakeOutcome>;
  /**
   * Takes the part of an item that a renewal changes; `undefined` if the body
   * is needed too.
   */
  renew(item: Omit<HeldItem, "body">): "extended" | "stale" | undefined;
  /** Notes that an item ended elsewhere before it expired. */
  leave(item: ItemKey & Pick<Item, "sequence">): void;
  /** Notes how much is known about the others. */
  phase(phase: ClusterPhase): void;
}

/** A replicator in numbers. Counts are since its start. */
export interface ClusterStats {
  /** How much is known about the others. */
  readonly phase: ClusterPhase;
  /** Instances that are alive, including this one. */
  readonly instances: number;
  /** Batches of the stream that are written, but not yet read here. */
  readonly lagBatches: number;
  /** For how many seconds there have been such batches. */
  readonly lagSeconds: number;
  /** Items that wait to be written. */
  readonly waiting: number;
  /** Items written. */
  readonly written: number;
  /** Items of others that were accepted. */
  readonly taken: number;
  /** Items of others that were dropped, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  /** Failures of the store, by kind. */
  readonly failures: Readonly<Record<string, number>>;
}

/** Events of a replicator, at most one of each phase a minute. */
export interface ClusterEvent {
  /** The name of the event. */
  readonly event: "cluster";
  /** How much is known about the others now. */
  readonly phase: ClusterPhase;
  /** Why the store does not answer, or refuses writes. */
  readonly why?: string;
}

/**
 * Carries items between the instances of a relay. Disposing notifies the others
 * that this instance ends.
 */
export interface Replicator extends AsyncDisposable {
  /** This instance. */
  readonly instance: string;
  /** Starts, and returns at once. */
  start(options: {
    replicated: Replicated;
    /** Where this instance can be dialled. */
    address: Endpoint;
    onEvent: (event: ClusterEvent) => void;
  }): void;
  /**
   * Notes that an item of this instance has changed. `isNew` means a new body;
   * otherwise the item was only renewed.
   */
  changed(key: ItemKey, options: { isNew: boolean }): void;
  /** Notes that an item ended before it expired. */
  ended(key: ItemKey, sequence: number): void;
  /** Where an instance can be dialled; `undefined` if it is not alive. */
  addressOf(instance: string): string | undefined;
  /**
   * From now on other instances count as alive for `ms` longer than they said,
   * because their reports may not arrive.
   */
  hold(ms: number): void;
  /** A MAC of a text: only the instances can compute it. */
  codeFor(text: string): string;
  /** A snapshot in numbers. */
  stats(): ClusterStats;
}
