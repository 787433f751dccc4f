/**
 * The store that the instances of a relay share. It keeps their items, and a
 * stream of changes. Types, and the error of a store.
 *
 * @module
 */

import type { ItemKey } from "./replicator.ts";

/** Why a call to a store failed. */
export type StoreTrouble =
  /** It cannot be reached, or closed the connection. */
  | "unreachable"
  /** This process may not dial it. */
  | "not_permitted"
  /** It did not answer in time. */
  | "timed_out"
  /** Its memory is full. */
  | "full"
  /** It refuses writes, because it is a replica. */
  | "read_only"
  /** It has just started, and still reads its data. */
  | "loading"
  /** It requires another user or password. */
  | "not_allowed"
  /** Its certificate is not trusted. */
  | "not_trusted"
  /** A key has a value of another type. */
  | "wrong_type"
  /** Another server of its cluster has the keys. */
  | "moved"
  /** Its reply is invalid, or too large. */
  | "bad_reply"
  /** Any other error. */
  | "failed";

/** A call to a store failed. */
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
  /** `undefined` keeps the existing body. */
  readonly body: string | undefined;
  /** Whether the item has ended, so that only its sequence is kept. */
  readonly hasEnded: boolean;
}

/** A store's report about itself. */
export interface Beat {
  /** Milliseconds of its clock. */
  readonly nowMs: number;
  /** The number of the last batch of the stream. */
  readonly count: number;
  /** The position of that batch. */
  readonly position: string;
  /** Texts of the instances. */
  readonly instances: readonly string[];
  /** Why it refuses writes, if it does. */
  readonly refuses?: StoreError;
}

/** A batch of the stream: heads that were written together. */
export interface StoreBatch {
  /** Its number; numbers increase by one. */
  readonly count: number;
  readonly position: string;
  readonly heads: readonly string[];
}

/** The value of an item in the store. */
export interface StoredValue {
  /** The key that it is stored under. */
  readonly key: string;
  /** Identifies the value, whatever its bytes are. */
  readonly digest: string;
  /** Head and body, a line break between them. */
  readonly text: string;
}

/** The outcome of writing items. */
export interface WriteOutcome {
  /** Items whose body the store lacks. */
  readonly missing: readonly ItemKey[];
  /** Items that were not written, and the heads of newer ones in their place. */
  readonly newer: readonly (readonly [ItemKey, StoredValue])[];
}

/** A part of all items. */
export interface StorePage {
  readonly values: readonly StoredValue[];
  /** Values that were removed because they are larger than any item. */
  readonly largeCount: number;
  /** The argument for the next page; `undefined` on the last one. */
  readonly next?: string;
}

/**
 * A conversation with a store. Every call rejects with a {@linkcode StoreError}
 * if the store does not answer in time, and the conversation is then over.
 */
export interface StoreSession extends Disposable {
  /** Reports this instance, and asks for the store's state. */
  beat(self: { instance: string; text: string }): Promise<Beat>;
  /** Removes instances. */
  resign(instances: readonly string[]): Promise<void>;
  /**
   * Writes items, unless the store has newer ones, and one batch of the stream.
   */
  write(rows: readonly StoreRow[]): Promise<WriteOutcome>;
  /** Removes values that no instance has written, unless they have changed. */
  discard(values: readonly StoredValue[]): Promise<void>;
  /** A page of all stored items. */
  page(after: string | undefined): Promise<StorePage>;
  /** The items under some keys. */
  fetch(keys: readonly ItemKey[]): Promise<readonly StoredValue[]>;
  /** The batches after a position; waits a while if there are none. */
  follow(position: string): Promise<readonly StoreBatch[]>;
}

/** A store. */
export interface Store {
  /** Its address without secrets, for messages. */
  readonly name: string;
  /** Begins a conversation. */
  open(signal: AbortSignal): Promise<StoreSession>;
}

/**
 * All pages of stored items, while others are written.
 *
 * @throws {StoreError} `bad_reply` if there are more than `most`.
 */
export async function* allPages(
  session: StoreSession,
  most: number,
): AsyncGenerator<StorePage> {
  let after: string | undefined;
  for (let count = 0; count < most; count++) {
    const page = await session.page(after);
    yield page;
    after = page.next;
    if (after === undefined) return;
  }
  throw new StoreError(
    "bad_reply",
    `Cannot read the store: its items do not end after ${most} pages`,
  );
}
