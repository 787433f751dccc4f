/**
 * Keeps the table of a shared folder up to date. It scans the folder, follows
 * the system's reports, and notices within seconds that the folder is missing,
 * replaced, or back. The table survives this, and unchanged files keep their
 * digests.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import { describeCause } from "../base/errors.ts";
import { Exclusions, IGNORE_FILE, type ShareFilter } from "./exclusions.ts";
import { RiskyNames } from "./risky_names.ts";
import { FileTable } from "./file_table.ts";
import { FolderWatch } from "./folder_watch.ts";
import type { Limits } from "../base/limits.ts";
import { type FolderIdentity, isSameFolder, lookAtRoot } from "./root.ts";
import {
  forgetElsewhere,
  forgetUnseen,
  lookAtName,
  lookAtPath,
  lookAtRules,
  walkFolder,
} from "./scan.ts";
import type { NamedPath, Scan } from "./found_entry.ts";
import type {
  ShareEvent,
  ShareListener,
  Upkeep,
  UpkeepOptions,
} from "./upkeep_types.ts";
import { ruleOf, Skipped, type SkippedName } from "./skipped.ts";
import type { SharedFolder } from "./shared_path.ts";
import { hasMoreEntries } from "./folder_entries.ts";
import { watchBeside, watchHere } from "./watch_source.ts";
import { Turns } from "../base/turns.ts";

const SEPARATOR = Deno.build.os === "windows" ? "\\" : "/";
const REPLACED = "it was replaced by another folder";

/** Keeps the files of one folder up to date. */
export class FolderUpkeep implements Upkeep {
  readonly name: string;
  readonly table = new FileTable(SEPARATOR);
  readonly #given: string;
  readonly #limits: Limits;
  readonly #isFull: () => boolean;
  readonly #exclusions: Exclusions;
  readonly #risks = new RiskyNames();
  #folder: FolderIdentity;
  /** Whether the scanned folder is still at the path. */
  #isThere = true;
  #skipped: Skipped;
  #watch: FolderWatch | null = null;
  /** A watch that is about to begin, unless it is stopped before. */
  #watchStart: { ended: Promise<void>; isWanted: boolean } | null = null;
  #watchEnding: Promise<void> = Promise.resolve();
  /** Why there is no watch; reported once there is a listener. */
  #unwatchedWhy: string | undefined;
  #listener: ShareListener | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;
  readonly #closing = new AbortController();
  /** When the last full scan ended, and how long it took. */
  #lookedAt = -Infinity;
  #lookMs = 0;
  #isLookWanted = false;
  /** Whether an unknown name was requested since the last scan, or it failed. */
  #isMissed = false;
  #looking: Promise<void> | null = null;
  /** Aborted to restart the running scan. */
  #restart = new AbortController();
  #checking: Promise<void> | null = null;
  #returning: Promise<void> | null = null;

  constructor(
    { name, given, folder }: SharedFolder,
    { limits, filter, isFull }: UpkeepOptions,
  ) {
    this.name = name;
    this.#given = given;
    this.#folder = folder;
    this.#limits = limits;
    this.#isFull = isFull;
    this.#exclusions = new Exclusions(filter, { name, root: folder.path });
    this.#skipped = new Skipped(limits.skippedNameCount);
  }

  /** Whether the folder is at the path, as far as is known. */
  get isThere(): boolean {
    return this.#isThere;
  }

  /** The folder that was scanned. */
  get folder(): FolderIdentity {
    return this.#folder;
  }

  /** The entries that are not shared. */
  get skipped(): Skipped {
    return this.#skipped;
  }

