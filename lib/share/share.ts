/**
 * The folder that a node serves. This is the only module that turns a
 * stranger's name into a file. It looks the name up among those that it found
 * itself. `upkeep` finds the files, `file_table` stores them, `opened_file`
 * opens them. A safe name becomes a path only for a look at it, as when the
 * system reports a change.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import {
  describeCause,
  Failure,
  isShortage,
  localKindOf,
} from "../base/errors.ts";
import type { FileDigest, FileTable, Stretch } from "./file_table.ts";
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
import { grantRemedy, requireAccess } from "../base/permission.ts";
import { fileOf, type ShareFile } from "./shared_file.ts";
import { folderIdentity } from "./root.ts";
import { holdsOwnSecret } from "./scan.ts";
import { LastWay, lookOften, Way } from "./way.ts";
import { whenRoom } from "../base/shortage.ts";
import { type ShareListener, ShareUpkeep } from "./upkeep.ts";
import { type SkipCounts, type SkipEvent, skippedCount } from "./skipped.ts";
import { show } from "../base/text.ts";
import { within } from "../base/waiting.ts";

// Files of a listing that are read from the table at once.
const SLICE_FILES = 64;

/** Options of {@linkcode Share.open}. */
export interface ShareOptions {
  /** The caller will call `follow`: no change is missed meanwhile. */
  readonly isWatched?: boolean | undefined;
  /** Maximum wait for the first scan; unlimited by default. */
  readonly firstScanMs?: number | undefined;
}

/** The files below one folder. Disposing stops following it. */
export class Share implements Disposable, AsyncDisposable {
  /** The folder, as the caller gave it. */
  readonly root: string;
  readonly #limits: Limits;
  readonly #upkeep: ShareUpkeep;
  readonly #table: FileTable;
  readonly #pace = new DiskSpeed();
  readonly #ways = new LastWay();

  private constructor(root: string, upkeep: ShareUpkeep, limits: Limits) {
    this.root = root;
    this.#upkeep = upkeep;
    this.#table = upkeep.table;
    this.#limits = limits;
  }

  /**
   * Scans `root` and all of its sub-folders. A scan that takes longer than
   * `firstScanMs` continues in the background; `find` works meanwhile.
   *
   * @throws {Failure} of kind `local` if it is not a folder or cannot be read.
   */
  static async open(
    root: string,
    limits: Limits,
    { isWatched = false, firstScanMs }: ShareOptions = {},
  ): Promise<Share> {
    let real = root;
    try {
      requireAccess(root, "read");
      real = await Deno.realPath(root);
      const folder = await folderIdentity(root);
      const upkeep = new ShareUpkeep(root, folder, limits);
      if (isWatched) upkeep.startWatch();
      const scanned = upkeep.lookThrough();
      await (firstScanMs === undefined
        ? scanned
        : within(scanned, firstScanMs));
      return new Share(root, upkeep, limits);
    } catch (error) {
      throw new Failure(localKindOf(error), {
        what: "Cannot share folder",
        where: show(root),
        why: describeCause(error),
        remedy: error instanceof Deno.errors.NotCapable
          ? grantRemedy([root, real], "read")
          : "name a folder that exists and can be read",
        cause: error,
      });
    }
  }

  /** Whether the first scan is complete. */
  get isScanned(): boolean {
    return this.#upkeep.isScanned;
  }

  /** Resolves when the first scan is complete, or on disposal. */
  async scanned(): Promise<void> {
    if (!this.isScanned) await this.#upkeep.lookThrough();
  }

  /** Number of files; during the first scan, of those found so far. */
  get fileCount(): number {
    return this.#upkeep.isThere ? this.#table.fileCount : 0;
  }

  /** How many entries of the folder are not shared, by kind. */
  get skipped(): SkipCounts {
    return this.#upkeep.skipped.counts;
  }

  /**
   * These entries one by one, in the order of their names, as far as they are
   * kept.
   */
  *skipEvents(): Generator<SkipEvent> {
    const names = this.#upkeep.skippedNames();
    for (const name of names) yield { event: "skipped", ...name };
    const entries = skippedCount(this.skipped) - names.length;
    if (entries > 0) yield { event: "skipped_unnamed", entries };
  }

