/**
 * A replicator over a store. It writes the items of this instance in batches,
 * after the nodes have their answers. It reads all items once, and then follows
 * the stream of changes. If the store does not answer, it retries, and then
 * writes and reads everything again.
 *
 * ```
 * away ──open──→ stale ──all read, all written──→ whole
 *   ↑              ↑└── writes refused, or far behind ──┘
 *   └── an error of the conversation ──┘
 * ```
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { type Endpoint, formatEndpoint } from "../base/conn.ts";
import type { Limits } from "../base/limits.ts";
import { aborted, retryDelayMs, within } from "../base/waiting.ts";
import { Turns } from "../base/turns.ts";
import { Counts } from "../guard/counts.ts";
import { toBase64Url } from "../access/keys.ts";
import { IncomingItems } from "./incoming.ts";
import { Instances } from "./instances.ts";
import { ChangeOutbox, type Pending } from "./outbox.ts";
import { PhaseLines } from "./phase_lines.ts";
import type {
  ClusterEvent,
  ClusterPhase,
  ClusterStats,
  ItemKey,
  Replicated,
  Replicator,
} from "./replicator.ts";
import { rowOf } from "./rows.ts";
import { Sealing } from "./sealing.ts";
import {
  allPages,
  type Beat,
  type Store,
  StoreError,
  type StoreSession,
} from "./store.ts";

/** Options of {@linkcode StoreReplicator}. */
export interface StoreReplicatorOptions {
  readonly store: Store;
  /** A secret of all instances of the relay. */
  readonly secret: string;
  readonly limits: Limits;
}

const INSTANCE_BYTES = 16;
/** How long heads of the stream are checked before others get a turn. */
const TURN_MS = 5;

/** A replicator over a store. */
export class StoreReplicator implements Replicator {
  readonly instance: string = toBase64Url(
    crypto.getRandomValues(new Uint8Array(INSTANCE_BYTES)),
  );
  readonly #options: StoreReplicatorOptions;
  readonly #sealing: Sealing;
  readonly #outbox: ChangeOutbox;
  readonly #instances: Instances;
  readonly #failures = new Counts([]);
  readonly #stop = new AbortController();
  #incoming: IncomingItems | null = null;
  #replicated: Replicated | null = null;
  #lines = new PhaseLines(0, () => {});
  #address = "";
  #running: Promise<void> | null = null;
  #phase: ClusterPhase = "away";
  /** The store's clock minus this machine's. */
  #clockMs = 0;
  /** The number of the last batch that was read, and its position. */
  #readCount = 0;
  #position = "0-0";
  /**
   * The number of the last batch that was written, as far as this instance
   * knows.
   */
  #lastCount = 0;
  #isLevelAt = 0;
  #mustReload = false;
  #isWritten = false;
  /** Why the last batch, or the report of this instance, was not written. */
  #refusal: StoreError | undefined;
  #muteness: StoreError | undefined;
  #written = 0;
  #wake = Promise.withResolvers<void>();

  /** Contacts nobody yet. */
  constructor(options: StoreReplicatorOptions) {
    this.#options = options;
    this.#sealing = new Sealing(options.secret);
    this.#outbox = new ChangeOutbox(options.limits.nodeCount);
    this.#instances = new Instances(options.limits);
  }

