/**
 * Runs the download of a `get`: opens files as room allows, receives them, and
 * reports the outcome of each.
 *
 * @module
 */

import { Failure } from "../base/errors.ts";
import { Turns } from "../base/turns.ts";
import { pieceLength } from "../content/manifest.ts";
import { Download } from "../transfer/download.ts";
import type {
  DownloadOptions,
  FileFailure,
} from "../transfer/download_options.ts";
import type { Task } from "../transfer/plan_types.ts";
import type { DownloadFile } from "../transfer/receiving.ts";
import type { DownloadSource, SourceTrouble } from "../transfer/source.ts";
import { prefetched } from "./prefetch.ts";
import type { Deliveries } from "./deliveries.ts";
import {
  type Cause,
  claimsFalsely,
  givenUp,
  isChanged,
  NotDescribed,
} from "./failures.ts";
import { type Job, wholeOf } from "./jobs.ts";
import type { SaveReport } from "./save_report.ts";
import { isFolderMissing } from "../disk/places.ts";
import type { Swarming } from "./swarming.ts";
import type { Ahead, Targets } from "./targets.ts";

/** Options of {@linkcode SaveRun}: those of its download, and what it serves. */
export interface SaveRunOptions extends
  Omit<
    DownloadOptions,
    "signal" | "onBytes" | "onSaved" | "onFinished" | "onFailed"
  > {
  /** Stops everything when aborted; is aborted when everything has ended. */
  readonly stop: AbortController;
  /** Aborted by the person, or with `stop`. */
  readonly signal: AbortSignal;
  /** Where files go. */
  readonly targets: Targets;
  /** Called with the results of files. */
  readonly outcomes: SaveReport;
  /** Finds what to fetch in place of a changed file, or why nothing. */
  readonly again: (job: Job) => Promise<Job | Failure>;
  /** Whether a content is not worth fetching; `otherwise` is asked at once. */
  readonly isDisbelieved: (job: Job) => boolean;
  /**
   * Finds what to fetch in place of a content that is not the requested one.
   */
  readonly otherwise: (job: Job) => Promise<Job | Failure>;
  /** Finds what to fetch in place of an undelivered content, or why nothing. */
  readonly besides: (job: Job, failure: Failure) => Promise<Job | Failure>;
  /** The same file from further nodes, if these have it. */
  readonly elsewhere: (job: Job) => Promise<Job | undefined>;
  /** The name of a node, for people. */
  readonly nodeName: (id: string) => string;
  /** Exchanges files with other clients. */
  readonly swarming?: Swarming | undefined;
}

/** A file that the download knows, by its index there. */
interface Incoming {
  readonly job: Job;
  readonly deliveries: Deliveries;
  /** The number of pieces that existed already. */
  readonly have: number;
  /** Why nodes do not send it, by their ids. */
  refusals?: Map<string, SourceTrouble>;
}

/** A file, and what was done for it ahead of its turn. */
interface Prepared extends Ahead {
  readonly job: Job;
}

// Most large files that are open or being checked for existing pieces.
const OPEN_LARGE_FILES = 3;
const PROGRESS_MS = 100;

/** Saves files. Nodes that answer late may join it. */
export class SaveRun {
  readonly #options: SaveRunOptions;
  readonly #download: Download;
  /** Files that have not ended, by their index. */
  readonly #incoming = new Map<number, Incoming>();
  /** The index of each file in the download. */
  readonly #files = new Map<Job, number>();
  /** The last failure of each node. */
  readonly #troubles = new Map<string, SourceTrouble>();
  /** Files to fetch instead of changed or wrong ones. */
  readonly #changed: Job[] = [];
  /** Files that have ended, and whose partial files are being closed. */
  readonly #ending = new Set<Promise<void>>();
  #wake = () => {};

