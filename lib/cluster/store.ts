/**
 * Where the instances of a relay meet: it keeps their items, and a stream of
 * what has changed. Types, and the error of a store.
 *
 * @module
 */

import type { ItemKey } from "./replicator.ts";

/** Why a store did not do what it was asked. */
export type StoreTrouble =
  /** It cannot be reached, or has hung up. */
  | "unreachable"
  /** This process may not dial it. */
  | "not_permitted"
  /** It did not answer in time. */
  | "timed_out"
  /** Its memory is full. */
  | "full"
  /** It takes no writes: it is a copy of another one. */
  | "read_only"
  /** It has just started, and reads its data. */
  | "loading"
  /** It wants another user or password. */
  | "not_allowed"
  /** Its certificate is not one that is trusted. */
  | "not_trusted"
  /** What stands under a key is of another type. */
  | "wrong_type"
  /** It is another store of its cluster that has the keys. */
  | "moved"
  /** It sends what no store sends, or more than it may. */
  | "bad_reply"
  /** It said something else. */
  | "failed";

/** A store did not do what it was asked. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  readonly trouble: StoreTrouble;

  constructor(trouble: StoreTrouble, message: string, options?: ErrorOptions) {
    super(message, options);
    this.trouble = trouble;
  }
}

/** An item to write. */
export interface StoreRow extends ItemKey {
  readonly sequence: number;
  /** Until when to keep it, in milliseconds of the store's clock. */
  readonly until: number;
  readonly head: string;
  /** `undefined` leaves the body that is there. */
  readonly body: string | undefined;
  /** Whether the item has ended, and only its sequence is to be kept. */
  readonly hasEnded: boolean;
}

/** What a store says of itself, at one moment. */
export interface Beat {
  /** Milliseconds of its clock. */
  readonly nowMs: number;
  /** The number of the last batch of the stream. */
  readonly count: number;
  /** The place of that batch. */
  readonly position: string;
  /** Texts of the instances. */
  readonly instances: readonly string[];
  /** Why it takes no writes, if it takes none. */
  readonly refuses?: StoreError;
}

/** A batch of the stream: heads that were written together. */
export interface StoreBatch {
  /** Its number; they rise by one. */
  readonly count: number;
  readonly position: string;
  readonly heads: readonly string[];
}

/** A part of all items. */
export interface StorePage {
  /** Heads and bodies, a line break between them. */
  readonly values: readonly string[];
  /** What the next page is asked for by; `undefined` on the last. */
  readonly next?: string;
}

/**
 * A conversation with a store. Every call rejects with a {@linkcode StoreError}
 * if the store does not answer in time, and the conversation is then over.
 */
export interface StoreSession extends Disposable {
  /** Tells of this instance, and asks how things stand. */
  beat(self: { instance: string; text: string }): Promise<Beat>;
  /** Removes this instance. */
  resign(instance: string): Promise<void>;
  /**
   * Writes items, unless newer ones are there, and one batch of the stream.
   * Returns those whose body is not there.
   */
  write(rows: readonly StoreRow[]): Promise<readonly ItemKey[]>;
  /** A page of all items that are there. */
  page(after: string | undefined): Promise<StorePage>;
  /** The items under some keys. */
  fetch(keys: readonly ItemKey[]): Promise<readonly (string | undefined)[]>;
  /** The batches after a place; waits a while if there is none. */
  follow(position: string): Promise<readonly StoreBatch[]>;
}

/** A store. */
export interface Store {
  /** Its address, as it may be shown. */
  readonly name: string;
  /** Begins a conversation. */
  open(signal: AbortSignal): Promise<StoreSession>;
}
