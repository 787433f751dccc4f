/**
 * Receives files from several nodes at once: asks each for what the plan says,
 * checks every piece against its hash, and hands it to the file's sink. Knows
 * neither disks nor terminals.
 *
 * plan → read requests → slabs → hashes → sink
 *
 * @module
 */

import { delay } from "@std/async/delay";
import type { Path } from "../conn.ts";
import { describeCause, isBug, ProtocolError } from "../errors.ts";
import { HASH_BYTES } from "../hash.ts";
import type { Limits } from "../limits.ts";
import {
  Manifest,
  pieceBytesOf,
  pieceCountOf,
  pieceLength,
} from "../manifest.ts";
import { Plan, type Task } from "../plan.ts";
import type { RateLimit } from "../rate.ts";
import { show } from "../text.ts";
import { HASHED_AT_ONCE_BYTES, type Hasher, hashParts } from "./hashing.ts";
import type { NodeSession } from "./session.ts";
import type { PieceReceiver } from "./answers.ts";
import { SlabPool } from "./slabs.ts";

/** Where the pieces of one file go. */
export interface Sink {
  /**
   * Takes whole pieces in a row, verified, from piece `first` on. The bytes may
   * be used until it resolves.
   */
  write(first: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** All pieces have been written. */
  finish(): Promise<void>;
  /** Nothing more will come: `write` must not wait for it. */
  abandon?(): void;
}

/** A file to be received. */
export interface DownloadFile {
  /** Its name, for events. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** The content it must have, where that is known. */
  readonly content?: string | undefined;
  /** The hashes of its pieces, where it has more than one and they are known. */
  readonly manifest?: Manifest | undefined;
  /** What to ask each source for, by node id: a content id or a version. */
  readonly sources: Map<string, string>;
  /** Pieces that are there already. */
  readonly have?: readonly number[];
  /** Whether the sink takes pieces in order. */
  readonly inOrder?: boolean;
  /** Where the pieces go. */
  readonly sink: Sink;
}

/** A node that files come from. */
export interface DownloadSource {
  /** Id of the node. */
  readonly id: string;
  /** A session that is open already; the download disposes of it. */
  readonly session?: NodeSession | undefined;
  /** Opens another session. */
  open(signal: AbortSignal): Promise<NodeSession>;
}

/** Bytes that have come, and are right. */
export interface Arrived {
  /** The node they came from. */
  readonly source: string;
  /** The path they came by. */
  readonly path: Path;
  /** The file they are of. */
  readonly file: number;
  /** How many. */
  readonly bytes: number;
}

/** Why a source was put out, or was not there for a while. */
export interface SourceTrouble {
  /** The node. */
  readonly source: string;
  /** In words; may hold a stranger's, escaped. */
  readonly cause: string;
  /** What it amounts to. */
  readonly kind: "broke_off" | "lied" | "slow" | "lost_file";
  /** Whether the node takes part no more. */
  readonly out: boolean;
  /** The file it concerns, where it is one. */
  readonly file?: number;
}

/** Why a file could not be received. */
export type FileFailure = "undelivered" | "corrupt";

/** Options of {@linkcode Download}. */
export interface DownloadOptions {
  /** The numbers. */
  readonly limits: Limits;
  /** Hashes large buffers. */
  readonly hasher: Hasher;
  /** Sessions with each node. */
  readonly connections: number;
  /** Holds all receiving to a rate. */
  readonly rate?: RateLimit | undefined;
  /** A source slower than this is put out while another is left. */
  readonly lowestBytesPerSecond: number;
  /** Stops everything. */
  readonly signal: AbortSignal;
  /** Bytes of a source have been verified, and are being written. */
  readonly onBytes: (arrived: Arrived) => void;
  /** A file is complete. */
  readonly onFinished: (file: number) => void;
  /** A file cannot be received. */
  readonly onFailed: (file: number, failure: FileFailure) => void;
  /** A source gave trouble. */
  readonly onTrouble: (trouble: SourceTrouble) => void;
}

// Several small pieces are asked for, hashed and written together.
const SLAB_BYTES = 1024 * 1024;
// Where pieces are taken in order, so much may be under way ahead.
const LOOKAHEAD_BYTES = 16 * 1024 * 1024;

interface FileState {
  readonly file: DownloadFile;
  readonly pieceBytes: number;
  readonly pieceCount: number;
  /** Hashes as they were found. */
  readonly found: Uint8Array;
  lied: boolean;
  /** Writes under way. */
  writing: number;
  ended: boolean;
}

/** A node that files come from, over one connection or several. */
interface Source {
  readonly given: DownloadSource;
  failures: number;
  out: boolean;
  /** Bytes at the start of each of the last seconds. */
  readonly history: number[];
  /** Bytes that have come from it. */
  bytes: number;
  /** Bytes of whole pieces that were right. */
  arrivedBytes: number;
  /** How many those were when it failed last. */
  arrivedAtFailure: number;
  /** The path of its last session. */
  path: Path;
  /** When it broke off after it had been of use. */
  brokeOffAt: number;
}

/** Receives files. See the module's words. */
export class Download {
  readonly #options: DownloadOptions;
  readonly #plan: Plan;
  readonly #slabs: SlabPool;
  readonly #files: FileState[] = [];
  readonly #sources = new Map<string, Source>();
  readonly #stop = new AbortController();
  readonly #accepting = new Set<Promise<void>>();
  #kicks: (() => void)[] = [];
  #endedCount = 0;
  #mayHaveOrphans = true;
  #failure: { error: unknown } | null = null;
  #closed = false;
  #sourcesClosed = false;
  #stopped = false;