  /** Nothing is received before {@linkcode run}. */
  constructor(options: SaveRunOptions) {
    this.#options = options;
    this.#download = new Download({
      ...options,
      sharesSlabs: true, // with the worker that hashes or saves
      onBytes: (arrived) => {
        this.#incoming.get(arrived.file)?.deliveries.add(arrived);
        const { source, path, bytes } = arrived;
        const isHolder = options.swarming?.metOf(source) !== undefined;
        options.outcomes.tally.add(path, bytes, { isHolder });
      },
      onFinished: (file) => this.#received(file),
      onSaved: (task) => this.#saved(task),
      onFailed: (file, failure, nowhere) =>
        this.#end(this.#undelivered(file, { failure, nowhere })),
      onTrouble: (trouble) => {
        this.#note(trouble);
        options.onTrouble(trouble);
      },
    });
  }

  /** Adds a source, which it disposes of. */
  addSource(source: DownloadSource): void {
    this.#download.addSource(source);
  }

  /** Adds a node that has a file too; `of` is what to request from it. */
  addHolder(job: Job, node: string, of: string): void {
    job.sources.set(node, of);
    const file = this.#files.get(job);
    if (file !== undefined) this.#download.addHolder(file, node, of);
  }

  /**
   * Receives all files. Nodes are asked for the next batch when the files of
   * the previous one are open. Rejects when the disk fails, and with the
   * signal's reason.
   */
  async run(batches: AsyncIterable<readonly Job[]>): Promise<void> {
    const { stop, targets, outcomes } = this.#options;
    const download = this.#download;
    const emit = () =>
      outcomes.reportProgress({
        nodes: download.activeCount - download.activeHolderCount,
        holders: download.activeHolderCount,
      });
    const clock = setInterval(emit, PROGRESS_MS);
    download.closeSources();
    const opening = this.#openAll(batches).finally(() => download.close());
    const receiving = download.run();
    try {
      await Promise.all([receiving, opening]);
    } finally {
      clearInterval(clock);
      stop.abort(new Error("ended"));
      this.#wake();
      // The result is known. Pieces that have arrived are still being written.
      await Promise.allSettled([opening, receiving]);
      await Promise.all(this.#ending);
      await targets[Symbol.asyncDispose]();
    }
    emit();
  }

  /**
   * Opens one file after another, with a limit on large ones; then the files
   * that are fetched in place of others, until none is left.
   */
  async #openAll(batches: AsyncIterable<readonly Job[]>): Promise<void> {
    const { stop, limits } = this.#options;
    const turns = new Turns(limits.turnMs);
    const change = () => new Promise<void>((resolve) => this.#wake = resolve);
    for await (const jobs of batches) {
      for (const { job, ...ahead } of this.#preparedAhead(jobs)) {
        while (!this.#hasRoom && !stop.signal.aborted) {
          await change();
          turns.restart();
        }
        if (stop.signal.aborted) return;
        await this.#open(job, ahead);
        // Existing files are checked without a turn of the event loop.
        if (turns.isOver) await turns.give();
      }
    }
    while (!stop.signal.aborted) {
      const job = this.#changed.shift();
      if (job !== undefined) await this.#open(job);
      else if (this.#incoming.size === 0) return;
      else await change();
    }
  }

  /**
   * Looks at some files, and requests the manifests of fewer, before it is
   * their turn.
   */
  #preparedAhead(jobs: readonly Job[]): Generator<Prepared, void> {
    const { targets, limits } = this.#options;
    const { requestedAheadCount, lookedAheadCount } = limits;
    const looks = prefetched(jobs, lookedAheadCount, (listed) => {
      const looked = targets.lookAhead(listed);
      return { listed, looked };
    });
    return prefetched(looks, requestedAheadCount, ({ listed, looked }) => {
      const job = wholeOf(listed);
      const asked = targets.askAhead(job);
      asked?.catch(() => {}); // reported when it is its turn
      return { job, looked, asked };
    });
  }

  /** Whether another file may be opened: each that waits takes memory. */
  get #hasRoom(): boolean {
    const { limits, targets } = this.#options;
    return targets.openCount < OPEN_LARGE_FILES &&
      this.#incoming.size < limits.plannedFileCount;
  }

  async #open(job: Job, ahead?: Ahead): Promise<void> {
    const { signal, targets, outcomes } = this.#options;
    const { isDisbelieved, again, otherwise, besides } = this.#options;
    try {
      if (isDisbelieved(job)) {
        await this.#fetchInstead(job, otherwise);
        return;
      }
      const file = await targets.open(job, ahead);
      if (file === undefined) return;
      const have = file.have?.length ?? 0;
      const deliveries = outcomes.deliveriesOf(job.name);
      const index = this.#download.addFile(file);
      this.#incoming.set(index, { job, deliveries, have });
      this.#files.set(job, index);
      if (file.rarest) this.#join(file);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (!(error instanceof Failure)) throw error;
      if (isFolderMissing(error)) throw error;
      await targets.release(job.name);
      const { cause } = error;
      const instead = !(cause instanceof NotDescribed)
        ? () => Promise.resolve(error)
        : cause.isChanged
        ? again
        : () => besides(job, error);
      await this.#fetchInstead(job, instead);
    }
  }

  /** Exchanges a file with other clients. */
  #join({ name, manifest, sources, have = [] }: DownloadFile): void {
    if (manifest === undefined) return;
    this.#options.swarming?.join({
      ...{ name, manifest, have, sources },
      openToRead: () => this.#options.targets.openToRead(name),
      onSource: (source) => this.#download.addSource(source),
    });
  }

  #saved({ file, ...run }: Task): void {
    const content = this.#incoming.get(file)?.job.group.content;
    if (content !== undefined) this.#options.swarming?.saved(content, run);
  }

  /** Ends the exchange of a file that is wrong or cannot be delivered. */
  #leave({ group: { content } }: Job): void {
    if (content !== undefined) this.#options.swarming?.leave(content);
  }

  /** Waits for the end of a file, which makes room for another. */
  #end(ending: Promise<void> | undefined): void {
    if (ending === undefined) return this.#wake();
    const ended = ending.finally(() => {
      this.#ending.delete(ended);
      this.#wake();
    });
    this.#ending.add(ended);
  }

  #received(file: number): void {
    const { outcomes, targets } = this.#options;
    const { job } = this.#incoming.get(file)!;
    if (targets.isMistaken(job)) return this.#end(this.#mistaken(file, job));
    const hashes = this.#download.hashesOf(file);
    // Another program may have created a file at this path.
    if (!outcomes.failed.has(job.name) && !targets.isSavedByOther(job)) {
      outcomes.receive(job, hashes);
    }
    this.#forget(file, job);
    this.#end(targets.release(job.name));
  }

  /** Drops the notes about a file that has ended. */
  #forget(file: number, job: Job, { isAgain = false } = {}): void {
    this.#incoming.delete(file);
    this.#files.delete(job);
    this.#download.forget(file);
    if (!isAgain) this.#options.outcomes.forget(job.name);
  }

  /**
   * Handles a content that nodes wrongly claimed to be the requested one: fetches
   * another.
   */
  async #mistaken(file: number, job: Job): Promise<void> {
    const { onTrouble, otherwise, targets } = this.#options;
    this.#leave(job);
    await targets.release(job.name);
    for (const { node: source, sha256 } of job.group.offers) {
      if (sha256 === undefined) continue;
      const cause = claimsFalsely(job.name);
      onTrouble({ source, kind: "lied", cause, out: false, file });
    }
    let isAgain = false;
    try {
      isAgain = await this.#fetchInstead(job, otherwise);
    } finally {
      this.#forget(file, job, { isAgain });
    }
  }

  async #undelivered(
    file: number,
    { failure, nowhere }: { failure: FileFailure; nowhere: readonly number[] },
  ): Promise<void> {
    const { targets, besides } = this.#options;
    this.#leave(this.#incoming.get(file)!.job);
    const { job, deliveries, have, refusals = new Map() } = this.#incoming
      .get(file)!;
    const { name, group: { size } } = job;
    await targets.release(name);
    let isAgain = false;
    try {
      if (failure !== "corrupt" && [...refusals.values()].some(isChanged)) {
        isAgain = await this.#fetchInstead(job, this.#options.again);
        return;
      }
      const bytes = deliveries.total + have * pieceLength(size, 0);
      const part = Math.min(1, bytes / Math.max(1, size));
      const causes = this.#causesOf(job, refusals);
      const why = givenUp(name, { failure, part, causes, nowhere });
      isAgain = await this.#fetchInstead(job, () => besides(job, why));
    } finally {
      this.#forget(file, job, { isAgain });
    }
  }

  /**
   * Fetches what `instead` returns in place of a file; if that is a failure,
   * the file from further nodes. Returns whether there is any.
   */
  async #fetchInstead(
    job: Job,
    instead: SaveRunOptions["again"],
  ): Promise<boolean> {
    const { outcomes, stop, targets } = this.#options;
    const found = await instead(job);
    const next = found instanceof Failure && found.kind !== "local"
      ? await this.#elsewhere(job) ?? found
      : found;
    if (next instanceof Failure) outcomes.fail(job.name, next, job);
    if (next instanceof Failure || stop.signal.aborted) return false;
    outcomes.restart(job, next, {
      isStarted: this.#files.has(job),
      isLost: targets.isMistaken(job),
    });
    this.#changed.push(next);
    return true;
  }

  async #elsewhere(job: Job): Promise<Job | undefined> {
    try {
      return await this.#options.elsewhere(job);
    } catch (error) {
      if (error instanceof Failure) return undefined; // the relay is gone
      throw error;
    }
  }

  #note(trouble: SourceTrouble): void {
    const { file, source } = trouble;
    if (file === undefined) {
      this.#troubles.set(source, trouble);
      return;
    }
    const incoming = this.#incoming.get(file);
    if (incoming === undefined) return;
    incoming.refusals ??= new Map();
    incoming.refusals.set(source, trouble);
  }

  /** Why each node that has a file does not deliver it, as far as is known. */
  #causesOf(
    { sources }: Job,
    refusals: ReadonlyMap<string, SourceTrouble>,
  ): Cause[] {
    return [...sources.keys()].flatMap((id) => {
      // A failure of another client is normal, and not reported.
      if (this.#options.swarming?.metOf(id) !== undefined) return [];
      const trouble = refusals.get(id) ?? this.#troubles.get(id);
      const node = this.#options.nodeName(id);
      return trouble
        ? [{ node, cause: trouble.cause, code: trouble.code }]
        : [];
    });
  }
}
