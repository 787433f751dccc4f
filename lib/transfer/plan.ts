/**
 * Decides which source is asked for which pieces, across all files of one
 * fetch: which pieces are missing, requested, slow or lost. Pure: time is an
 * argument, and it knows nothing of files or sockets.
 *
 * Files are processed in the order they were added, a bounded number at a time.
 * Pieces of one file are assigned from the front. An idle source takes over
 * pieces that were requested from a much slower one.
 *
 * @module
 */

import { IndexQueue } from "./index_queue.ts";
import { Pace } from "./pace.ts";
import { Pieces } from "./pieces.ts";
import type {
  Arrival,
  LongTasks,
  PlannedFile,
  PlanOptions,
  Task,
} from "./plan_types.ts";

interface FileProgress {
  readonly index: number;
  readonly planned: PlannedFile;
  readonly holders: Set<string>;
  readonly pieces: Pieces;
  phase: "waiting" | "open";
}

/** What a holder can be asked for: files with missing pieces, by their phase. */
interface Queues {
  readonly open: IndexQueue;
  readonly waiting: IndexQueue;
}

interface AskedPiece {
  readonly file: number;
  readonly piece: number;
  readonly bytes: number;
}

interface PlannedSource {
  readonly holder: string;
  readonly longTasks: LongTasks | undefined;
  readonly asked: Map<number, AskedPiece>;
  readonly pace: Pace;
  out: boolean;
}

// A file has at most 65,536 pieces, so this numbers all of them.
const PIECES = 65_536;

function keyOf(file: number, piece: number): number {
  return file * PIECES + piece;
}

/** The plan of one fetch. */
export class Plan {
  readonly #options: PlanOptions;
  /** Files that have not ended, by index. */
  readonly #files = new Map<number, FileProgress>();
  /** Pieces that a file lacked when it was added, or ended, by index. */
  readonly #left: number[] = [];
  readonly #queues = new Map<string, Queues>();
  readonly #sources = new Map<string, PlannedSource>();
  /** The holder of each failure, by piece. */
  readonly #failed = new Map<number, string[]>();
  #openCount = 0;
  #stepCount = 0;

  /** A plan without files and sources. */
  constructor(options: PlanOptions) {
    this.#options = options;
  }

  /** Adds a file; returns its index. */
  addFile(planned: PlannedFile): number {
    const { pieceCount: count, have, lookahead } = planned;
    const pieces = new Pieces({ count, have, lookahead });
    const index = this.#left.push(pieces.left) - 1;
    if (pieces.left === 0) return index;
    const holders = new Set(planned.holders);
    const file: FileProgress = {
      index,
      planned,
      holders,
      pieces,
      phase: "waiting",
    };
    this.#files.set(index, file);
    this.#requeue(file);
    return index;
  }

  /** Files, sources and pieces that have been looked at so far. */
  get stepCount(): number {
    return this.#stepCount;
  }

  /**
   * Adds a source: one connection to a holder. A holder may be several sources;
   * one that is out stays so. `longTasks` allows tasks of more pieces.
   */
  addSource(
    id: string,
    holder: string,
    now: number,
    longTasks?: LongTasks,
  ): void {
    if (this.#sources.has(id)) return;
    this.#sources.set(id, {
      holder,
      longTasks,
      asked: new Map(),
      pace: new Pace(this.#waitedMs(id, now)),
      out: false,
    });
  }