  /** The first entries that are not shared, in the order of their names. */
  skippedNames(): SkippedName[] {
    const names = Array.from(this.#skipped.entries(), (entry) => ({
      name: this.#placeOf(entry.path)?.name ?? (this.name || "."),
      kind: entry.kind,
      rule: ruleOf(entry),
    }));
    return names.sort((a, b) => a.name < b.name ? -1 : 1);
  }

  /** Whether the folder is at the path, checked now. */
  async isReadable(): Promise<boolean> {
    await this.#checkRoot();
    return this.#isThere;
  }

  /**
   * Starts the watch, so that no later change is missed. Changes are reported
   * once there is a listener. For a large folder the watch starts in a worker,
   * and then the scan starts again.
   */
  startWatch(): Promise<void> {
    if (this.#watchStart !== null) return this.#watchStart.ended;
    if (this.#watch !== null) return Promise.resolve();
    const start = { ended: Promise.resolve(), isWanted: true };
    this.#watchStart = start;
    return start.ended = this.#startNow(() => start.isWanted)
      .finally(() => this.#watchStart = null);
  }

  async #startNow(isWanted: () => boolean): Promise<void> {
    const { path } = this.#folder;
    const { watchedHereCount: most, turnMs } = this.#limits;
    try {
      const isLarge = await hasMoreEntries(path, { most, turnMs });
      if (!isWanted()) return;
      const source = isLarge ? watchBeside(path) : watchHere(path);
      const watch = new FolderWatch(path, source, this.#limits);
      this.#watch = watch;
      if (isLarge) watch.ready.then(() => this.#watchBegan(watch), () => {});
    } catch (error) {
      this.#unwatched(error);
    }
  }

  /** Scans again: entries that were seen before the watch may have changed. */
  #watchBegan(watch: FolderWatch): void {
    if (this.#watch !== watch) return;
    if (this.#looking !== null) return this.#restart.abort();
    void this.lookThrough().then(() => this.#changed());
  }

  /**
   * Follows the folder until disposed of. Uses the system's reports, and checks
   * every `shareCheckMs` where the path leads. Resolves when the watch has begun.
   */
  async follow(listener: ShareListener): Promise<void> {
    this.#listener = listener;
    if (this.isScanned) this.#reportRisks();
    const { shareCheckMs } = this.#limits;
    this.#timer = setInterval(() => void this.#check(), shareCheckMs);
    const why = this.#unwatchedWhy;
    if (why !== undefined) this.#reportUnwatched(why);
    else if (this.#watch === null) await this.#watchAnew();
    else this.#followWatch();
  }

  /**
   * Brings the table up to date before an answer that there is no such file. A
   * watch is trusted, but a folder on the network is still scanned now and
   * then, because changes by other machines are not reported.
   */
  async catchUp(): Promise<void> {
    if (this.#isWatched) {
      await new Turns(0).give(); // handle pending reports of the system first
      await this.#watch?.flush();
    }
    // Nobody waits for the first scan, which may take minutes.
    if (this.isScanned && this.#isRested(this.#pauseMs)) {
      await this.lookThrough();
    }
  }

  /**
   * Looks for one file at the path that its name gives, at once, whatever the size
   * of the share. The rest of the folder follows with the next scan.
   */
  async lookFor(name: string): Promise<void> {
    this.#isMissed = true;
    const below = name.split("/").slice(this.name === "" ? 0 : 1);
    if (below.length === 0) return;
    const path = join(this.#folder.path, ...below);
    await lookAtName({ name, path }, this.#scan);
  }

  /** Starts a new watch, and scans: something may have changed before it. */
  async #watchAnew(): Promise<void> {
    await this.startWatch();
    if (this.#closing.signal.aborted) return;
    this.#followWatch();
    this.#lookSoon();
  }

  get #pauseMs(): number {
    const { rescanPauseMs, rescanWatchedMs } = this.#limits;
    return this.#isWatched ? rescanWatchedMs : rescanPauseMs;
  }

  /** Whether the system reports changes. */
  get #isWatched(): boolean {
    return this.#watch?.isReady ?? false;
  }

  /** Whether the first scan is complete. */
  get isScanned(): boolean {
    return this.#lookedAt > -Infinity;
  }

  /** Scans everything, once for all callers during the scan. */
  lookThrough(): Promise<void> {
    return this.#looking ??= this.#lookNow()
      .finally(() => this.#looking = null);
  }

  async #lookNow(): Promise<void> {
    const startedAt = performance.now();
    let scan: Scan;
    do {
      this.#isLookWanted = false;
      this.#isMissed = false;
      this.table.beginLook();
      this.#skipped = new Skipped(this.#limits.skippedNameCount);
      this.#restart = new AbortController();
      const ends = [this.#closing.signal, this.#restart.signal];
      scan = { ...this.#scan, signal: AbortSignal.any(ends) };
      await walkFolder({ name: this.name, path: this.#folder.path }, scan);
      if (this.#closing.signal.aborted) return;
    } while (this.#restart.signal.aborted);
    await forgetUnseen(scan);
    this.#skipped.complete();
    this.#reportRisks();
    this.#lookedAt = performance.now();
    this.#lookMs = this.#lookedAt - startedAt;
  }

  get #scan(): Scan {
    return {
      root: this.#folder,
      table: this.table,
      skipped: this.#skipped,
      exclusions: this.#exclusions,
      risks: this.#risks,
      limits: this.#limits,
      onTrouble: () => this.#isMissed = true,
      isFull: this.#isFull,
      signal: this.#closing.signal,
    };
  }

  /** Whether full scans have taken recently only a small part of the time. */
  #isRested(pauseMs: number): boolean {
    const { rescanPercent } = this.#limits;
    const rest = this.#lookMs * (100 / rescanPercent - 1);
    const age = performance.now() - this.#lookedAt;
    return age >= Math.max(pauseMs, rest);
  }

  /** Scans everything as soon as the last full scan is long enough ago. */
  #lookSoon(): void {
    this.#isLookWanted = true;
    void this.#lookIfDue();
  }

  async #lookIfDue(): Promise<void> {
    if (!this.#isThere || this.#looking !== null) return;
    const isDue = this.#isLookWanted || !this.#isWatched
      ? this.#isRested(this.#limits.rescanPauseMs)
      : this.#isMissed && this.#isRested(this.#pauseMs);
    if (!isDue) return;
    await this.lookThrough();
    this.#changed();
  }

  async #check(): Promise<void> {
    await this.#checkRoot();
    await this.#lookIfDue();
  }

  /** Checks where the path leads. One check at a time, also if a disk hangs. */
  #checkRoot(): Promise<void> {
    return this.#checking ??= this.#checkRootNow()
      .finally(() => this.#checking = null);
  }

  async #checkRootNow(): Promise<void> {
    const state = await lookAtRoot(this.#given);
    if (this.#closing.signal.aborted) return;
    if (state.kind === "not_seen") return; // unknown until the next check
    if (state.kind === "gone") return this.#leave(state.why);
    if (!isSameFolder(state.identity, this.#folder)) this.#leave(REPLACED);
    if (this.#isThere) return;
    this.#returning ??= this.#return(state.identity)
      .finally(() => this.#returning = null);
  }

  #leave(why: string): void {
    if (!this.#isThere) return;
    const files = this.table.fileCount;
    this.#isThere = false;
    void this.#stopWatch();
    const directory = this.#given;
    this.#emit({ event: "share_gone", directory, files, why });
    this.#changed();
  }

  async #return(folder: FolderIdentity): Promise<void> {
    await this.#looking; // that scan began in another folder
    await this.#watchEnding;
    if (this.#closing.signal.aborted) return;
    this.#folder = folder;
    this.#exclusions.moveTo(folder.path);
    await forgetElsewhere(this.name, this.#scan);
    if (this.#listener !== null) {
      await this.startWatch();
      this.#followWatch();
    }
    await this.lookThrough();
    if (this.#closing.signal.aborted) return;
    this.#isThere = true;
    const [directory, files] = [this.#given, this.table.fileCount];
    this.#emit({ event: "share_back", directory, files });
    this.#changed();
  }

  #followWatch(): void {
    this.#watch?.follow({
      changed: (paths) => this.#lookAt(paths),
      overflowed: () => this.#lookSoon(),
      moved: () => void this.#rootMoved(),
      lost: (error) => {
        void this.#stopWatch();
        this.#unwatched(error);
      },
    });
  }

  /**
   * Ending one of two watches of a folder would end both, so the next watch
   * waits for this.
   */
  #stopWatch(): Promise<void> {
    const [watch, start] = [this.#watch, this.#watchStart];
    this.#watch = null;
    watch?.close();
    if (start !== null) start.isWanted = false;
    const ends = [start?.ended, watch?.[Symbol.asyncDispose]()];
    return this.#watchEnding = Promise.all([this.#watchEnding, ...ends])
      .then(() => {});
  }

  #unwatched(error: unknown): void {
    this.#reportUnwatched(this.#unwatchedWhy = describeCause(error));
  }

  #reportUnwatched(why: string): void {
    this.#emit({ event: "share_unwatched", directory: this.#given, why });
  }

  /** The folder was moved. It may be back already, and is no longer watched. */
  async #rootMoved(): Promise<void> {
    await this.#checkRoot();
    if (!this.#isThere) return;
    await this.#stopWatch();
    if (!this.#isThere || this.#closing.signal.aborted) return;
    await this.#watchAnew();
  }

  /** Brings the table up to date with the current state of some paths. */
  async #lookAt(paths: readonly string[]): Promise<void> {
    const turns = new Turns(this.#limits.turnMs);
    for (const path of paths) {
      const place = this.#placeOf(path);
      if (place !== undefined) await this.#lookAtOne(place);
      if (this.#closing.signal.aborted) return;
      if (turns.isOver) await turns.give();
    }
    this.#changed();
  }

  async #lookAtOne(place: NamedPath): Promise<void> {
    if (!place.path.endsWith(`${SEPARATOR}${IGNORE_FILE}`)) {
      return await lookAtPath(place, this.#scan);
    }
    this.#exclusions.changed();
    const path = dirname(place.path);
    const parent = this.#placeOf(path) ?? { name: this.name, path };
    await lookAtRules(parent, this.#scan);
  }

  async exclude(filter: ShareFilter): Promise<void> {
    this.#exclusions.change(filter);
    await this.#looking; // that scan may have passed changed entries already
    await this.lookThrough();
    this.#changed();
  }

  /**
   * The name and path of an entry below the folder, as they are on the disk.
   */
  #placeOf(path: string): NamedPath | undefined {
    const { path: root } = this.#folder;
    const prefix = root.endsWith(SEPARATOR) ? root : root + SEPARATOR;
    if (!path.startsWith(prefix)) return undefined;
    const below = path.slice(prefix.length).replaceAll(SEPARATOR, "/");
    return { name: this.name === "" ? below : `${this.name}/${below}`, path };
  }

  #changed(): void {
    this.#reportRisks();
    this.#listener?.onChange();
  }

  #reportRisks(): void {
    if (this.#listener === null) return;
    const finds = this.#risks.take();
    if (finds !== undefined) this.#emit({ event: "share_risky", ...finds });
  }

  #emit(event: ShareEvent): void {
    this.#listener?.onEvent?.(event);
  }

  /** Stops all work. */
  stop(): void {
    this.#closing.abort();
    clearInterval(this.#timer);
    void this.#stopWatch();
  }

  /** Stops all work, and waits for its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await this.#checking;
    await Promise.all([this.#returning, this.#looking, this.#watchEnding]);
  }
}
