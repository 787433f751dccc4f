/**
 * Receives files from several nodes at once: asks each for what the plan says,
 * checks every piece against its hash, and hands it to the file's sink. Knows
 * neither disks nor terminals.
 *
 * plan → read requests → slabs → hashes → sink
 *
 * @module
 */

import { Arrivals } from "./arrivals.ts";
import { DownloadLanes } from "./download_lanes.ts";
import { HolderFiles } from "./holder_files.ts";
import { Plan } from "./plan.ts";
import { show } from "../base/text.ts";
import { BatchReceiver, type FileRefusal } from "./batch.ts";
import {
  Connection,
  type NextOptions,
  type Request,
  type Work,
} from "./connection.ts";
import type { DownloadOptions, FileFailure } from "./download_options.ts";
import { type DownloadFile, IncomingFile, TaskReceiver } from "./receiving.ts";
import { SlabPool } from "./slabs.ts";
import { Sources } from "./sources.ts";
import { type DownloadSource, Source } from "./source.ts";
import { SourceTroubles } from "./source_troubles.ts";

// Several small pieces are asked for, hashed and written together.
const SLAB_BYTES = 1024 * 1024;
// With a rate limit, no more is requested than arrives in this time. Otherwise
// queued bytes are sent for nothing if another source delivers them, and a node
// that cannot send for long assumes that we are dead.
const LIMITED_AHEAD_SECONDS = 4;
// If pieces are taken in order, this many bytes may be in flight ahead.
const LOOKAHEAD_BYTES = 16 * 1024 * 1024;

/** Receives files. */
export class Download {
  readonly #options: DownloadOptions;
  readonly #plan: Plan;
  readonly #slabs: SlabPool;
  /** Files, by index, that have not been forgotten. */
  readonly #files = new Map<number, IncomingFile>();
  readonly #sources = new Sources();
  readonly #stop = new AbortController();
  /** Running parts. */
  #partCount = 0;
  #onNoParts = () => {};
  #resume = () => {};
  #fileCount = 0;
  #endedCount = 0;
  #mayHaveOrphans = true;
  #failure: { error: unknown } | null = null;
  #closed = false;
  #sourcesClosed = false;
  #stopped = false;

  readonly #work: Work;
  readonly #lanes: DownloadLanes;
  readonly #holders: HolderFiles;
  readonly #arrivals: Arrivals;
  readonly #troubles: SourceTroubles;
  /** Bytes that may be in flight on a connection, by our rate limit. */
  readonly #aheadBytes: number;

