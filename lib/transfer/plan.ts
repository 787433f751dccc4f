/**
 * Decides which pieces are requested from which source, across all files of one
 * fetch: which pieces are missing, requested, slow or lost. Pure: time is an
 * argument, and it knows nothing of files or sockets.
 *
 * Files are processed in the order they were added, a bounded number at a time.
 * Pieces of one file are assigned from the front, or the rarest first. An idle
 * source takes over pieces that were requested from a much slower one.
 *
 * Rarest first is for a file that many clients fetch together. Its holders may
 * have only some of the pieces: {@linkcode Plan.holderHas} and
 * {@linkcode Plan.holderGained} report which.
 *
 * @module
 */

import { LIMITS, type Limits } from "../base/limits.ts";
import type { PieceRun } from "../content/piece_set.ts";
import { HolderQueues, type PhaseQueues } from "./holder_queues.ts";
import { Pace } from "./pace.ts";
import { Pieces } from "./pieces.ts";
import {
  type FileProgress,
  includes,
  keyOf,
  piecesOf,
  type PlannedSource,
  type RequestedPiece,
} from "./plan_state.ts";
import type {
  Arrival,
  LongTasks,
  PlannedFile,
  PlanOptions,
  Task,
} from "./plan_types.ts";
import { type HeldPieces, RarestPieces } from "./rarest_pieces.ts";
import { SwarmWindow } from "./swarm_window.ts";
import {
  inEndgame,
  isRequestedElsewhere,
  type PlannedPieces,
  takeOver,
} from "./take_over.ts";

/** The plan of one fetch. */
export class Plan {
  readonly #options: PlanOptions;
  readonly #swarm: Limits;
  /** Files that have not ended, by index. */
  readonly #files = new Map<number, FileProgress>();
  /** Pieces that a file lacked when it was added, or ended, by index. */
  readonly #left: number[] = [];
  readonly #queues = new HolderQueues();
  readonly #sources = new Map<string, PlannedSource>();
  /** The holder of each failure, by piece. */
  readonly #failed = new Map<number, string[]>();
  #openCount = 0;
  #stepCount = 0;

  /** A plan without files and sources. */
  constructor(options: PlanOptions) {
    this.#options = options;
    this.#swarm = options.swarm ?? LIMITS;
  }

  /** Adds a file; returns its index. */
  addFile(planned: PlannedFile): number {
    const { pieceCount: count, lookahead, rarest: order } = planned;
    const have = planned.have && [...planned.have];
    const rarest = order && new RarestPieces({
      ...{ count, have, lookahead },
      ...order,
    });
    const pieces = rarest ?? new Pieces({ count, have, lookahead });
    const index = this.#left.push(pieces.left) - 1;
    if (pieces.left === 0) return index;
    const holders = new Set(planned.holders);
    for (const holder of holders) rarest?.holds(holder, "complete");
    const file: FileProgress = {
      index,
      planned,
      holders,
      pieces,
      rarest,
      phase: "waiting",
    };
    this.#files.set(index, file);
    this.#queues.add(file);
    return index;
  }

  /** Files, sources and pieces that have been looked at so far. */
  get stepCount(): number {
    return this.#stepCount;
  }

  /**
   * Adds a source: one connection to a holder. A holder may be several sources;
   * an excluded one stays excluded. `longTasks` allows tasks of more pieces.
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
      requested: new Map(),
      swarmRequested: new Set(),
      window: new SwarmWindow(this.#swarm),
      pace: new Pace(this.#waitedMs(id, now)),
      out: false,
    });
  }

  #waitedMs(source: string, now: number): number {
    return this.#options.waitedMs?.(source, now) ?? now;
  }

  /** Notes that a holder has all of a file. */
  addHolder(file: number, holder: string): void {
    this.holderHas(file, holder, "complete");
  }

  /** Replaces the set of pieces that a holder has of a file. */
  holderHas(file: number, holder: string, has: HeldPieces): void {
    const state = this.#files.get(file);
    if (state === undefined) return;
    state.holders.add(holder);
    state.rarest?.holds(holder, has);
    this.#queues.add(state, [holder]);
  }

  /** Notes gained pieces of a holder. Returns whether any can be requested. */
  holderGained(
    file: number,
    holder: string,
    runs: Iterable<PieceRun>,
  ): boolean {
    const state = this.#files.get(file);
    if (!state?.rarest?.gained(holder, runs)) return false;
    state.holders.add(holder);
    this.#queues.add(state, [holder]);
    return true;
  }

