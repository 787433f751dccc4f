/**
 * The folders and files that a node serves. This is the only module that turns a
 * stranger's name into a file. It looks the name up among those that it found
 * itself. `upkeep` and `lone_files` find the files, `file_table` stores them,
 * `opened_file` opens them. A safe name becomes a path only for a look at it, as when the
 * system reports a change.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { isShortage } from "../base/errors.ts";
import type { FileDigest, Stretch } from "./file_table.ts";
import type { Indexable, NameListener } from "./index_marks.ts";
import type { Limits } from "../base/limits.ts";
import { safeName } from "../base/names.ts";
import {
  DiskSpeed,
  type FileOpening,
  type OpenedFile,
  openFile,
  refusalOf,
  type SmallFileOutcome,
} from "./opened_file.ts";
import type { ShareFilter } from "./exclusions.ts";
import { fileOf, type ShareFile } from "./shared_file.ts";
import { holdsOwnSecret, isTrouble } from "./found_entry.ts";
import {
  FolderPath,
  LastFolderPath,
  lookAlone,
  lookOften,
} from "./folder_path.ts";
import { whenRoom } from "../base/shortage.ts";
import { SingleFilesUpkeep } from "./single_files.ts";
import { resolvePaths, type SharedPath } from "./shared_path.ts";
import { FolderUpkeep } from "./upkeep.ts";
import type { ShareListener, Upkeep } from "./upkeep_types.ts";
import {
  addSkipCounts,
  type SkipCounts,
  type SkipEvent,
  skippedCount,
} from "./skipped.ts";
import { within } from "../base/waiting.ts";

// Files of a listing that are read from the table at once.
const SLICE_FILES = 64;
// Rows of one part, for numbers that continue from part to part.
const PART_ROWS = 2 ** 32;

/** Options of {@linkcode Share.open}. */
export interface ShareOptions {
  /** The caller will call `follow`: no change is missed until then. */
  readonly isWatched?: boolean | undefined;
  /** Maximum wait for the first scan; unlimited by default. */
  readonly firstScanMs?: number | undefined;
  /** What is left out; names that begin with a dot by default. */
  readonly filter?: ShareFilter | undefined;
}

/**
 * The files below one folder, or below and among several. Disposing stops
 * following them.
 */
export class Share implements Disposable, AsyncDisposable {
  /** What is shared, as the caller gave it. */
  readonly paths: readonly string[];
  readonly #limits: Limits;
  /** Its parts, in the order of their names: folders, then lone files. */
  readonly #parts: readonly Upkeep[];
  readonly #diskSpeed = new DiskSpeed();
  readonly #ways = new LastFolderPath();

  private constructor(
    paths: readonly string[],
    parts: readonly Upkeep[],
    limits: Limits,
  ) {
    this.paths = paths;
    this.#parts = parts;
    this.#limits = limits;
  }

  /**
   * Scans a folder and all of its sub-folders, or several of them. A scan that
   * takes longer than `firstScanMs` continues in the background; `find` works
   * meanwhile.
   *
   * @throws {Failure} of kind `local` if a path cannot be read, of kind `usage`
   * if two of them clash.
   */
  static async open(
    shared: string | readonly SharedPath[],
    limits: Limits,
    { isWatched = false, firstScanMs, filter = {} }: ShareOptions = {},
  ): Promise<Share> {
    const paths = typeof shared === "string" ? [{ path: shared }] : shared;
    const found = await resolvePaths(paths, limits);
    const files = found.filter((path) => path.kind === "file");
    const parts: Upkeep[] = [];
    const options = {
      ...{ limits, filter },
      isFull: () =>
        parts.reduce((sum, { table }) => sum + table.fileCount, 0) >=
          limits.shareFileCount,
    };
    for (const path of found) {
      if (path.kind === "folder") parts.push(new FolderUpkeep(path, options));
    }
    parts.sort((a, b) => `${a.name}/` < `${b.name}/` ? -1 : 1);
    if (files.length > 0) parts.push(new SingleFilesUpkeep(files, options));
    const share = new Share(paths.map(({ path }) => path), parts, limits);
    // Both may take long in a large folder, or on a slow disk.
    const watches = isWatched ? parts.map((part) => part.startWatch()) : [];
    const scanned = Promise.all(watches).then(() => share.scanned());
    await (firstScanMs === undefined ? scanned : within(scanned, firstScanMs));
    return share;
  }

  /** Whether the first scan is complete. */
  get isScanned(): boolean {
    return this.#parts.every(({ isScanned }) => isScanned);
  }

  /** Resolves when the first scan is complete, or on disposal. */
  async scanned(): Promise<void> {
    const waited = this.#parts.filter(({ isScanned }) => !isScanned);
    await Promise.all(waited.map((part) => part.lookThrough()));
  }

  /** Number of files; during the first scan, of those found so far. */
  get fileCount(): number {
    return this.#there.reduce((sum, { table }) => sum + table.fileCount, 0);
  }