  /** Nothing is received before {@linkcode run}. */
  constructor(options: DownloadOptions) {
    this.#options = options;
    const { limits } = options;
    this.#slabs = new SlabPool(limits.slabBytes);
    this.#plan = new Plan({
      openFileCount: limits.openFileCount,
      pieceFailureCount: limits.pieceFailureCount,
      takeOverMs: limits.takeOverMs,
    });
  }

  /** Adds a file; returns its index. May be called while it runs. */
  addFile(file: DownloadFile): number {
    const pieceBytes = pieceBytesOf(file.size);
    const pieceCount = pieceCountOf(file.size);
    const taskPieces = Math.max(1, Math.floor(SLAB_BYTES / pieceBytes));
    const index = this.#plan.addFile({
      pieceCount,
      pieceBytes: Math.min(pieceBytes, Math.max(file.size, 1)),
      taskPieces,
      holders: file.sources.keys(),
      ...(file.have === undefined ? {} : { have: file.have }),
      ...(file.inOrder
        ? { lookahead: Math.max(3, Math.floor(LOOKAHEAD_BYTES / pieceBytes)) }
        : {}),
    });
    this.#files.push({
      file,
      pieceBytes,
      pieceCount,
      found: new Uint8Array(file.manifest ? 0 : pieceCount * HASH_BYTES),
      lied: false,
      writing: 0,
      ended: false,
    });
    const hasSource = [...file.sources.keys()].some((id) =>
      this.#sources.get(id)?.out === false
    );
    if (!hasSource) this.#mayHaveOrphans = true;
    if (this.#plan.isComplete(index)) this.#track(this.#finish(index));
    this.#kick();
    return index;
  }

  /** Adds a source. May be called while it runs. */
  addSource(given: DownloadSource): void {
    if (this.#sources.has(given.id)) return;
    const source: Source = {
      given,
      failures: 0,
      out: false,
      history: [],
      bytes: 0,
      arrivedBytes: 0,
      arrivedAtFailure: 0,
      path: "direct",
      brokeOffAt: 0,
    };
    this.#sources.set(given.id, source);
    for (let n = 0; n < this.#options.connections; n++) {
      const connection = `${given.id} ${n}`;
      this.#plan.addSource(connection, given.id, performance.now());
      const session = n === 0 ? given.session : undefined;
      this.#track(this.#serve(source, connection, session));
    }
  }

  /** Says that a source has a file as well, and what to ask it for. */
  addHolder(index: number, source: string, of: string): void {
    this.#files[index]?.file.sources.set(source, of);
    this.#plan.addHolder(index, source);
    this.#kick();
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
    const state = this.#files[index]!;
    return state.file.manifest?.hashes ?? state.found;
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
    return [...this.#sources.values()].filter(({ out }) => !out).length;
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
        if (!this.#isOver) await this.#kicked();
      }
    } finally {
      clearInterval(clock);
      signal.removeEventListener("abort", onAbort);
      this.#stop.abort(this.#failure?.error ?? new Error("done"));
      for (const { file } of this.#files) file.sink.abandon?.();
      this.#kick();
      while (this.#accepting.size > 0) await Promise.all(this.#accepting);
    }
    if (this.#failure !== null) throw this.#failure.error;
  }

  get #isOver(): boolean {
    return this.#failure !== null || this.#stopped ||
      (this.#closed && this.#isSettled);
  }

  get #isSettled(): boolean {
    return this.#endedCount === this.#files.length;
  }

  /** Keeps a running part in view: whatever it throws ends everything. */
  #track(part: Promise<void>): void {
    const tracked = part.catch((error) => this.#fail(error)).finally(() => {
      this.#accepting.delete(tracked);
      this.#kick();
    });
    this.#accepting.add(tracked);
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#kick();
  }

  #kick(): void {
    for (const resolve of this.#kicks.splice(0)) resolve();
  }

  #kicked(): Promise<void> {
    return new Promise((resolve) => this.#kicks.push(resolve));
  }

  /** One session after the other on a connection, until it is out or all is done. */
  async #serve(
    source: Source,
    connection: string,
    given: NodeSession | undefined,
  ): Promise<void> {
    let session = given;
    while (!this.#isOver && !source.out) {
      try {
        session ??= await source.given.open(this.#stop.signal);
        source.path = session.path;
        await this.#work(source, connection, session);
      } catch (error) {
        if (this.#isOver) return;
        if (isBug(error)) throw error;
        this.#brokeOff(source, connection, error);
      } finally {
        await this.#dispose(session);
        session = undefined;
      }
      if (this.#isOver || source.out) return;
      const waitMs = Math.min(RETRY_MS * source.failures, RETRY_MAX_MS);
      await delay(waitMs, { signal: this.#stop.signal }).catch(ignore);
    }
  }

  async #dispose(session: NodeSession | undefined): Promise<void> {
    if (session === undefined) return;
    if (this.#isOver) session.abort(new Error("done"));
    await session[Symbol.asyncDispose]();
  }

  #brokeOff(source: Source, connection: string, error: unknown): void {
    const lied = error instanceof ProtocolError &&
      error.code === "corrupt_piece";
    // While there is no other, it may fail as often as it brings something.
    const isOfUse = this.activeCount === 1 &&
      source.arrivedBytes > source.arrivedAtFailure;
    const givenUp = this.#plan.release(connection, undefined, !isOfUse);
    source.arrivedAtFailure = source.arrivedBytes;
    const now = performance.now();
    if (isOfUse || source.failures === 0) source.brokeOffAt = now;
    source.failures = isOfUse ? 1 : source.failures + 1;
    const isLast = source.failures >= this.#options.limits.sourceFailureCount;
    if (lied || (isLast && !this.#mayComeBack(source, now))) {
      givenUp.push(...this.#putOut(source));
    }
    this.#settle(givenUp, lied ? "corrupt" : "undelivered");
    this.#options.onTrouble({
      source: source.given.id,
      kind: lied ? "lied" : "broke_off",
      cause: describeCause(error),
      out: source.out,
    });
  }

  /**
   * Whether to wait for a node although it fails: the only one, behind a tunnel.
   * When the relay comes back, so does the node, by itself.
   */
  #mayComeBack(source: Source, now: number): boolean {
    return source.path === "tunnel" && this.activeCount === 1 &&
      now - source.brokeOffAt < this.#options.limits.tunnelPatienceMs;
  }

  /** Puts all connections of a node out; the files that are given up for it. */
  #putOut(source: Source): number[] {
    source.out = true;
    this.#mayHaveOrphans = true;
    const givenUp: number[] = [];
    for (let n = 0; n < this.#options.connections; n++) {
      givenUp.push(...this.#plan.drop(`${source.given.id} ${n}`));
    }
    return givenUp;
  }

  /** Keeps a session full of requests until nothing is left for it. */
  async #work(
    source: Source,
    connection: string,
    session: NodeSession,
  ): Promise<void> {
    const { windowBytes, windowRequestCount } = this.#options.limits;
    const flight: Flight = {
      requests: 0,
      bytes: 0,
      receivedBytes: 0,
      reading: new Set(),
      error: null,
    };
    while (!this.#isOver && !source.out) {
      if (flight.error !== null) {
        // What has come whole before that counts.
        await Promise.all(flight.reading);
        throw flight.error;
      }
      // Small at first: a file is not all for whoever answered first.
      const window = Math.min(
        windowBytes,
        FIRST_WINDOW_BYTES + flight.receivedBytes,
      );
      const isLow = flight.requests <= windowRequestCount / 2 &&
        flight.bytes <= window / 2;
      while (
        isLow && flight.requests < windowRequestCount &&
        flight.bytes < window
      ) {
        const task = this.#plan.take(connection, performance.now());
        if (task === undefined) break;
        this.#ask({ source, connection, session, flight }, task);
      }
      // An idle source looks again now and then: others may have become slow.
      const isIdle = flight.requests === 0;
      await (isIdle ? this.#kickedWithin(IDLE_LOOK_MS) : this.#kicked());
    }
  }

  async #kickedWithin(ms: number): Promise<void> {
    const timer = setTimeout(() => this.#kick(), ms);
    await this.#kicked();
    clearTimeout(timer);
  }

  /** Asks for one task; what comes of it is followed in the background. */
  #ask(leg: Leg, task: Task): void {
    const { source, connection, session, flight } = leg;
    const state = this.#files[task.file]!;
    const bytes = bytesOf(state, task);
    const receiver = new TaskReceiver(state, task, {
      slabs: this.#slabs,
      rate: this.#options.rate,
      signal: this.#stop.signal,
      onBytes: (count) => {
        source.bytes += count;
        flight.bytes -= count;
        flight.receivedBytes += count;
        this.#plan.noteBytes(connection, count, performance.now());
      },
    });
    flight.requests++;
    flight.bytes += bytes;
    const { first, count } = task;
    const of = state.file.sources.get(source.given.id) ?? "";
    const reading = session.read({ of, first, count }, receiver).then(
      (refused) => refused && this.#lost(leg, task, refused.text),
      (error) => flight.error ??= error,
    ).then(() => {
      flight.requests--;
      flight.bytes -= bytes - receiver.receivedBytes;
      return this.#accept(leg, task, receiver);
    });
    flight.reading.add(reading);
    this.#track(reading.finally(() => flight.reading.delete(reading)));
  }

  /** A node no longer has what it said it had. */
  #lost({ source, connection }: Leg, task: Task, text: string): void {
    const { id } = source.given;
    this.#plan.removeHolder(task.file, id);
    this.#mayHaveOrphans = true;
    this.#settle(this.#plan.release(connection, task), "undelivered");
    this.#options.onTrouble({
      source: id,
      kind: "lost_file",
      cause: show(text),
      out: false,
      file: task.file,
    });
  }

  /** Verifies what has come for a task, writes it, and tells the plan. */
  async #accept(leg: Leg, task: Task, receiver: TaskReceiver): Promise<void> {
    const slab = receiver.take();
    if (slab === undefined) return;
    const state = this.#files[task.file]!;
    const { claimed } = receiver;
    const length = bytesOf(state, { ...task, count: claimed.length });
    const given = slab.subarray(0, length);
    const { bytes, hashes } = length <= HASHED_AT_ONCE_BYTES
      ? { bytes: given, hashes: hashParts(given, state.pieceBytes) }
      : await this.#options.hasher.hash(given, state.pieceBytes);
    const right = countRight(state, task.first, hashes, claimed);
    const good = { ...task, count: right };
    const isWanted = right > 0 && !state.ended && this.#arrived(leg, good);
    if (!isWanted) this.#slabs.release(bytes);
    else this.#track(this.#write(good, bytes));
    if (right < claimed.length) this.#lied(leg.source, task.file);
  }

  /**
   * Writes pieces that have arrived. The plan knows of them already: a sink that
   * takes pieces in order keeps some waiting, and their source must be free
   * meanwhile to fetch those that they wait for.
   */
  async #write(task: Task, slab: Uint8Array<ArrayBuffer>): Promise<void> {
    const state = this.#files[task.file]!;
    state.writing++;
    try {
      const bytes = slab.subarray(0, bytesOf(state, task));
      await state.file.sink.write(task.first, bytes);
    } finally {
      state.writing--;
      this.#slabs.release(slab);
    }
    const isWhole = this.#plan.isComplete(task.file) && state.writing === 0;
    if (isWhole && !state.ended) this.#track(this.#finish(task.file));
  }

  /** Tells the plan; whether any of the pieces was still wanted. */
  #arrived({ source, connection, session }: Leg, task: Task): boolean {
    const { file } = this.#files[task.file]!;
    let bytes = 0;
    for (let piece = task.first; piece < task.first + task.count; piece++) {
      const arrival = this.#plan.arrived(connection, task.file, piece);
      if (arrival === "wanted") bytes += pieceLength(file.size, piece);
    }
    source.arrivedBytes += bytes;
    this.#kick();
    if (bytes === 0) return false;
    const { path } = session;
    const { id } = source.given;
    this.#options.onBytes({ source: id, path, file: task.file, bytes });
    return true;
  }

  async #finish(index: number): Promise<void> {
    const state = this.#files[index]!;
    if (state.ended) return;
    state.ended = true;
    await state.file.sink.finish();
    this.#endedCount++;
    this.#options.onFinished(index);
  }

  /** A node sent bytes that are not what it vouched for: it is out. */
  #lied(source: Source, file: number): void {
    if (source.out) return;
    const state = this.#files[file]!;
    state.lied = true;
    this.#settle(this.#putOut(source), "corrupt");
    this.#options.onTrouble({
      source: source.given.id,
      kind: "lied",
      cause: `sent bytes of ${
        show(state.file.name)
      } that do not match their hash`,
      out: true,
      file,
    });
  }

  #settle(givenUp: readonly number[], failure: FileFailure): void {
    for (const index of givenUp) this.#giveUp(index, failure);
    this.#kick();
  }

  #giveUp(index: number, failure: FileFailure): void {
    const state = this.#files[index]!;
    if (state.ended) return;
    state.ended = true;
    this.#endedCount++;
    this.#plan.giveUp(index);
    state.file.sink.abandon?.();
    this.#options.onFailed(index, state.lied ? "corrupt" : failure);
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
    for (const [id, source] of this.#sources) {
      source.history.push(source.bytes);
      if (source.history.length <= SLOW_SECONDS) continue;
      const before = source.history.shift()!;
      const rate = (source.bytes - before) / SLOW_SECONDS;
      const isBusy = this.#askedCount(source) > 0;
      if (
        isBusy && !source.out && rate < lowestBytesPerSecond &&
        this.activeCount > 1
      ) {
        this.#settle(this.#putOut(source), "undelivered");
        const cause = `slower than ${lowestBytesPerSecond} bytes a second`;
        this.#options.onTrouble({ source: id, kind: "slow", cause, out: true });
      }
    }
    this.#kick();
  }

  #askedCount({ given }: Source): number {
    let count = 0;
    for (let n = 0; n < this.#options.connections; n++) {
      count += this.#plan.askedCount(`${given.id} ${n}`);
    }
    return count;
  }
}