  /** Whether the folder exists and can be read, now. */
  isReadable(): Promise<boolean> {
    return this.#upkeep.seesFolder();
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
    return this.#upkeep.isThere ? this.#table.stretch(stretch) : [];
  }

  /**
   * Finds a file by name, in its current state. For an unknown name, it looks at
   * the path. Only if the disk may spell the name differently, the folder is
   * scanned again, at a limited rate.
   */
  async find(name: string): Promise<ShareFile | undefined> {
    const verdict = safeName(name);
    if (verdict.kind === "refused" || !this.#upkeep.isThere) return undefined;
    const known = this.named(verdict.name);
    const found = known && await this.#refresh(known);
    if (found !== undefined) return found;
    await this.#upkeep.lookFor(verdict.name);
    const isSpelledOneWay = verdict.name.normalize("NFD") === verdict.name;
    if (!isSpelledOneWay && this.named(verdict.name) === undefined) {
      await this.#upkeep.catchUp();
    }
    return this.named(verdict.name);
  }

  /** The file with this name, as it was last seen. */
  named(name: string): ShareFile | undefined {
    return this.#upkeep.isThere ? this.#table.named(name) : undefined;
  }

  /** The file with this version, as it was last seen. */
  versioned(version: string): ShareFile | undefined {
    return this.#upkeep.isThere ? this.#table.versioned(version) : undefined;
  }

  /** Whether reading files is quick enough to be done synchronously. */
  get isQuick(): boolean {
    return this.#pace.isQuick;
  }

  /**
   * Opens a file for reading, if it has not changed.
   *
   * @throws if no file descriptor is free, which says nothing about the file.
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
   * 25 µs, where asynchronous ones take 250.
   *
   * @throws if no file descriptor is free.
   */
  readSmall(file: ShareFile): SmallFileOutcome {
    try {
      using opened = this.#openNow(file);
      const bytes = new Uint8Array(file.size);
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
   * Follows the share until it is disposed of. Uses the system's reports, and
   * checks every `shareCheckMs` where the path leads.
   */
  follow(listener: ShareListener): void {
    this.#upkeep.follow(listener);
  }

  /** Files that have not been hashed, and have not failed to hash. */
  get unhashedCount(): number {
    return this.#upkeep.isThere ? this.#table.unhashedCount : 0;
  }

  /** The next unhashed file, and the number to continue from; start with 0. */
  unhashedFrom(number: number): { file: ShareFile; next: number } | undefined {
    return this.#upkeep.isThere ? this.#table.unhashedFrom(number) : undefined;
  }

  /** The digest of a file's content, while the file is unchanged. */
  digestOf({ version }: ShareFile): FileDigest | undefined {
    return this.#table.digestOf(version);
  }

  /** Stores the digest of a file's content, if the file is unchanged. */
  learn({ version }: ShareFile, digest: FileDigest): void {
    this.#table.learn(version, digest);
  }

  /** Notes that a file could not be hashed. */
  giveUp({ version }: ShareFile): void {
    this.#table.giveUp(version);
  }

  /** Files with a content. Do not continue after the table has changed. */
  withContent(content: string): Iterable<ShareFile> {
    return this.#upkeep.isThere ? this.#table.withContent(content) : [];
  }

  #openNow(file: ShareFile): OpenedFile {
    return openFile(file, {
      root: this.#upkeep.folder,
      pace: this.#pace,
      ways: this.#ways,
    });
  }

  /** The current state of `file` on the disk; `undefined` if it is gone. */
  async #refresh(file: ShareFile): Promise<ShareFile | undefined> {
    let now: ShareFile | undefined;
    try {
      const way = new Way(this.#upkeep.folder, dirname(file.path));
      let info: Deno.FileInfo | undefined = await Deno.lstat(file.path);
      if (!way.stayed()) info = lookOften(file.path);
      now = info && fileOf(info, file);
    } catch {
      now = undefined; // gone, or no longer accessible
    }
    if (now?.version === file.version) return file;
    if (now !== undefined && await this.#isSecret(now)) now = undefined;
    if (now !== undefined) this.#table.put(now);
    else this.#table.delete(file.name);
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
    this.#upkeep.stop();
  }

  /** Stops following the share, and waits for work in progress. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#upkeep[Symbol.asyncDispose]();
  }
}