  /** How many entries are not shared, by kind. */
  get skipped(): SkipCounts {
    return addSkipCounts(this.#parts.map(({ skipped }) => skipped.counts));
  }

  /**
   * These entries one by one, in the order of their names, as far as they are
   * kept.
   */
  *skipEvents(): Generator<SkipEvent> {
    const names = this.#parts.flatMap((part) => part.skippedNames())
      .sort((a, b) => a.name < b.name ? -1 : 1)
      .slice(0, this.#limits.skippedNameCount);
    for (const name of names) yield { event: "skipped", ...name };
    const entries = skippedCount(this.skipped) - names.length;
    if (entries > 0) yield { event: "skipped_unnamed", entries };
  }

  /** Leaves out something else from now on. */
  async exclude(filter: ShareFilter): Promise<void> {
    await Promise.all(this.#parts.map((part) => part.exclude(filter)));
  }

  /** Whether all that is shared exists and can be read, now. */
  async isReadable(): Promise<boolean> {
    const parts = this.#parts.map((part) => part.isReadable());
    return (await Promise.all(parts)).every(Boolean);
  }

  /** All files as they were last seen, in the order of their names. */
  *files(): Iterable<ShareFile> {
    for (const files of this.browse("")) yield* files;
  }

  /**
   * Yields files with names that begin with `prefix` and come after `after`, in
   * the order of their names, one slice at a time. Between two slices the
   * caller may give others a turn. Each slice shows the share at its own
   * moment.
   */
  *browse(
    prefix: string,
    after?: string,
  ): Generator<readonly ShareFile[], void> {
    for (let from = after;;) {
      const files = this.stretch({ prefix, after: from, most: SLICE_FILES });
      if (files.length === 0) return;
      yield files;
      from = files.at(-1)!.name;
    }
  }

  /** One slice of {@linkcode browse}. */
  stretch(stretch: Stretch): ShareFile[] {
    const files: ShareFile[] = [];
    for (const { folder, table } of this.#there) {
      const most = folder === null ? stretch.most : stretch.most - files.length;
      if (most > 0) files.push(...table.stretch({ ...stretch, most }));
    }
    // The names of a folder are adjacent; those of single files are between
    // them.
    if (this.#there.length > 1 && this.#there.at(-1)!.folder === null) {
      files.sort((a, b) => a.name < b.name ? -1 : 1);
    }
    return files.slice(0, stretch.most);
  }

  /**
   * Finds a file by name, in its current state. For an unknown name, it looks at
   * the path. Only if the disk may spell the name differently, the folder is
   * scanned again, at a limited rate.
   */
  async find(name: string): Promise<ShareFile | undefined> {
    const verdict = safeName(name);
    if (verdict.kind === "refused") return undefined;
    const part = this.#partOf(verdict.name);
    if (!part?.isThere) return undefined;
    const known = this.named(verdict.name);
    const found = known && await this.#refresh(known);
    if (found !== undefined) return found;
    await part.lookFor(verdict.name);
    const isSpelledOneWay = verdict.name.normalize("NFD") === verdict.name;
    if (!isSpelledOneWay && this.named(verdict.name) === undefined) {
      await part.catchUp();
    }
    return this.named(verdict.name);
  }

  /** The file with this name, as it was last seen. */
  named(name: string): ShareFile | undefined {
    const part = this.#partOf(name);
    return part?.isThere ? part.table.named(name) : undefined;
  }

  /** The file with this version, as it was last seen. */
  versioned(version: string): ShareFile | undefined {
    for (const { table } of this.#there) {
      const file = table.versioned(version);
      if (file !== undefined) return file;
    }
    return undefined;
  }

  /** Whether reading files is quick enough to be done synchronously. */
  get isQuick(): boolean {
    return this.#diskSpeed.isQuick;
  }

  /**
   * Opens a file for reading, if it has not changed.
   *
   * @throws if no file descriptor is free, which is not the file's fault.
   */
  open(file: ShareFile): FileOpening {
    try {
      const opened = this.#openNow(file);
      if (opened.isStill()) return { kind: "opened", opened };
      opened[Symbol.dispose]();
      return { kind: "refused", reason: "changed" };
    } catch (error) {
      if (isShortage(error)) throw error;
      return { kind: "refused", reason: refusalOf(error) };
    }
  }

  /**
   * Reads the whole of a small file with synchronous calls. For 4 KiB they take
   * 25 µs, and asynchronous ones 250. Reads to `target` if there is one, which
   * must have the size of the file.
   *
   * @throws if no file descriptor is free.
   */
  readSmall(
    file: ShareFile,
    target?: Uint8Array<ArrayBuffer>,
  ): SmallFileOutcome {
    try {
      using opened = this.#openNow(file);
      const bytes = target ?? new Uint8Array(file.size);
      // One check is enough, after all of it has been read.
      return opened.readSync(bytes) && opened.isStill()
        ? { kind: "read", bytes }
        : { kind: "refused", reason: "changed" };
    } catch (error) {
      if (isShortage(error)) throw error;
      return { kind: "refused", reason: refusalOf(error) };
    }
  }

  /**
   * Runs `read`, which calls {@linkcode Share.readSmall} for several files
   * without a pause: their folders are looked at once. If this returns `false`,
   * a folder was changed, and nothing that was read may be used.
   */
  readTogether(read: () => void): boolean {
    return this.#ways.together(read);
  }

  /**
   * Follows the share until it is disposed of. Uses the system's reports, and
   * checks every `shareCheckMs` where the path leads. Resolves when the watches
   * have begun.
   */
  async follow(listener: ShareListener): Promise<void> {
    await Promise.all(this.#parts.map((part) => part.follow(listener)));
  }

  /** Files that have not been hashed, and have not failed to hash. */
  get unhashedCount(): number {
    return this.#there.reduce((sum, { table }) => sum + table.unhashedCount, 0);
  }

  /** The next unhashed file, and the number to continue from; start with 0. */
  unhashedFrom(number: number): { file: ShareFile; next: number } | undefined {
    let at = Math.floor(number / PART_ROWS);
    let row = number % PART_ROWS;
    for (; at < this.#parts.length; at++, row = 0) {
      const { isThere, table } = this.#parts[at]!;
      const found = isThere ? table.unhashedFrom(row) : undefined;
      if (found === undefined) continue;
      return { file: found.file, next: at * PART_ROWS + found.next };
    }
    return undefined;
  }

  /** The digest of a file's content, while the file is unchanged. */
  digestOf({ version }: ShareFile): FileDigest | undefined {
    for (const { table } of this.#parts) {
      const digest = table.digestOf(version);
      if (digest !== undefined) return digest;
    }
    return undefined;
  }

  /** Stores the digest of a file's content, if the file is unchanged. */
  learn({ version }: ShareFile, digest: FileDigest): void {
    for (const { table } of this.#parts) table.learn(version, digest);
  }

  /** Notes that a file could not be hashed. */
  giveUp({ version }: ShareFile): void {
    for (const { table } of this.#parts) table.giveUp(version);
  }

  /** Files with a content. Do not continue after the table has changed. */
  *withContent(content: string): Iterable<ShareFile> {
    for (const { table } of this.#there) yield* table.withContent(content);
  }

  /**
   * Reports changes of names and contents from now on, for an index of them;
   * returns its number.
   */
  addIndex(listener: NameListener): number {
    const [number = 0] = this.#parts.map(({ table }) =>
      table.addIndex(listener)
    );
    return number; // the same in each part
  }

  /**
   * Names and contents that an index does not count yet. The caller counts each
   * before it asks for the next.
   */
  *takeUnindexed(index: number): Generator<Indexable, void> {
    for (const { table } of this.#parts) yield* table.takeUnindexed(index);
  }

  /** Lets an index count all of them again. */
  unindexAll(index: number): void {
    for (const { table } of this.#parts) table.unindexAll(index);
  }

  /** The parts that are where they were. */
  get #there(): readonly Upkeep[] {
    return this.#parts.every(({ isThere }) => isThere)
      ? this.#parts
      : this.#parts.filter(({ isThere }) => isThere);
  }

  /** The part that a name belongs to. */
  #partOf(name: string): Upkeep | undefined {
    if (this.#parts.length === 1) return this.#parts[0];
    const [first = ""] = name.split("/", 1);
    const folder = this.#parts.find((part) =>
      part.folder !== null && part.name === first
    );
    return folder ?? this.#parts.find((part) => part.folder === null);
  }

  #openNow(file: ShareFile): OpenedFile {
    return openFile(file, {
      root: this.#partOf(file.name)?.folder ?? null,
      speed: this.#diskSpeed,
      ways: this.#ways,
    });
  }

  /**
   * The current state of `file` on the disk; `undefined` if it no longer
   * exists.
   */
  async #refresh(file: ShareFile): Promise<ShareFile | undefined> {
    let now: ShareFile | undefined;
    try {
      const root = this.#partOf(file.name)?.folder ?? null;
      const way = root && new FolderPath(root, dirname(file.path));
      let info: Deno.FileInfo | undefined = await Deno.lstat(file.path);
      if (root === null) info = lookAlone(file.path);
      else if (!way?.stayed()) info = lookOften(file.path);
      now = info && fileOf(info, file);
    } catch (error) {
      if (isTrouble(error)) return undefined; // it may be back at the next look
      now = undefined; // gone, or no longer accessible
    }
    if (now?.version === file.version) return file;
    if (now !== undefined && await this.#isSecret(now)) now = undefined;
    const table = this.#partOf(file.name)?.table;
    if (now !== undefined) table?.put(now);
    else table?.delete(file.name);
    return now;
  }

  /**
   * Whether a file must not be shared. A file that cannot be read now does not
   * count.
   */
  async #isSecret(file: ShareFile): Promise<boolean> {
    const { acceptPauseMs: pauseMs, shortageMs: mostMs } = this.#limits;
    try {
      return await whenRoom(() => holdsOwnSecret(file), { pauseMs, mostMs });
    } catch (error) {
      if (isShortage(error)) return true;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    for (const part of this.#parts) part.stop();
  }

  /** Stops following the share, and waits for work in progress. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#parts.map((part) => part[Symbol.asyncDispose]()));
  }
}