  /** Notes that a holder does not have pieces that it seemed to have. */
  holderLacks(file: number, holder: string, run: PieceRun): void {
    this.#files.get(file)?.rarest?.lacks(holder, run);
  }

  /** Missing pieces of a file that no source has. */
  nowhere(file: number): number[] {
    return this.#files.get(file)?.rarest?.nowhere(this.#alive()) ?? [];
  }

  /** Whether every file is complete or given up. */
  get isDone(): boolean {
    return this.#files.size === 0;
  }

  /** Whether a file has all its pieces. */
  isComplete(file: number): boolean {
    return this.#left[file] === 0;
  }

  /** Pieces requested from a source that it has not delivered. */
  askedCount(source: string): number {
    return this.#sources.get(source)?.requested.size ?? 0;
  }

  /** Whether a source is excluded. */
  isOut(source: string): boolean {
    return this.#sources.get(source)?.out ?? true;
  }

  /**
   * Pieces to request from `source`; `undefined` if there are none now. Pieces
   * that were requested from others are considered only with `mayTakeOver`.
   */
  take(source: string, now: number, mayTakeOver = true): Task | undefined {
    const state = this.#sources.get(source);
    if (state === undefined || state.out) return undefined;
    const task = this.#firstTask(state) ??
      (mayTakeOver ? this.#second(source, state, now) : undefined);
    if (task === undefined) return undefined;
    const file = this.#files.get(task.file)!;
    const wasWaiting = file.phase === "waiting";
    if (wasWaiting) {
      file.phase = "open";
      this.#openCount++;
    }
    const at = this.#waitedMs(source, now);
    // It was idle until now.
    if (state.requested.size === 0) state.pace.begin(at);
    for (let piece = task.first; piece < task.first + task.count; piece++) {
      file.pieces.request(piece);
      const bytes = file.planned.pieceBytes;
      const key = keyOf(task.file, piece);
      state.requested.set(key, { file: task.file, piece, bytes, at });
      if (file.rarest) state.swarmRequested.add(key);
    }
    if (wasWaiting && file.pieces.firstMissing(1)) this.#queues.add(file);
    return task;
  }

  /** Missing pieces of a file that its holder has. */
  #firstTask(source: PlannedSource): Task | undefined {
    const queues = this.#queues.of(source.holder);
    if (queues === undefined) return undefined;
    // A full window keeps the source for files that go from the front.
    return (this.#roomOf(source) > 0
      ? this.#missingTask(source, queues.rarest)
      : undefined) ?? this.#missingTask(source, queues.front);
  }