  #waitedMs(source: string, now: number): number {
    return this.#options.waitedMs?.(source, now) ?? now;
  }

  /** Says that a holder has a file as well. */
  addHolder(file: number, holder: string): void {
    const state = this.#files.get(file);
    if (state === undefined) return;
    state.holders.add(holder);
    this.#queuesOf(holder)[state.phase].push(file);
  }

  /** Whether every file is complete or given up. */
  get isDone(): boolean {
    return this.#files.size === 0;
  }

  /** Whether a file has all its pieces. */
  isComplete(file: number): boolean {
    return this.#left[file] === 0;
  }

  /** Pieces a source has been asked for and has not delivered. */
  askedCount(source: string): number {
    return this.#sources.get(source)?.asked.size ?? 0;
  }

  /** Whether a source takes part no more. */
  isOut(source: string): boolean {
    return this.#sources.get(source)?.out ?? true;
  }

  /**
   * Something to ask `source` for; `undefined` where there is nothing for it
   * right now. What others were asked for is looked at only where `mayTakeOver`.
   */
  take(source: string, now: number, mayTakeOver = true): Task | undefined {
    const state = this.#sources.get(source);
    if (state === undefined || state.out) return undefined;
    const task = this.#missingTask(state) ??
      (mayTakeOver ? this.#takeOver(source, state, now) : undefined);
    if (task === undefined) return undefined;
    const file = this.#files.get(task.file)!;
    const wasWaiting = file.phase === "waiting";
    if (wasWaiting) {
      file.phase = "open";
      this.#openCount++;
    }
    // It was idle until now.
    if (state.asked.size === 0) state.pace.begin(this.#waitedMs(source, now));
    for (let piece = task.first; piece < task.first + task.count; piece++) {
      file.pieces.ask(piece);
      const bytes = file.planned.pieceBytes;
      const asked = { file: task.file, piece, bytes };
      state.asked.set(keyOf(task.file, piece), asked);
    }
    if (wasWaiting && file.pieces.firstMissing(1)) this.#requeue(file);
    return task;
  }

  /** The first run of missing pieces of the first file that its holder has. */
  #missingTask(source: PlannedSource): Task | undefined {
    const queues = this.#queues.get(source.holder);
    if (queues === undefined) return undefined;
    for (;;) {
      this.#stepCount++;
      const phase = this.#firstPhase(queues);
      const index = queues[phase].first;
      if (index === undefined) return undefined;
      const task = this.#files.get(index)?.phase === phase
        ? this.#missingOf(index, source)
        : undefined;
      if (task !== undefined) return task;
      queues[phase].shift(); // it comes again when there is something to ask for
    }
  }

  /** Where the first file is: those that wait are left while enough are open. */
  #firstPhase({ open, waiting }: Queues): "open" | "waiting" {
    const isFull = this.#openCount >= this.#options.openFileCount;
    if (isFull || waiting.first === undefined) return "open";
    return open.first !== undefined && open.first < waiting.first
      ? "open"
      : "waiting";
  }

  /** Has all holders of a file look at it again. */
  #requeue({ index, holders, phase }: FileProgress): void {
    for (const holder of holders) this.#queuesOf(holder)[phase].push(index);
  }

  #queuesOf(holder: string): Queues {
    let queues = this.#queues.get(holder);
    if (queues === undefined) {
      queues = { open: new IndexQueue(), waiting: new IndexQueue() };
      this.#queues.set(holder, queues);
    }
    return queues;
  }

  /** The first run of missing pieces of a file, if the source has it. */
  #missingOf(index: number, source: PlannedSource): Task | undefined {
    const file = this.#files.get(index);
    if (!file?.holders.has(source.holder)) return undefined;
    const run = file.pieces.firstMissing(piecesOf(file.planned, source));
    return run && { file: index, ...run };
  }

  /**
   * A piece of the source that will need longest for what it was asked for, if
   * this one would be done much earlier.
   */
  #takeOver(id: string, thief: PlannedSource, now: number): Task | undefined {
    if (thief.asked.size > 0) return undefined; // it has work
    let best: { task: Task; gainMs: number } | undefined;
    for (const [otherId, victim] of this.#sources) {
      if (otherId === id || victim.out) continue;
      const waitedMs = this.#waitedMs(otherId, now);
      // A node that moves brings each byte once: another connection of it would
      // only take its rate from the first.
      const isHelp = thief.holder !== victim.holder ||
        victim.pace.silentMs(waitedMs) >= this.#options.connectionQuietMs;
      if (!isHelp) continue;
      const last = this.#takeable(thief.holder, victim);
      if (last === undefined) continue;
      const pieceBytes = last.bytes;
      const rate = thief.pace.rateFor(pieceBytes);
      const thiefMs = rate > 0 ? pieceBytes / rate : 0;
      const gainMs = this.#remainingMs(victim, waitedMs) - thiefMs;
      if (gainMs >= this.#options.takeOverMs && gainMs > (best?.gainMs ?? 0)) {
        best = {
          task: { file: last.file, first: last.piece, count: 1 },
          gainMs,
        };
      }
    }
    return best?.task;
  }

  /** How long a source will take to deliver all it was asked for. */
  #remainingMs(source: PlannedSource, waitedMs: number): number {
    let bytes = 0;
    let pieceBytes = Infinity;
    for (const asked of source.asked.values()) {
      this.#stepCount++;
      pieceBytes = asked.bytes;
      bytes += pieceBytes;
    }
    return source.pace.msFor(bytes, pieceBytes, waitedMs);
  }

  /**
   * The piece that is best taken from `victim`: the last it was asked for; of a
   * file consumed in order the first, for others wait on it.
   */
  #takeable(thief: string, victim: PlannedSource): AskedPiece | undefined {
    let last: AskedPiece | undefined;
    for (const asked of victim.asked.values()) {
      this.#stepCount++;
      const file = this.#files.get(asked.file);
      if (!file?.pieces.isAsked(asked.piece)) continue;
      if (!file.holders.has(thief)) continue;
      // Another connection of a slow node is no help while there is another.
      if (thief === victim.holder && this.#hasOther(file, thief)) continue;
      if (this.#askedElsewhere(asked, victim)) continue;
      if (file.planned.lookahead !== undefined) return asked;
      last = asked;
    }
    return last;
  }

  /** Whether a source of another holder takes part that has a file. */
  #hasOther({ holders }: FileProgress, holder: string): boolean {
    for (const other of this.#sources.values()) {
      this.#stepCount++;
      if (other.out || other.holder === holder) continue;
      if (holders.has(other.holder)) return true;
    }
    return false;
  }

  #askedElsewhere(asked: AskedPiece, except: PlannedSource): boolean {
    const key = keyOf(asked.file, asked.piece);
    for (const source of this.#sources.values()) {
      this.#stepCount++;
      if (source !== except && source.asked.has(key)) return true;
    }
    return false;
  }

  /** Notes bytes that arrived, for the rate of their source. */
  noteBytes(source: string, bytes: number, now: number): void {
    this.#sources.get(source)?.pace.note(bytes, this.#waitedMs(source, now));
  }

  /** Notes that a piece has arrived and is right. */
  arrived(source: string, file: number, piece: number): Arrival {
    const key = keyOf(file, piece);
    const asked = this.#sources.get(source)?.asked.delete(key) ?? false;
    if (!asked) return "unasked";
    const state = this.#files.get(file);
    if (!state?.pieces.arrive(piece)) return "duplicate";
    if (state.pieces.left === 0) this.#end(state);
    return "wanted";
  }

  /** Notes that a file consumed in order has been consumed up to `piece`. */
  consumed(file: number, piece: number): void {
    const state = this.#files.get(file);
    state?.pieces.consume(piece);
    if (state?.pieces.firstMissing(1)) this.#requeue(state);
  }

  /**
   * Takes back what a source was asked for and will not deliver; a failure of
   * each of the pieces, unless the source is of use all the same.
   *
   * @returns the files that are given up because of it.
   */
  release(source: string, only?: Task, isFailure = true): number[] {
    const state = this.#sources.get(source);
    if (state === undefined) return [];
    const givenUp = new Set<number>();
    for (const [key, asked] of [...state.asked]) {
      if (only !== undefined && !includes(only, asked)) continue;
      state.asked.delete(key);
      if (this.#giveBack(key, asked, { from: state, isFailure })) {
        givenUp.add(asked.file);
      }
    }
    return [...givenUp];
  }

  /** Puts a piece back among the missing; whether its file is given up. */
  #giveBack(
    key: number,
    asked: AskedPiece,
    { from, isFailure }: { from: PlannedSource; isFailure: boolean },
  ): boolean {
    const file = this.#files.get(asked.file);
    if (!file?.pieces.isAsked(asked.piece)) return false;
    const failed = this.#failed.get(key) ?? [];
    if (isFailure) this.#failed.set(key, [...failed, from.holder]);
    if (this.#askedElsewhere(asked, from)) return false;
    file.pieces.giveBack(asked.piece);
    this.#requeue(file);
    if (!this.#isHopeless(key, file)) return false;
    this.#end(file);
    return true;
  }

  /** Whether a piece failed so often, and with all that are left to ask. */
  #isHopeless(key: number, { holders }: FileProgress): boolean {
    const failed = this.#failed.get(key) ?? [];
    return failed.length >= this.#options.pieceFailureCount &&
      this.#alive().intersection(holders).isSubsetOf(new Set(failed));
  }

  /** Puts a source out; what it was asked for is taken back. */
  drop(source: string): number[] {
    const state = this.#sources.get(source);
    if (state !== undefined) state.out = true;
    return this.release(source);
  }

  /** Takes a file from a holder, which turned out not to have it. */
  removeHolder(file: number, holder: string): void {
    this.#files.get(file)?.holders.delete(holder);
  }

  /** Gives a file up: nothing more of it is asked for. */
  giveUp(file: number): void {
    const state = this.#files.get(file);
    if (state !== undefined) this.#end(state);
  }

  /** Files that no source can deliver any more. */
  orphans(): number[] {
    const alive = this.#alive();
    return [...this.#files.values()]
      .filter(({ holders }) => alive.isDisjointFrom(holders))
      .map(({ index }) => index);
  }

  /** Holders that have not been put out. */
  #alive(): Set<string> {
    const sources = [...this.#sources.values()];
    return new Set(sources.flatMap(({ out, holder }) => out ? [] : [holder]));
  }

  #end(file: FileProgress): void {
    if (file.phase === "open") this.#openCount--;
    this.#left[file.index] = file.pieces.left;
    this.#files.delete(file.index);
  }
}

/** Pieces in one task of a source. */
function piecesOf(
  { pieceBytes, taskPieces }: PlannedFile,
  { longTasks, pace }: PlannedSource,
): number {
  if (longTasks === undefined) return taskPieces;
  const { mostBytes, mostMs } = longTasks;
  const bytes = Math.min(mostBytes, pace.rateFor(pieceBytes) * mostMs);
  return Math.max(taskPieces, Math.floor(bytes / pieceBytes));
}

function includes(task: Task, { file, piece }: AskedPiece): boolean {
  return file === task.file && piece >= task.first &&
    piece < task.first + task.count;
}
