/**
 * Receives files from several nodes at once: asks each for what the plan says,
 * checks every piece against its hash, and hands it to the file's sink. Knows
 * neither disks nor terminals.
 *
 * plan → read requests → slabs → hashes → sink
 *
 * @module
 */

import type { Path } from "../base/conn.ts";
import { describeCause, ProtocolError } from "../base/errors.ts";
import { pieceLength } from "../content/manifest.ts";
import { Plan, type Task } from "./plan.ts";
import { show } from "../base/text.ts";
import { BatchReceiver, type Skipped } from "./batch.ts";
import {
  Connection,
  type NextOptions,
  type Request,
  type Work,
} from "./connection.ts";
import type { DownloadOptions, FileFailure } from "./download_options.ts";
import type { NodeSession } from "./session.ts";
import {
  type DownloadFile,
  IncomingFile,
  type SavedPieces,
  TaskReceiver,
} from "./receiving.ts";
import { SlabPool } from "./slabs.ts";
import { Sources } from "./sources.ts";
import { type DownloadSource, Source, SourceExhausted } from "./source.ts";
import { type Verified, verify } from "./verifying.ts";

// Several small pieces are asked for, hashed and written together.
const SLAB_BYTES = 1024 * 1024;
// Where a rate holds us back, no more is asked for than comes in such a time:
// what waits in the line is sent for nothing when somebody else delivers it, and
// a node that cannot send for long takes us for gone.
const LIMITED_AHEAD_SECONDS = 4;
// Where pieces are taken in order, so much may be under way ahead.
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
  readonly #accepting = new Set<Promise<void>>();
  #resume = () => {};
  #fileCount = 0;
  #endedCount = 0;
  #mayHaveOrphans = true;
  #failure: { error: unknown } | null = null;
  #closed = false;
  #sourcesClosed = false;
  #lanesBegun = 0;
  #stopped = false;

  readonly #work: Work;
  /** What may be under way on a connection, as far as our rate says. */
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
      waitedMs: (id, now) => this.#sources.waitedMs(id, now),
    });
    this.#work = {
      windowBytes: Math.min(limits.windowBytes, this.#aheadBytes),
      windowRequestCount: limits.windowRequestCount,
      batchBytes: Math.min(limits.batchBytes, this.#aheadBytes / 2),
      batchFileCount: limits.batchFileCount,
      signal: this.#stop.signal,
      isOver: () => this.#isOver,
      next: this.#next.bind(this),
      receiveMany: this.#receiveMany.bind(this),
      opened: this.#opened.bind(this),
      refused: this.#lost.bind(this),
      accept: this.#accept.bind(this),
      track: this.#track.bind(this),
      brokeOff: this.#brokeOff.bind(this),
    };
  }

  /** Adds a file; returns its index. May be called while it runs. */
  addFile(given: DownloadFile): number {
    const file = new IncomingFile(given);
    const { pieceBytes, pieceCount } = file;
    const { size, sources, have, inOrder } = given;
    const index = this.#plan.addFile({
      pieceCount,
      pieceBytes: Math.min(pieceBytes, Math.max(size, 1)),
      taskPieces: file.piecesIn(Math.min(SLAB_BYTES, this.#aheadBytes)),
      holders: sources.keys(),
      ...(have === undefined ? {} : { have }),
      ...(inOrder
        ? { lookahead: Math.max(3, file.piecesIn(LOOKAHEAD_BYTES)) }
        : {}),
    });
    this.#files.set(index, file);
    this.#fileCount++;
    const hasSource = [...sources.keys()].some((id) =>
      this.#sources.isActive(id)
    );
    if (!hasSource) this.#mayHaveOrphans = true;
    if (this.#plan.isComplete(index)) this.#track(this.#finish(index, file));
    if (!hasSource) this.#resume();
    this.#sources.wake(sources.keys());
    return index;
  }

  /** Adds a source. May be called while it runs. */
  addSource(given: DownloadSource): void {
    if (this.#sources.has(given.id)) return;
    const source = new Source(given, this.#options.connections);
    this.#sources.add(source);
    // A copy: connections in lanes join while it serves.
    for (const [n, id] of [...source.connections].entries()) {
      const session = n === 0 ? given.session : undefined;
      const work = this.#work;
      const connection = new Connection(id, { source, work, session });
      this.#sources.addConnection(connection);
      this.#plan.addSource(id, given.id, performance.now());
      this.#track(connection.serve());
    }
  }

  /** A node was reached: sessions in lanes do the rest where they can. */
  #opened({ source }: Connection, session: NodeSession): void {
    const { openInLane } = source.given;
    const { laneCount = 0, limits } = this.#options;
    if (openInLane === undefined || session.path !== "direct") return;
    // As often as it may break off: then the usual connections do it all.
    const isTired = source.laneRounds >= limits.sourceFailureCount;
    if (source.laneCount > 0 || isTired) return;
    // Each has a buffer of its own: what is begun counts, not what has opened.
    const each = Math.ceil(laneCount / Math.max(1, this.#sources.activeCount));
    const count = Math.min(laneCount - this.#lanesBegun, each);
    if (count <= 0) return;
    source.laneRounds++;
    this.#lanesBegun += count;
    for (let n = 0; n < count; n++) {
      const id = `${source.given.id} lane ${source.laneRounds} ${n}`;
      const work = this.#work;
      const given = { source, work, session: undefined };
      const connection = new Connection(id, given);
      source.connections.push(id);
      this.#sources.addConnection(connection);
      this.#plan.addSource(id, source.given.id, performance.now());
      const serving = connection.serveInLane((signal) =>
        openInLane(session, signal)
      );
      this.#track(serving.finally(() => {
        this.#lanesBegun--;
        this.#plan.release(id, undefined, false);
        this.#kick();
      }));
    }
  }

  /** Says that a source has a file as well, and what to ask it for. */
  addHolder(index: number, source: string, of: string): void {
    this.#files.get(index)?.given.sources.set(source, of);
    this.#plan.addHolder(index, source);
    this.#sources.wake([source]);
  }

  /** Says that no more sources follow: what none of them has is given up. */
  closeSources(): void {
    this.#sourcesClosed = true;
    this.#kick();
  }

  /** Says that neither files nor sources follow. */
  close(): void {
    this.#closed = true;
    this.closeSources();
  }

  /**
   * Hashes of the pieces of a file, in order: of all where its manifest is
   * known, else of those that have come.
   */
  hashesOf(index: number): Uint8Array {
    return this.#files.get(index)!.hashes;
  }

  /** Forgets a file that has ended: no more will be asked of it. */
  forget(index: number): void {
    this.#files.delete(index);
  }

  /** Ends it early: what runs is cut off, and `run` resolves. */
  stop(): void {
    this.#stopped = true;
    this.#kick();
  }

  /** Says how far a file that is taken in order has been consumed. */
  consumed(index: number, piece: number): void {
    this.#plan.consumed(index, piece);
    this.#kick();
  }

  /** Sources that take part. */
  get activeCount(): number {
    return this.#sources.activeCount;
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
      while (this.#accepting.size > 0) await Promise.all(this.#accepting);
    }
    if (this.#failure !== null) throw this.#failure.error;
  }

  get #isOver(): boolean {
    return this.#failure !== null || this.#stopped ||
      (this.#closed && this.#endedCount === this.#fileCount);
  }

  /** Keeps a running part in view: whatever it throws ends everything. */
  #track(part: Promise<void>): void {
    const tracked = part.catch((error) => this.#fail(error)).finally(() => {
      this.#accepting.delete(tracked);
      if (this.#isOver) this.#kick();
    });
    this.#accepting.add(tracked);
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#kick();
  }

  /** Something has changed that concerns all. */
  #kick(): void {
    this.#resume();
    this.#sources.wake();
  }

  #brokeOff(connection: Connection, error: unknown): void {
    const { source, id, isOpen, wasHeld } = connection;
    const isExhausted = error instanceof SourceExhausted;
    const lied = error instanceof ProtocolError &&
      error.code === "corrupt_piece";
    if (wasHeld && !lied && source.takeProgress()) {
      // It waited for us, not we for it.
      const givenUp = this.#plan.release(id, undefined, false);
      return this.#settle(givenUp, "undelivered");
    }
    const now = performance.now();
    if (!lied && source.hasFailedSince(connection.triedAt)) {
      const givenUp = this.#plan.release(id, undefined, false);
      return this.#settle(givenUp, "undelivered");
    }
    const isOfUse = source.brokeOff(this.activeCount === 1, now);
    const givenUp = this.#plan.release(id, undefined, !isOfUse);
    const { describe = describeCause } = this.#options;
    const { sourceFailureCount } = this.#options.limits;
    const isLast = source.failureCount >= sourceFailureCount;
    // There may be another path, which opening anew finds.
    const isFinal = isExhausted && !isOpen;
    if (lied || isFinal || (isLast && !this.#mayComeBack(source, now))) {
      givenUp.push(...this.#putOut(source));
    }
    this.#settle(givenUp, lied ? "corrupt" : "undelivered");
    this.#options.onTrouble({
      source: source.given.id,
      kind: lied ? "lied" : "broke_off",
      cause: isExhausted ? error.message : describe(error),
      out: source.out,
    });
  }

  /**
   * Whether to wait for a node although it fails: the only one, behind a tunnel.
   * When the relay comes back, so does the node, by itself.
   */
  #mayComeBack(source: Source, now: number): boolean {
    return source.path === "tunnel" && this.activeCount === 1 &&
      source.failingMs(now) < this.#options.limits.tunnelPatienceMs;
  }

  /** Puts all connections of a node out; the files that are given up for it. */
  #putOut(source: Source): number[] {
    source.out = true;
    this.#mayHaveOrphans = true;
    return source.connections.flatMap((id) => this.#plan.drop(id));
  }

  /** What a connection is to ask for next. */
  #next(
    { id, source }: Connection,
    { mayTakeOver, conn, onBytes }: NextOptions,
  ): Request | undefined {
    const task = this.#plan.take(id, performance.now(), mayTakeOver);
    if (task === undefined) return undefined;
    const file = this.#files.get(task.file)!;
    const receiver = new TaskReceiver(file, task, {
      slabs: this.#slabs,
      conn,
      rate: this.#options.rate,
      signal: this.#stop.signal,
      onBytes: (count) => {
        source.received(count);
        onBytes(count);
        this.#plan.noteBytes(id, count, performance.now());
      },
    });
    const of = file.given.sources.get(source.given.id) ?? "";
    const bytes = file.bytesOf(task);
    const isSmall = file.pieceCount === 1 &&
      bytes <= this.#options.limits.smallFileBytes;
    return { task, of, bytes, receiver, isSmall };
  }

  /** Takes the files of one request. */
  #receiveMany(
    { id, source }: Connection,
    requests: readonly Request[],
    onBytes: (count: number) => void,
  ): BatchReceiver {
    return new BatchReceiver(requests, {
      slabs: this.#slabs,
      rate: this.#options.rate,
      signal: this.#stop.signal,
      onBytes: (count) => {
        source.received(count);
        onBytes(count);
        this.#plan.noteBytes(id, count, performance.now());
      },
    });
  }

  /** A node no longer has what it said it had. */
  #lost({ id, source }: Connection, { task }: Request, why: Skipped): void {
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

  /**
   * Verifies what has come for requests, writes it, and tells the plan. Only
   * then the node is judged: what is right of it counts.
   */
  async #accept(
    connection: Connection,
    requests: readonly Request[],
    path: Path,
  ): Promise<void> {
    const accepted = await Promise.all(
      requests.map((request) => this.#acceptOne(connection, request, path)),
    );
    const wrong = requests.filter((_, at) => !accepted[at]);
    for (const { receiver: { file } } of wrong) file.lied = true;
    for (const { task, receiver: { file } } of wrong) {
      this.#lied(connection.source, task.file, file);
    }
  }

  /** The same for one of them; whether all that came of it is right. */
  async #acceptOne(
    connection: Connection,
    { task, receiver }: Request,
    path: Path,
  ): Promise<boolean> {
    if (receiver.saved !== undefined) {
      return await this.#acceptSaved(connection, { task, receiver }, path);
    }
    const slab = receiver.take();
    if (slab === undefined) return true;
    const { claimed, wholeCount, file } = receiver;
    const length = file.bytesOf({ ...task, count: wholeCount });
    const verified = await verify(
      { file, first: task.first, bytes: slab.subarray(0, length), claimed },
      this.#options.hasher,
    );
    const { right } = verified;
    const good = { ...task, count: right };
    const isWanted = right > 0 && !file.ended &&
      this.#arrived(connection, { task: good, file, path });
    // What is being written keeps its slab, wanted or not.
    const isUsed = isWanted || verified.written !== undefined;
    if (isWanted) file.note(task.first, verified.hashes?.slice(0, right) ?? []);
    if (isUsed) this.#track(this.#write(good, file, verified));
    else this.#slabs.release(verified.bytes);
    return right === wholeCount;
  }

  /** Tells the plan what a lane has written of a task. */
  async #acceptSaved(
    connection: Connection,
    { task, receiver }: Pick<Request, "task" | "receiver">,
    path: Path,
  ): Promise<boolean> {
    const { file, saved, wholeCount } = receiver;
    file.writing++;
    let outcome: SavedPieces;
    try {
      outcome = await saved!();
    } catch (error) {
      file.isDamaged = true;
      throw error;
    } finally {
      file.writing--;
    }
    const { right, isWrong } = outcome;
    if (right > 0 && !file.ended) {
      const good = { ...task, count: right };
      this.#arrived(connection, { task: good, file, path });
    }
    // Also where nothing is new: others may have waited for this.
    this.#finishIfWhole(task.file, file);
    // The node has vouched for so many.
    return !isWrong || right >= wholeCount;
  }

  /**
   * Writes pieces that have arrived. The plan knows of them already: a sink that
   * takes pieces in order keeps some waiting, and their source must be free
   * meanwhile to fetch those that they wait for.
   */
  async #write(
    task: Task,
    file: IncomingFile,
    { bytes, written }: Verified,
  ): Promise<void> {
    file.writing++;
    try {
      const right = bytes.subarray(0, file.bytesOf(task));
      await (written ?? file.given.sink.write(task.first, right));
    } catch (error) {
      file.isDamaged = true;
      throw error;
    } finally {
      file.writing--;
      this.#slabs.release(bytes);
    }
    this.#finishIfWhole(task.file, file);
  }

  #finishIfWhole(index: number, file: IncomingFile): void {
    const isWhole = this.#plan.isComplete(index) && file.writing === 0 &&
      !file.isDamaged;
    if (isWhole && !file.ended) this.#track(this.#finish(index, file));
  }

  /** Tells the plan; whether any of the pieces was still wanted. */
  #arrived(
    { id, source }: Connection,
    { task, file: { given }, path }: {
      task: Task;
      file: IncomingFile;
      path: Path;
    },
  ): boolean {
    let bytes = 0;
    for (let piece = task.first; piece < task.first + task.count; piece++) {
      const arrival = this.#plan.arrived(id, task.file, piece);
      if (arrival === "wanted") bytes += pieceLength(given.size, piece);
    }
    source.arrived(bytes);
    if (bytes === 0) return false;
    const { file } = task;
    this.#options.onBytes({ source: source.given.id, path, file, bytes });
    return true;
  }

  async #finish(index: number, file: IncomingFile): Promise<void> {
    if (file.ended) return;
    file.ended = true;
    await file.given.sink.finish();
    this.#endedCount++;
    this.#options.onFinished(index);
  }

  /** A node sent bytes that are not what it vouched for: it is out. */
  #lied(source: Source, index: number, file: IncomingFile): void {
    if (source.out) return;
    this.#settle(this.#putOut(source), "corrupt");
    this.#options.onTrouble({
      source: source.given.id,
      kind: "lied",
      cause: `sent bytes of ${
        show(file.given.name)
      } that do not match their hash`,
      out: true,
      file: index,
    });
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
    this.#plan.giveUp(index);
    file.given.sink.abandon?.();
    this.#options.onFailed(index, file.lied ? "corrupt" : failure);
  }

  /** Gives up the files that no source is left for. */
  #failOrphans(): void {
    if (!this.#sourcesClosed || !this.#mayHaveOrphans) return;
    this.#mayHaveOrphans = false;
    for (const index of this.#plan.orphans()) {
      this.#giveUp(index, "undelivered");
    }
  }

  #everySecond(): void {
    const { lowestBytesPerSecond } = this.#options;
    const slow = this.#sources.secondPassed({
      lowestBytesPerSecond,
      now: performance.now(),
      isBusy: (id) => this.#plan.askedCount(id) > 0,
    });
    if (slow !== undefined) {
      this.#settle(this.#putOut(slow), "undelivered");
      const cause = `slower than ${lowestBytesPerSecond} bytes a second`;
      const { id } = slow.given;
      this.#options.onTrouble({ source: id, kind: "slow", cause, out: true });
    }
    this.#kick();
  }

  /** Bytes that are lent to what is on its way, or is being written. */
  get lentBytes(): number {
    return this.#slabs.lentBytes;
  }
}