/** What is under way on one connection. */
interface Flight {
  requests: number;
  bytes: number;
  /** Bytes that have come in all. */
  receivedBytes: number;
  /** Requests that wait for their answer, or whose answer is being verified. */
  readonly reading: Set<Promise<void>>;
  error: unknown;
}

/** One connection to a node. */
interface Leg {
  readonly source: Source;
  readonly connection: string;
  readonly session: NodeSession;
  readonly flight: Flight;
}

function ignore(): void {}

// What a connection is asked for before anything has come over it.
const FIRST_WINDOW_BYTES = 1024 * 1024;
// Between two attempts to reach a source that broke off.
const RETRY_MS = 500;
const RETRY_MAX_MS = 2_000;
const IDLE_LOOK_MS = 250;
const SLOW_SECONDS = 30;

/** Bytes of the pieces of a task. */
function bytesOf(
  { file, pieceBytes }: FileState,
  { first, count }: Task,
): number {
  return Math.min(count * pieceBytes, file.size - first * pieceBytes);
}

/** How many hashes, from the first on, are what they must be. */
function countRight(
  { file, found }: FileState,
  first: number,
  hashes: readonly Uint8Array[],
  claimed: readonly string[],
): number {
  for (const [at, hash] of hashes.entries()) {
    const isRight = file.manifest !== undefined
      ? file.manifest.has(first + at, hash)
      : file.content !== undefined
      ? new Manifest(file.size, hash).contentId === file.content
      : hash.toHex() === claimed[at];
    if (!isRight) return at;
    if (file.manifest === undefined) found.set(hash, (first + at) * HASH_BYTES);
  }
  return hashes.length;
}

