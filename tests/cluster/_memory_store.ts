/**
 * A store in memory, to the letter of the one in Redis: the tests of the
 * contract run on both.
 */

import type { ItemKey } from "../../lib/cluster/replicator.ts";
import {
  type Beat,
  type Store,
  type StoreBatch,
  type StoredValue,
  StoreError,
  type StorePage,
  type StoreRow,
  type StoreSession,
  type StoreTrouble,
  type WriteOutcome,
} from "../../lib/cluster/store.ts";

interface Value {
  readonly head: string;
  readonly body: string;
  readonly sequence: number;
  readonly until: number;
  readonly hasEnded: boolean;
}

const PAGE_COUNT = 3;

/** A store in memory, which a test can take away. */
export class MemoryStore implements Store {
  readonly name = "memory";
  readonly #sessions = new Set<MemorySession>();
  readonly values = new Map<string, Value>();
  readonly instances = new Map<string, string>();
  batches: StoreBatch[] = [];
  count = 0;
  /** How far its clock is ahead of the machine's. */
  skewMs = 0;
  trouble: StoreTrouble | undefined;
  writeTrouble: StoreTrouble | undefined;
  #grown = Promise.withResolvers<void>();

  open(): Promise<StoreSession> {
    if (this.trouble !== undefined) {
      return Promise.reject(new StoreError(this.trouble, "taken away"));
    }
    const session = new MemorySession(this);
    this.#sessions.add(session);
    return Promise.resolve(session);
  }

  get nowMs(): number {
    return Date.now() + this.skewMs;
  }

  /** Ends all conversations, and begins no new one. */
  stop(): void {
    this.trouble = "unreachable";
    for (const session of this.#sessions) session[Symbol.dispose]();
    this.#sessions.clear();
    this.grew();
  }

  /** Begins conversations again. */
  start(): void {
    this.trouble = undefined;
  }

  /** Forgets all. */
  flush(): void {
    this.values.clear();
    this.instances.clear();
    this.batches = [];
    this.count = 0;
  }

  /** Resolves when there is more to read. */
  get growth(): Promise<void> {
    return this.#grown.promise;
  }

  grew(): void {
    this.#grown.resolve();
    this.#grown = Promise.withResolvers();
  }
}

class MemorySession implements StoreSession {
  readonly #store: MemoryStore;
  #isOver = false;

  constructor(store: MemoryStore) {
    this.#store = store;
  }

  async beat(self: { instance: string; text: string }): Promise<Beat> {
    await this.#check();
    const { instances, count, batches, writeTrouble } = this.#store;
    instances.set(self.instance, self.text);
    return {
      nowMs: this.#store.nowMs,
      count,
      position: batches.at(-1)?.position ?? "0",
      instances: [...instances.values()],
      ...writeTrouble === undefined
        ? {}
        : { refuses: new StoreError(writeTrouble, "no writes") },
    };
  }

  async resign(instances: readonly string[]): Promise<void> {
    await this.#check();
    for (const instance of instances) this.#store.instances.delete(instance);
  }

  async write(rows: readonly StoreRow[]): Promise<WriteOutcome> {
    await this.#check();
    const { values, writeTrouble } = this.#store;
    if (writeTrouble !== undefined) {
      throw new StoreError(writeTrouble, "no writes");
    }
    const heads: string[] = [];
    const missing: ItemKey[] = [];
    const newer: [ItemKey, StoredValue][] = [];
    for (const row of rows) {
      const { head, sequence, until, hasEnded } = row;
      const key = row.kind + row.id;
      const old = values.get(key);
      const before = old === undefined || old.until <= this.#store.nowMs
        ? undefined
        : old;
      const isStale = before !== undefined &&
        (before.sequence > sequence ||
          before.sequence === sequence && before.hasEnded);
      if (isStale) newer.push([row, this.#valueOf(key)[0]!]);
      if (isStale || until <= this.#store.nowMs) continue;
      const kept = before?.sequence === sequence ? before.body : "";
      const body = row.body ?? kept;
      if (body === "" && !hasEnded) missing.push(row);
      else {
        values.set(key, { head, body, sequence, until, hasEnded });
        heads.push(head);
      }
    }
    if (heads.length > 0) {
      const count = ++this.#store.count;
      const place = Number(this.#store.batches.at(-1)?.position ?? 0) + 1;
      this.#store.batches.push({ count, position: `${place}`, heads });
      this.#store.grew();
    }
    return { missing, newer };
  }

  async page(after = ""): Promise<StorePage> {
    await this.#check();
    const keys = [...this.#store.values.keys()].sort()
      .filter((key) => key > after)
      .slice(0, PAGE_COUNT);
    const values = keys.flatMap((key) => this.#valueOf(key));
    const next = keys.length === PAGE_COUNT ? keys.at(-1) : undefined;
    return { values, largeCount: 0, ...(next === undefined ? {} : { next }) };
  }

  async fetch(keys: readonly ItemKey[]): Promise<readonly StoredValue[]> {
    await this.#check();
    return keys.flatMap(({ kind, id }) => this.#valueOf(kind + id));
  }

  async discard(values: readonly StoredValue[]): Promise<void> {
    await this.#check();
    for (const { key, text } of values) {
      if (this.#textOf(key) === text) this.#store.values.delete(key);
    }
  }

  #valueOf(key: string): StoredValue[] {
    const text = this.#textOf(key);
    return text === undefined ? [] : [{ key, digest: "", text }];
  }

  async follow(position: string): Promise<readonly StoreBatch[]> {
    for (;;) {
      await this.#check();
      const later = this.#store.batches
        .filter((batch) => Number(batch.position) > Number(position));
      if (later.length > 0) return later;
      const growth = this.#store.growth;
      const { promise: waited, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, 200);
      await Promise.race([growth, waited]);
      clearTimeout(timer);
      if (this.#store.growth === growth) return [];
    }
  }

  #textOf(key: string): string | undefined {
    const value = this.#store.values.get(key);
    if (value === undefined || value.until <= this.#store.nowMs) {
      return undefined;
    }
    return value.hasEnded ? value.head : `${value.head}\n${value.body}`;
  }

  /** As over a network: never at once. */
  async #check(): Promise<void> {
    await Promise.resolve();
    if (this.#isOver) throw new StoreError("unreachable", "taken away");
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
  }
}