  start(
    { replicated, address, onEvent }: {
      replicated: Replicated;
      address: Endpoint;
      onEvent: (event: ClusterEvent) => void;
    },
  ): void {
    const { limits } = this.#options;
    this.#replicated = replicated;
    this.#address = formatEndpoint(address);
    this.#lines = new PhaseLines(limits.clusterNoteMs, onEvent);
    this.#incoming = new IncomingItems({
      instance: this.instance,
      sealing: this.#sealing,
      replicated,
      limits,
    });
    this.#running = this.#run();
  }

  changed(key: ItemKey, { isNew }: { isNew: boolean }): void {
    // When the store returns, everything is written.
    if (this.#phase === "away") return;
    this.#outbox.changed(key, isNew);
    this.#wake.resolve();
  }

  ended(key: ItemKey, sequence: number): void {
    this.#outbox.ended(key, sequence);
    this.#wake.resolve();
  }

  addressOf(instance: string): string | undefined {
    return this.#instances.addressOf(instance, performance.now());
  }

  hold(ms: number): void {
    this.#instances.hold(ms);
  }

  codeFor(text: string): string {
    return this.#sealing.codeFor(text);
  }

  stats(): ClusterStats {
    const now = performance.now();
    return {
      phase: this.#phase,
      instances: 1 + this.#instances.count(now),
      lagBatches: Math.max(0, this.#lastCount - this.#readCount),
      lagSeconds: this.#isLevel ? 0 : (now - this.#isLevelAt) / 1_000,
      waiting: this.#outbox.size,
      written: this.#written,
      taken: this.#incoming?.takenCount ?? 0,
      dropped: this.#incoming?.dropped ?? {},
      failures: this.#failures.snapshot(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#wake.resolve();
    await this.#running;
  }

  get #isLevel(): boolean {
    return this.#phase !== "away" && this.#readCount >= this.#lastCount;
  }

  /** Talks to the store until stopped; starts again after each failure. */
  async #run(): Promise<void> {
    const { limits, store } = this.#options;
    const { signal } = this.#stop;
    this.#isLevelAt = performance.now();
    this.#enter("away");
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        using session = await store.open(signal);
        await this.#talk(session, () => attempt = 0);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof StoreError)) throw error;
        this.#fail(error);
        this.#enter("away", this.#reasonOf(error));
      }
      const pauseMs = retryDelayMs(attempt, {
        firstMs: limits.clusterRetryMs / 8,
        maxMs: limits.clusterRetryMs,
      });
      await delay(pauseMs, { signal }).catch(() => {});
    }
  }

  /** Reads and writes everything, then follows changes until a failure. */
  async #talk(session: StoreSession, onLoaded: () => void): Promise<void> {
    await this.#beat(session);
    this.#refusal = undefined;
    this.#enter("stale");
    await this.#load(session);
    onLoaded();
    this.#writeAll();
    const over = new AbortController();
    const parts = [
      this.#follow(session, over.signal),
      this.#write(session, over.signal),
      this.#look(session, over.signal),
    ];
    try {
      await Promise.race([...parts, aborted(this.#stop.signal)]);
    } finally {
      over.abort();
      this.#wake.resolve();
      if (this.#stop.signal.aborted) {
        await session.resign([this.instance]).catch(asStoreError);
      }
      session[Symbol.dispose]();
      await Promise.allSettled(parts);
    }
  }

  /** Asks for the store's state, and sets the clock. */
  async #beat(session: StoreSession): Promise<Beat> {
    const { clusterInstanceMs } = this.#options.limits;
    const from = performance.now();
    const beat = await session.beat({
      instance: this.instance,
      text: this.#sealing.formatInstance({
        instance: this.instance,
        until: Math.round(this.#storeTime(from) + clusterInstanceMs),
        address: this.#address,
      }),
    });
    const now = performance.now();
    const clockMs = beat.nowMs - (from + now) / 2;
    const jumpMs = Math.abs(clockMs - this.#clockMs);
    this.#clockMs = clockMs;
    const forged: string[] = [];
    for (const text of beat.instances) {
      const record = this.#sealing.parseInstance(text);
      if (record === undefined) forged.push(text.split(" ", 1)[0]!);
      if (record === undefined || record.instance === this.instance) continue;
      const leftMs = record.until - this.#storeTime(now);
      if (leftMs > 0) this.#instances.note(record, leftMs, now);
    }
    // They would take the places of others.
    if (forged.length > 0) await session.resign(forged);
    this.#lastCount = beat.count;
    this.#muteness = beat.refuses;
    if (this.#readCount >= beat.count) this.#isLevelAt = now;
    // The store's clock was set, or another store has taken its place. Items
    // written with the old clock expire at the wrong time.
    if (jumpMs > clusterInstanceMs / 3 && this.#isWritten) this.#writeAll();
    return beat;
  }

  /** Reads all items, then continues from the end of the stream. */
  async #load(session: StoreSession): Promise<void> {
    const { count, position } = await this.#beat(session);
    const { clusterAllPageCount } = this.#options.limits;
    for await (const page of allPages(session, clusterAllPageCount)) {
      await this.#take(session, page);
    }
    this.#readCount = count;
    this.#position = position;
    this.#isLevelAt = performance.now();
    this.#mustReload = false;
  }

  /** Takes items, and removes forged ones from the store. */
  async #take(
    session: StoreSession,
    page: Parameters<IncomingItems["takeValues"]>[0],
  ): Promise<void> {
    const forged = await this.#incoming!.takeValues(page, this.#storeNow);
    if (forged.length > 0) await session.discard(forged);
  }

  #writeAll(): void {
    this.#isWritten = false;
    this.#outbox.keepEnded();
    for (const key of this.#replicated!.own()) this.#outbox.changed(key, true);
    this.#wake.resolve();
  }

  /** Reads the stream. */
  async #follow(session: StoreSession, over: AbortSignal): Promise<void> {
    const turns = new Turns(TURN_MS);
    while (!over.aborted && !this.#stop.signal.aborted) {
      if (this.#mustReload) {
        await this.#load(session);
        this.#writeAll(); // it may have lost items
      }
      const rested = pause(this.#options.limits.clusterBatchMs, over);
      const batches = await session.follow(this.#position);
      for (const { count, position, heads } of batches) {
        // Some batches were removed before they were read.
        if (count !== this.#readCount + 1) {
          this.#mustReload = true;
          break;
        }
        const unknown = this.#incoming!.renew(heads, this.#storeNow);
        if (unknown.length > 0) {
          await this.#take(session, { values: await session.fetch(unknown) });
        }
        if (turns.isOver) await turns.give();
        this.#readCount = count;
        this.#position = position;
        this.#lastCount = Math.max(this.#lastCount, count);
        if (count === this.#lastCount) this.#isLevelAt = performance.now();
      }
      this.#settle();
      await rested; // a store that waits for nothing would take a whole core
    }
  }

  /** Writes the waiting items. */
  async #write(session: StoreSession, over: AbortSignal): Promise<void> {
    const { limits } = this.#options;
    while (!over.aborted && !this.#stop.signal.aborted) {
      if (this.#outbox.size === 0) {
        this.#isWritten = true;
        this.#settle();
        this.#wake = Promise.withResolvers();
        await this.#wake.promise;
      }
      await pause(limits.clusterBatchMs, over);
      const pending = this.#outbox.take(limits.clusterBatchCount);
      const refused = await this.#writeBatch(session, pending);
      this.#refusal = refused;
      if (refused === undefined) continue;
      this.#settle();
      await pause(limits.clusterWriteRetryMs, over);
    }
  }

  /** Returns why the store refuses writes, if it does. */
  async #writeBatch(
    session: StoreSession,
    pending: readonly Pending[],
  ): Promise<StoreError | undefined> {
    const { limits } = this.#options;
    const rows = pending.flatMap((item) =>
      rowOf(item, {
        replicated: this.#replicated!,
        sealing: this.#sealing,
        holder: this.instance,
        now: this.#storeNow(),
        limits,
      }) ?? []
    );
    if (rows.length === 0) return undefined;
    try {
      const { missing, newer } = await session.write(rows);
      const forged = newer.filter(([{ kind, id }, { text }]) => {
        const head = this.#sealing.parseHead(text.split("\n", 1)[0]!);
        return head?.kind !== kind || head.id !== id;
      });
      if (forged.length > 0) {
        await session.discard(forged.map(([, value]) => value));
      }
      this.#written += rows.length - missing.length - forged.length;
      const isForged = new Set(forged.map(([{ kind, id }]) => kind + id));
      this.#outbox.putBack(
        pending.filter(({ kind, id }) => isForged.has(kind + id)),
      );
      for (const key of missing) this.#outbox.changed(key, true);
      return undefined;
    } catch (error) {
      this.#outbox.putBack(pending);
      if (error instanceof StoreError && isOfWritesAlone(error)) {
        this.#fail(error);
        return error;
      }
      throw error;
    }
  }

  /** Asks for the store's state at regular intervals. */
  async #look(session: StoreSession, over: AbortSignal): Promise<void> {
    const { clusterBeatMs, clusterFollowMs } = this.#options.limits;
    for (;;) {
      await pause(clusterBeatMs, over);
      if (over.aborted || this.#stop.signal.aborted) return;
      const read = this.#readCount;
      const { count, refuses } = await this.#beat(session);
      if (refuses?.trouble === "read_only") throw refuses;
      const behindMs = performance.now() - this.#isLevelAt;
      if (count < read || behindMs > 2 * (clusterFollowMs + clusterBeatMs)) {
        this.#mustReload = true;
      }
      this.#settle();
    }
  }

  /** Sets the phase to whole or stale. */
  #settle(): void {
    if (this.#phase === "away" || this.#stop.signal.aborted) return;
    const behindMs = performance.now() - this.#isLevelAt;
    const isBehind = !this.#isLevel &&
      behindMs > this.#options.limits.clusterFollowMs;
    // A store that refuses writes of this instance refuses those of the others
    // too.
    const refusal = this.#refusal ?? this.#muteness;
    const isWhole = this.#isWritten && refusal === undefined &&
      !this.#mustReload && !isBehind;
    const why = refusal && this.#reasonOf(refusal);
    this.#enter(isWhole ? "whole" : "stale", why);
  }

  #enter(phase: ClusterPhase, why?: string): void {
    const isNew = phase !== this.#phase;
    this.#phase = phase;
    if (phase !== "away" || why !== undefined) {
      this.#lines.emit(phase, why, performance.now());
    }
    if (isNew) this.#replicated!.phase(phase);
  }

  #reasonOf({ message }: StoreError): string {
    return `${this.#options.store.name}: ${message}`;
  }

  #fail({ trouble }: StoreError): void {
    this.#failures.add(trouble);
  }

  #storeTime(now: number): number {
    return now + this.#clockMs;
  }

  readonly #storeNow = (): number => this.#storeTime(performance.now());
}

/** Whether reading continues although the store refuses writes. */
function isOfWritesAlone({ trouble }: StoreError): boolean {
  return trouble === "full" || trouble === "wrong_type" || trouble === "failed";
}

/** Waits, at most until the end of the conversation. */
async function pause(ms: number, over: AbortSignal): Promise<void> {
  await within(new Promise<void>(() => {}), ms, over).catch(() => {});
}

function asStoreError(error: unknown): void {
  if (!(error instanceof StoreError)) throw error;
}