  /** Pieces of a swarm that may be requested from a source in addition. */
  #roomOf({ window, swarmRequested }: PlannedSource): number {
    return window.pieceCount - swarmRequested.size;
  }

  /** The first run of missing pieces of the first file that its holder has. */
  #missingTask(source: PlannedSource, queues: PhaseQueues): Task | undefined {
    for (;;) {
      this.#stepCount++;
      const phase = queues.firstPhase(
        this.#openCount < this.#options.openFileCount,
      );
      const index = queues[phase].first;
      if (index === undefined) return undefined;
      const task = this.#files.get(index)?.phase === phase
        ? this.#missingOf(index, source)
        : undefined;
      if (task !== undefined) return task;
      queues[phase].shift(); // it comes again when there is something to ask for
    }
  }

  /** The first run of missing pieces of a file, if the source has it. */
  #missingOf(index: number, source: PlannedSource): Task | undefined {
    const file = this.#files.get(index);
    if (!file?.holders.has(source.holder)) return undefined;
    const run = file.rarest
      ? file.rarest.nextOf(source.holder, {
        most: this.#runOf(file.rarest, file, source),
        isQuick: source.window.isWide,
      })
      : file.pieces.firstMissing(piecesOf(file.planned, source));
    return run && { file: index, ...run };
  }

  /** The sources in which to look for pieces requested from others. */
  get #all(): PlannedPieces {
    return {
      files: this.#files,
      sources: this.#sources,
      options: this.#options,
      step: () => this.#stepCount++,
    };
  }

  /** Pieces of a swarm in one task: several of a complete holder alone. */
  #runOf(
    rarest: RarestPieces,
    { planned: { taskPieces } }: FileProgress,
    source: PlannedSource,
  ): number {
    if (!rarest.isSeed(source.holder)) return 1;
    const { swarmRunPieceCount } = this.#swarm;
    return Math.min(swarmRunPieceCount, taskPieces, this.#roomOf(source));
  }

  /** Pieces to request from `source` that were also requested from others. */
  #second(
    id: string,
    source: PlannedSource,
    now: number,
  ): Task | undefined {
    return inEndgame(this.#all, source, this.#roomOf(source)) ??
      takeOver(this.#all, { id, thief: source, now });
  }

  /** Notes bytes that arrived, for the rate of their source. */
  noteBytes(source: string, bytes: number, now: number): void {
    this.#sources.get(source)?.pace.note(bytes, this.#waitedMs(source, now));
  }

  /**
   * Notes that a piece has arrived and is right. Files in a swarm need `now`, to
   * measure the source.
   */
  arrived(source: string, file: number, piece: number, now?: number): Arrival {
    const key = keyOf(file, piece);
    const from = this.#sources.get(source);
    const requested = from?.requested.get(key);
    if (from === undefined || requested === undefined) return "unsolicited";
    from.requested.delete(key);
    if (from.swarmRequested.delete(key) && now !== undefined) {
      const isAlone = this.#files.get(file)?.rarest?.isAlone;
      from.window.arrived(this.#waitedMs(source, now) - requested.at, isAlone);
    }
    const state = this.#files.get(file);
    if (!state?.pieces.arrive(piece)) return "duplicate";
    if (state.pieces.left === 0) this.#end(state);
    return "wanted";
  }

  /** Notes that a file consumed in order has been consumed up to `piece`. */
  consumed(file: number, piece: number): void {
    const state = this.#files.get(file);
    state?.pieces.consume(piece);
    if (state?.pieces.firstMissing(1)) this.#queues.add(state);
  }

  /**
   * Takes back the pieces that a source will not deliver. Counts a failure of
   * each, unless the source is still useful.
   *
   * @returns the files that are given up because of it.
   */
  release(source: string, only?: Task, isFailure = true): number[] {
    const state = this.#sources.get(source);
    if (state === undefined) return [];
    const givenUp = new Set<number>();
    for (const [key, requested] of [...state.requested]) {
      if (only !== undefined && !includes(only, requested)) continue;
      state.requested.delete(key);
      state.swarmRequested.delete(key);
      if (this.#giveBack(key, requested, { from: state, isFailure })) {
        givenUp.add(requested.file);
      }
    }
    return [...givenUp];
  }

  /** Notes that a piece is missing again. Returns whether its file fails. */
  #giveBack(
    key: number,
    requested: RequestedPiece,
    { from, isFailure }: { from: PlannedSource; isFailure: boolean },
  ): boolean {
    const file = this.#files.get(requested.file);
    if (!file?.pieces.isRequested(requested.piece)) return false;
    const failed = this.#failed.get(key) ?? [];
    if (isFailure) this.#failed.set(key, [...failed, from.holder]);
    if (isRequestedElsewhere(this.#all, requested, from)) return false;
    file.pieces.giveBack(requested.piece);
    this.#queues.add(file);
    if (!this.#isHopeless(key, file)) return false;
    this.#end(file);
    return true;
  }

  /** Whether a piece failed too often, and with every holder that is left. */
  #isHopeless(key: number, { holders }: FileProgress): boolean {
    const failed = this.#failed.get(key) ?? [];
    return failed.length >= this.#options.pieceFailureCount &&
      this.#alive().intersection(holders).isSubsetOf(new Set(failed));
  }

  /** Excludes a source. Pieces requested from it become missing again. */
  drop(source: string): number[] {
    const state = this.#sources.get(source);
    if (state === undefined) return [];
    state.out = true;
    if (!this.#alive().has(state.holder)) {
      for (const { rarest } of this.#files.values()) {
        if (!rarest?.isSeed(state.holder)) rarest?.forget(state.holder);
      }
    }
    return this.release(source);
  }

  /** Forgets an excluded source. */
  removeSource(source: string): void {
    this.drop(source);
    this.#sources.delete(source);
  }

  /** Takes a file from a holder, which turned out not to have it. */
  removeHolder(file: number, holder: string): void {
    const state = this.#files.get(file);
    state?.holders.delete(holder);
    state?.rarest?.forget(holder);
  }

  /** Gives a file up: nothing more of it is requested. */
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

  /** Holders that are not excluded. */
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