  /** Nothing is received before {@linkcode run}. */
  constructor(options: DownloadOptions) {
    this.#options = options;
    const { limits, rate, sharesSlabs = false } = options;
    this.#aheadBytes = rate === undefined
      ? Infinity
      : rate.bytesPerSecond * LIMITED_AHEAD_SECONDS;
    this.#slabs = new SlabPool(limits.slabBytes, { isShared: sharesSlabs });
    this.#plan = new Plan({
      openFileCount: limits.requestedFileCount,
      pieceFailureCount: limits.pieceFailureCount,
      takeOverMs: limits.takeOverMs,
      connectionQuietMs: limits.connectionQuietMs,
      waitedMs: (id, now) => this.#sources.waitedMs(id, now),
    });
    this.#lanes = new DownloadLanes({
      limits,
      laneCount: options.laneCount ?? 0,
      work: () => this.#work,
      plan: this.#plan,
      sources: this.#sources,
      ended: () => this.#kick(),
    });
    const wake = (id: string) => this.#sources.wake([id]);
    const track = this.#track.bind(this);
    const [plan, files] = [this.#plan, this.#files];
    this.#holders = new HolderFiles({ plan, files, wake, track, limits });
    this.#troubles = new SourceTroubles({
      ...{ limits, plan, sources: this.#sources, holders: this.#holders },
      onTrouble: options.onTrouble,
      describe: options.describe,
      settle: this.#settle.bind(this),
      onOut: () => this.#mayHaveOrphans = true,
    });
    this.#arrivals = new Arrivals({
      ...{ hasher: options.hasher, plan, slabs: this.#slabs, track },
      onBytes: options.onBytes,
      onSaved: (task) => options.onSaved?.(task),
      lied: (source, index, { given: { name } }) =>
        this.#troubles.lied(source, { index, name }),
      finish: this.#finish.bind(this),
    });
    this.#work = this.#newWork();
  }

  /** The part of the download that its connections see. */
  #newWork(): Work {
    const { limits } = this.#options;
    return {
      windowBytes: Math.min(limits.windowBytes, this.#aheadBytes),
      windowRequestCount: limits.windowRequestCount,
      batchBytes: Math.min(limits.batchBytes, this.#aheadBytes / 2),
      batchFileCount: limits.batchFileCount,
      signal: this.#stop.signal,
      isOver: () => this.#isOver,
      next: this.#next.bind(this),
      receiveMany: this.#receiveMany.bind(this),
      opened: ({ source }, session) => {
        this.#lanes.opened(source, session);
        source.wasOpened = true;
        this.#holders.opened(source, session);
      },
      refused: this.#lost.bind(this),
      accept: this.#arrivals.accept.bind(this.#arrivals),
      track: this.#track.bind(this),
      brokeOff: this.#troubles.brokeOff.bind(this.#troubles),
    };
  }

  /** Adds a file; returns its index. May be called while it runs. */
  addFile(given: DownloadFile): number {
    const file = new IncomingFile(given);
    const { pieceBytes, pieceCount } = file;
    const { size, sources, have, inOrder, rarest } = given;
    const index = this.#plan.addFile({
      pieceCount,
      pieceBytes: Math.min(pieceBytes, Math.max(size, 1)),
      taskPieces: file.piecesIn(Math.min(SLAB_BYTES, this.#aheadBytes)),
      holders: sources.keys(),
      ...(have === undefined ? {} : { have }),
      ...(rarest === undefined ? {} : { rarest }),
      ...(inOrder
        ? { lookahead: Math.max(3, file.piecesIn(LOOKAHEAD_BYTES)) }
        : {}),
    });
    this.#files.set(index, file);
    this.#holders.fileAdded(index);
    this.#fileCount++;
    const hasSource = sources.keys().some((id) => this.#sources.isActive(id));
    if (!hasSource) this.#mayHaveOrphans = true;
    if (this.#plan.isComplete(index)) {
      // The caller must learn the index first.
      this.#track(Promise.resolve().then(() => this.#finish(index, file)));
    }
    if (!hasSource) this.#resume();
    const isSmall = size <= this.#options.limits.smallFileBytes;
    this.#sources.wakeForFile(sources.keys(), isSmall);
    return index;
  }

  /** Adds a source. May be called while it runs. */
  addSource(given: DownloadSource): void {
    if (this.#sources.has(given.id)) return;
    const { connections } = this.#options;
    const source = new Source(given, given.isHolder ? 1 : connections);
    this.#sources.add(source);
    this.#holders.added(source);
    // A copy: connections in lanes join while it serves.
    for (const [n, id] of [...source.connections].entries()) {
      const session = n === 0 ? given.session : undefined;
      const work = this.#work;
      const connection = new Connection(id, { source, work, session });
      this.#sources.addConnection(connection);
      this.#plan.addSource(id, given.id, performance.now());
      const served = connection.serve();
      this.#track(
        given.isHolder
          ? served.finally(() => this.#dropHolder(source))
          : served,
      );
    }
  }

  /** A holder is excluded, or no longer useful: it may be added again later. */
  #dropHolder(source: Source): void {
    this.#sources.remove(source);
    this.#holders.dropped(source);
    for (const id of source.connections) this.#plan.removeSource(id);
    source.given.ended?.({ mayReturn: source.mayReturn });
  }

  /** Adds a source of a file; `of` is what to request from it. */
  addHolder(index: number, source: string, of: string): void {
    this.#files.get(index)?.given.sources.set(source, of);
    this.#plan.addHolder(index, source);
    this.#sources.wake([source]);
  }

  /** Reports that no more sources follow: files that none of them has fail. */
  closeSources(): void {
    this.#sourcesClosed = true;
    this.#kick();
  }

  /** Reports that no more files and sources follow. */
  close(): void {
    this.#closed = true;
    this.closeSources();
  }

  /**
   * Hashes of the pieces of a file, in order: of all if its manifest is known,
   * otherwise of those that arrived.
   */
  hashesOf(index: number): Uint8Array {
    return this.#files.get(index)!.hashes;
  }

  /** Forgets a file that has ended: nothing more of it will be requested. */
  forget(index: number): void {
    this.#files.delete(index);
  }

  /** Ends the download early: aborts all requests, and `run` resolves. */
  stop(): void {
    this.#stopped = true;
    this.#kick();
  }

  /** Reports how far a file that is taken in order has been consumed. */
  consumed(index: number, piece: number): void {
    this.#plan.consumed(index, piece);
    this.#kick();
  }

  /** Sources that take part. */
  get activeCount(): number {
    return this.#sources.activeCount;
  }

  /** Holders among these. */
  get activeHolderCount(): number {
    return this.#sources.activeHolderCount;
  }

  /**
   * Runs until every file is complete or has failed. Rejects when a sink does,
   * and with the signal's reason.
   */
  async run(): Promise<void> {
    const { signal } = this.#options;
    const onAbort = () => this.#fail(signal.reason);
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    const clock = setInterval(() => this.#everySecond(), 1000);
    try {
      while (!this.#isOver) {
        this.#failOrphans();
        if (this.#isOver) break;
        await new Promise<void>((resolve) => this.#resume = resolve);
      }
    } finally {
      clearInterval(clock);
      signal.removeEventListener("abort", onAbort);
      this.#stop.abort(this.#failure?.error ?? new Error("done"));
      for (const { given } of this.#files.values()) given.sink.abandon?.();
      this.#kick();
      while (this.#partCount > 0) {
        await new Promise<void>((resolve) => this.#onNoParts = resolve);
      }
    }
    if (this.#failure !== null) throw this.#failure.error;
  }

  get #isOver(): boolean {
    return this.#failure !== null || this.#stopped ||
      (this.#closed && this.#endedCount === this.#fileCount);
  }

  /** Tracks a running part: an error in it ends the download. */
  #track(part: Promise<void>): void {
    this.#partCount++;
    const ended = () => {
      this.#partCount--;
      if (this.#partCount === 0) this.#onNoParts();
      if (this.#isOver) this.#kick();
    };
    part.then(ended, (error) => {
      this.#fail(error);
      ended();
    });
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#kick();
  }

  /** Wakes all connections after a change. */
  #kick(): void {
    this.#resume();
    this.#sources.wake();
  }

  /** The next request of a connection. */
  #next(
    connection: Connection,
    { mayTakeOver, conn, onBytes }: NextOptions,
  ): Request | undefined {
    const { id, source } = connection;
    const task = this.#plan.take(id, performance.now(), mayTakeOver);
    if (task === undefined) return undefined;
    const file = this.#files.get(task.file)!;
    const receiver = new TaskReceiver(file, task, {
      slabs: this.#slabs.of(source.given.id),
      conn,
      rate: this.#options.rate,
      signal: this.#stop.signal,
      onBytes: this.#counting(connection, onBytes),
    });
    const of = file.given.sources.get(source.given.id) ?? "";
    const bytes = file.bytesOf(task);
    const isSmall = file.pieceCount === 1 &&
      bytes <= this.#options.limits.smallFileBytes;
    return { task, of, bytes, receiver, isSmall };
  }

  /** Counts received bytes for a connection, its source and the plan. */
  #counting({ id, source }: Connection, onBytes: (count: number) => void) {
    return (count: number) => {
      source.received(count);
      onBytes(count);
      this.#plan.noteBytes(id, count, performance.now());
    };
  }

  /** Takes the files of one request. */
  #receiveMany(
    connection: Connection,
    requests: readonly Request[],
    onBytes: (count: number) => void,
  ): BatchReceiver {
    return new BatchReceiver(requests, {
      slabs: this.#slabs.of(connection.source.given.id),
      rate: this.#options.rate,
      signal: this.#stop.signal,
      onBytes: this.#counting(connection, onBytes),
    });
  }

  /** A source no longer has pieces that it announced. */
  #lost({ id, source }: Connection, { task }: Request, why: FileRefusal): void {
    if (source.given.isHolder) {
      this.#plan.holderLacks(task.file, source.given.id, task);
      return this.#settle(this.#plan.release(id, task, false), "undelivered");
    }
    this.#plan.removeHolder(task.file, source.given.id);
    this.#mayHaveOrphans = true;
    this.#settle(this.#plan.release(id, task), "undelivered");
    this.#options.onTrouble({
      source: source.given.id,
      kind: "lost_file",
      cause: show(why.text),
      code: why.code,
      out: false,
      file: task.file,
    });
  }

  #finish(index: number, file: IncomingFile): void {
    if (file.ended) return;
    file.ended = true;
    const finishing = file.given.sink.finish();
    const finished = () => {
      this.#endedCount++;
      this.#partFrom(file);
      this.#options.onFinished(index);
    };
    // Small files have nothing left to do.
    if (finishing === undefined) finished();
    else this.#track(finishing.then(finished));
  }

  #settle(givenUp: readonly number[], failure: FileFailure): void {
    for (const index of givenUp) this.#giveUp(index, failure);
    this.#kick();
  }

  #giveUp(index: number, failure: FileFailure): void {
    const file = this.#files.get(index);
    if (file === undefined || file.ended) return;
    file.ended = true;
    this.#endedCount++;
    const nowhere = this.#plan.nowhere(index);
    this.#plan.giveUp(index);
    this.#partFrom(file);
    file.given.sink.abandon?.();
    this.#options.onFailed(index, file.lied ? "corrupt" : failure, nowhere);
  }

  /** Ends the connections to holders of a file that has ended. */
  #partFrom({ given: { content } }: IncomingFile): void {
    for (const source of this.#sources.onlyFor(content)) {
      this.#troubles.putOut(source);
      this.#sources.wake([source.given.id]);
    }
  }

  /** Gives up files that no source has any more. */
  #failOrphans(): void {
    if (!this.#sourcesClosed || !this.#mayHaveOrphans) return;
    this.#mayHaveOrphans = false;
    for (const index of this.#plan.orphans()) {
      this.#giveUp(index, "undelivered");
    }
  }

  #everySecond(): void {
    const { lowestBytesPerSecond } = this.#options;
    const now = performance.now();
    const slow = this.#sources.secondPassed({
      lowestBytesPerSecond,
      now,
      isBusy: (id) => this.#plan.askedCount(id) > 0,
      isExempt: (source) => this.#troubles.hasManyReaders(source),
    });
    if (slow !== undefined) this.#troubles.tooSlow(slow, lowestBytesPerSecond);
    this.#settle(this.#holders.lost(now), "undelivered");
    this.#kick();
  }

  /** Bytes of slabs in use: for requests in flight, or for pieces being written. */
  get lentBytes(): number {
    return this.#slabs.lentBytes;
  }
}