/** Takes the pieces of one task into one slab. */
class TaskReceiver implements PieceReceiver {
  readonly #state: FileState;
  readonly #task: Task;
  readonly #options: {
    slabs: SlabPool;
    rate: RateLimit | undefined;
    signal: AbortSignal;
    onBytes: (count: number) => void;
  };
  #slab: Uint8Array<ArrayBuffer> | undefined;
  /** Hashes of the pieces that are whole, as the node gave them. */
  readonly claimed: string[] = [];
  receivedBytes = 0;

  constructor(
    state: FileState,
    task: Task,
    options: {
      slabs: SlabPool;
      rate: RateLimit | undefined;
      signal: AbortSignal;
      onBytes: (count: number) => void;
    },
  ) {
    this.#state = state;
    this.#task = task;
    this.#options = options;
  }

  /** End of the piece that is being filled, in bytes of the slab. */
  get #pieceEnd(): number {
    const count = this.claimed.length + 1;
    return bytesOf(this.#state, { ...this.#task, count });
  }

  async target(length: number): Promise<Uint8Array> {
    const { slabs, rate, signal } = this.#options;
    const room = this.#pieceEnd - this.receivedBytes;
    if (room === 0) throw tooMany(this.#state.file.name);
    this.#slab ??= await slabs.acquire(bytesOf(this.#state, this.#task));
    const most = Math.min(length, room, rate?.stepBytes ?? Infinity);
    const waitMs = rate?.reserve(most, performance.now()) ?? 0;
    if (waitMs > 0) await delay(waitMs, { signal });
    return this.#slab.subarray(this.receivedBytes, this.receivedBytes + most);
  }

  filled(length: number): void {
    this.receivedBytes += length;
    this.#options.onBytes(length);
  }

  piece(_index: number, sha256: string): void {
    if (this.receivedBytes !== this.#pieceEnd) {
      throw new ProtocolError(
        "corrupt_piece",
        `a piece must have ${this.#pieceEnd} bytes, found ${this.receivedBytes}`,
      );
    }
    this.claimed.push(sha256);
  }

  /** The slab, to be released by who takes it; nothing where nothing is whole. */
  take(): Uint8Array<ArrayBuffer> | undefined {
    const slab = this.#slab;
    this.#slab = undefined;
    if (slab !== undefined && this.claimed.length === 0) {
      this.#options.slabs.release(slab);
      return undefined;
    }
    return slab;
  }
}

function tooMany(name: string): ProtocolError {
  return new ProtocolError(
    "corrupt_piece",
    `more bytes of ${show(name)} than a piece has`,
  );
}
