/**
 * The folder a node serves. The only module that turns a stranger's name into a
 * file, and it does so by looking the name up among those it found itself,
 * never by joining a path. `upkeep` finds them, `file_table` keeps them,
 * `opened_file` opens them.
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
import { lookOften, Way } from "./way.ts";
import { whenRoom } from "../base/shortage.ts";
import { type ShareListener, ShareUpkeep } from "./upkeep.ts";
import { type SkipCounts, type SkipEvent, skippedCount } from "./skipped.ts";
import { show } from "../base/text.ts";

// Files of a listing that are taken from the table at once.
const SLICE_FILES = 64;

/** Options of {@linkcode Share.open}. */
export interface ShareOptions {
  /** It is going to be followed: nothing is missed that happens meanwhile. */
  readonly isWatched?: boolean | undefined;
}

/** The files below one folder. Disposing stops following it. */
export class Share implements Disposable, AsyncDisposable {
  /** The folder, as it was given. */
  readonly root: string;
  readonly #limits: Limits;
  readonly #upkeep: ShareUpkeep;
  readonly #table: FileTable;
  readonly #pace = new DiskSpeed();

  private constructor(root: string, upkeep: ShareUpkeep, limits: Limits) {
    this.root = root;
    this.#upkeep = upkeep;
    this.#table = upkeep.table;
    this.#limits = limits;
  }

  /**
   * Looks through `root` and all its sub-folders.
   *
   * @throws {Failure} of kind `local` when it is no folder or cannot be read.
   */
  static async open(
    root: string,
    limits: Limits,
    { isWatched = false }: ShareOptions = {},
  ): Promise<Share> {
    let real = root;
    try {
      requireAccess(root, "read");
      real = await Deno.realPath(root);
      const folder = await folderIdentity(root);
      const upkeep = new ShareUpkeep(root, folder, limits);
      if (isWatched) upkeep.startWatch();
      await upkeep.lookThrough();
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

  /** Number of files. */
  get fileCount(): number {
    return this.#upkeep.isThere ? this.#table.fileCount : 0;
  }

  /** What lies in the folder and is not shared. */
  get skipped(): SkipCounts {
    return this.#upkeep.skipped.counts;
  }

  /** The same entry by entry, in the order of their names; not all are named. */
  *skipEvents(): Generator<SkipEvent> {
    const names = this.#upkeep.skippedNames();
    for (const name of names) yield { event: "skipped", ...name };
    const entries = skippedCount(this.skipped) - names.length;
    if (entries > 0) yield { event: "skipped_unnamed", entries };
  }

  /** Whether the folder is there and can be read, now. */
  isReadable(): Promise<boolean> {
    return this.#upkeep.seesFolder();
  }

  /** All files as they were last seen, in the order of their names. */
  *files(): Iterable<ShareFile> {
    for (const files of this.browse("")) yield* files;
  }

  /**
   * Files whose names begin with `prefix` and come after `after`, in the order
   * of their names, a slice at a time: between two slices the caller may let
   * others have their turn. Each is as the share is at its moment, whatever has
   * changed since the last.
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
   * The file of that name as it is now. What is not known is not there where the
   * system tells what changes; else the folder is looked through again, though
   * seldom.
   */
  async find(name: string): Promise<ShareFile | undefined> {
    const verdict = safeName(name);
    if (verdict.kind === "refused" || !this.#upkeep.isThere) return undefined;
    const known = this.named(verdict.name);
    const found = known && await this.#refresh(known);
    if (found !== undefined) return found;
    await this.#upkeep.catchUp();
    return this.named(verdict.name);
  }

  /** The file of that name as it was last seen. */
  named(name: string): ShareFile | undefined {
    return this.#upkeep.isThere ? this.#table.named(name) : undefined;
  }

  /** The file that had this version when it was last looked at. */
  versioned(version: string): ShareFile | undefined {
    return this.#upkeep.isThere ? this.#table.versioned(version) : undefined;
  }

  /** Whether files can be read at once, without making others wait. */
  get isQuick(): boolean {
    return this.#pace.isQuick;
  }

  /**
   * Opens a file for reading if it still is what it was.
   *
   * @throws where no file descriptor is left, which says nothing of the file.
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
   * The whole of a small file, read at once with synchronous calls: for 4 KiB
   * they take 25 µs where asynchronous ones take 250.
   *
   * @throws where no file descriptor is left.
   */
  readSmall(file: ShareFile): SmallFileOutcome {
    try {
      using opened = this.#openNow(file);
      const bytes = new Uint8Array(file.size);
      // What it is need be asked only once, after all of it has been read.
      return opened.readSync(bytes) && opened.isStill()
        ? { kind: "read", bytes }
        : { kind: "refused", reason: "changed" };
    } catch (error) {
      if (isShortage(error)) throw error;
      return { kind: "refused", reason: refusalOf(error) };
    }
  }

  /**
   * Follows the share until it is disposed of: by what the system tells, and by
   * looking where its path leads every `shareCheckMs`.
   */
  follow(listener: ShareListener): void {
    this.#upkeep.follow(listener);
  }

  /** Files that nobody has tried to hash. */
  get unhashedCount(): number {
    return this.#upkeep.isThere ? this.#table.unhashedCount : 0;
  }

  /**
   * The next file that nobody has tried to hash, and the number to go on from;
   * 0 is the beginning.
   */
  unhashedFrom(number: number): { file: ShareFile; next: number } | undefined {
    return this.#upkeep.isThere ? this.#table.unhashedFrom(number) : undefined;
  }

  /** What is known of a file's content, while it is in the share as it was. */
  digestOf({ version }: ShareFile): FileDigest | undefined {
    return this.#table.digestOf(version);
  }

  /** Keeps what was found of a file's content, while it is as it was. */
  learn({ version }: ShareFile, digest: FileDigest): void {
    this.#table.learn(version, digest);
  }

  /** A file could not be hashed: it counts as tried. */
  giveUp({ version }: ShareFile): void {
    this.#table.giveUp(version);
  }

  /** Files with a content; not to be gone on with once something has changed. */
  withContent(content: string): Iterable<ShareFile> {
    return this.#upkeep.isThere ? this.#table.withContent(content) : [];
  }

  #openNow(file: ShareFile): OpenedFile {
    return openFile(file, { root: this.#upkeep.folder, pace: this.#pace });
  }

  /** What the disk says of `file` now; `undefined` once it is gone. */
  async #refresh(file: ShareFile): Promise<ShareFile | undefined> {
    let now: ShareFile | undefined;
    try {
      const way = new Way(this.#upkeep.folder, dirname(file.path));
      let info: Deno.FileInfo | undefined = await Deno.lstat(file.path);
      if (!way.stayed()) info = lookOften(file.path);
      now = info && fileOf(info, file);
    } catch {
      now = undefined; // gone, or no longer to be looked at
    }
    if (now?.version === file.version) return file;
    if (now !== undefined && await this.#isSecret(now)) now = undefined;
    if (now !== undefined) this.#table.put(now);
    else this.#table.delete(file.name);
    return now;
  }

  /** Whether a file is not to be shared; one that cannot be read now is not. */
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

  /** Stops following it, and waits for what is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#upkeep[Symbol.asyncDispose]();
  }
}
