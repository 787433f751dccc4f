/**
 * The folder a node serves. The only module that turns a stranger's name into a
 * file, and it does so by looking the name up among those it found itself,
 * never by joining a path. Links, pipes, sockets and devices are not followed
 * or opened; what was opened is compared with what was found.
 *
 * @module
 */

import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  read,
  readlinkSync,
  readSync,
} from "node:fs";
import { promisify } from "node:util";
import { join } from "@std/path/join";
import { delay } from "@std/async/delay";
import {
  describeCause,
  Failure,
  localKindOf,
  systemErrorCode,
} from "./errors.ts";
import { sha256 } from "./hash.ts";
import { LIMITS, type Limits } from "./limits.ts";
import { safeName } from "./names.ts";
import { show } from "./text.ts";

/** A file that can be served, as it was when it was last looked at. */
export interface ShareFile {
  /** Its name in the share: components joined by `/`, NFC. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** When it was last written, in milliseconds since 1970. */
  readonly modifiedMs: number;
  /** Its inode, where the system has such. */
  readonly inode: number | null;
  /** Changes whenever the file does, and tells nothing else; 32 characters. */
  readonly version: string;
  /** Where it lies on the disk; not for others to see. */
  readonly path: string;
  /** What the version stands for; not for others to see. */
  readonly facts: string;
}

/** Why entries of a folder are not shared, and how many. */
export interface SkipCounts {
  /** Symbolic links. */
  readonly link: number;
  /** Pipes, sockets, devices. */
  readonly special: number;
  /** Names that are not valid or not portable. */
  readonly name: number;
  /** Names equal to another's after normalisation. */
  readonly clash: number;
  /** Entries that could not be looked at. */
  readonly unreadable: number;
  /** Files beyond the number that one share may hold, or the largest size. */
  readonly excess: number;
}

/** Why a file cannot be read any more. */
export type ReadRefusal = "gone" | "changed" | "unreadable";

/** A file of the share, open. Disposing closes it. */
export interface OpenedFile extends Disposable {
  /** What was opened. */
  readonly file: ShareFile;
  /** Reads from `position` on, at once where that is quick; 0 at the end. */
  read(buffer: Uint8Array, position: number): Promise<number> | number;
  /** Fills `buffer` from the start of the file; `false` when that is too short. */
  readSync(buffer: Uint8Array): boolean;
  /** Whether the file is still what it was when it was found. */
  isUnchanged(): boolean;
  /** Whether it also is still at the place where it was found. */
  isStill(): boolean;
}

/** A file that was opened, or why not. */
export type OpenOutcome =
  | { readonly kind: "opened"; readonly opened: OpenedFile }
  | { readonly kind: "refused"; readonly reason: ReadRefusal };

/** The content of a small file, or why not. */
export type SmallFileOutcome =
  | { readonly kind: "read"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "refused"; readonly reason: ReadRefusal };

interface Scan {
  readonly byName: Map<string, ShareFile>;
  readonly byVersion: Map<string, ShareFile>;
  readonly skipped: Record<keyof SkipCounts, number>;
}

// Between two slices of a scan other work of the process gets its turn.
const SLICE_ENTRIES = 512;
// Changes that come together are looked at together.
const SETTLE_MS = 100;
// More changes than this, and looking through everything is quicker.
const MOST_CHANGES = 1000;

/** The files below one folder. Disposing stops watching it. */
export class Share implements Disposable {
  /** The folder, as it was given. */
  readonly root: string;
  readonly #realRoot: string;
  readonly #limits: Limits;
  #scan: Scan;
  #scannedAt: number;
  #scanning: Promise<void> | null = null;
  #watcher: Deno.FsWatcher | null = null;
  readonly #pace = new DiskPace();

  private constructor(
    root: { given: string; real: string },
    limits: Limits,
    scan: Scan,
  ) {
    this.root = root.given;
    this.#realRoot = root.real;
    this.#limits = limits;
    this.#scan = scan;
    this.#scannedAt = performance.now();
  }

  /**
   * Looks through `root` and all its sub-folders.
   *
   * @throws {Failure} of kind `local` when it is no folder or cannot be read.
   */
  static async open(root: string, limits: Limits): Promise<Share> {
    try {
      if (!(await Deno.stat(root)).isDirectory) {
        throw new Deno.errors.NotADirectory(root);
      }
      const real = await Deno.realPath(root);
      Deno.readDirSync(real)[Symbol.iterator]().next(); // may it be read at all?
      return new Share({ given: root, real }, limits, await scan(real, limits));
    } catch (error) {
      throw new Failure(localKindOf(error), {
        what: "Cannot share folder",
        where: show(root),
        why: describeCause(error),
        remedy: error instanceof Deno.errors.NotCapable
          ? `grant it with --allow-read=${show(root)}`
          : "name a folder that exists and can be read",
        cause: error,
      });
    }
  }

  /** Number of files. */
  get fileCount(): number {
    return this.#scan.byName.size;
  }

  /** What lies in the folder and is not shared. */
  get skipped(): SkipCounts {
    return this.#scan.skipped;
  }

  /** All files as they were last seen, in no order. */
  files(): Iterable<ShareFile> {
    return this.#scan.byName.values();
  }

  /**
   * The file of that name as it is now; the folder is looked through again,
   * though not too often, for a name that is not known.
   */
  async find(name: string): Promise<ShareFile | undefined> {
    const verdict = safeName(name);
    if (verdict.kind === "refused") return undefined;
    const known = this.#scan.byName.get(verdict.name);
    const found = known && await this.#refresh(known);
    if (found !== undefined) return found;
    await this.#rescan();
    return this.#scan.byName.get(verdict.name);
  }

  /** The file that had this version when it was last looked at. */
  versioned(version: string): ShareFile | undefined {
    return this.#scan.byVersion.get(version);
  }

  /** Whether files can be read at once, without making others wait. */
  get isQuick(): boolean {
    return this.#pace.isQuick;
  }

  /** Opens a file for reading if it still is what it was. */
  open(file: ShareFile): OpenOutcome {
    try {
      const opened = openedFile(openNow(file.path), file, this.#pace);
      if (opened.isStill()) return { kind: "opened", opened };
      opened[Symbol.dispose]();
      return { kind: "refused", reason: "changed" };
    } catch (error) {
      return { kind: "refused", reason: refusalOf(error) };
    }
  }

  /**
   * The whole of a small file, read at once with synchronous calls: for 4 KiB
   * they take 25 µs where asynchronous ones take 250.
   */
  readSmall(file: ShareFile): SmallFileOutcome {
    try {
      using opened = openedFile(openNow(file.path), file, this.#pace);
      const bytes = new Uint8Array(file.size);
      // What it is need be asked only once, after all of it has been read.
      return opened.readSync(bytes) && opened.isStill()
        ? { kind: "read", bytes }
        : { kind: "refused", reason: "changed" };
    } catch (error) {
      return { kind: "refused", reason: refusalOf(error) };
    }
  }

  /**
   * Follows changes on the disk, where the system lets us; else they are found
   * when a file is asked for. `onChange` is called after each round of them.
   */
  watch(onChange: () => void): void {
    try {
      this.#watcher = Deno.watchFs(this.#realRoot, { recursive: true });
    } catch {
      return; // no watcher here: looking again on use must do
    }
    void this.#follow(this.#watcher, onChange);
  }

  async #follow(watcher: Deno.FsWatcher, onChange: () => void): Promise<void> {
    const changed = new Set<string>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async () => {
      timer = undefined;
      const paths = [...changed];
      changed.clear();
      if (paths.length > MOST_CHANGES) await this.#scanAgain();
      else this.#lookAt(paths);
      onChange();
    };
    try {
      for await (const event of watcher) {
        if (event.kind === "access") continue;
        for (const path of event.paths) changed.add(path);
        timer ??= setTimeout(() => void look(), SETTLE_MS);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Brings the index up to date with some paths, whatever is there now. */
  #lookAt(paths: readonly string[]): void {
    const gone: string[] = [];
    for (const path of paths) {
      const name = this.#nameOf(path);
      if (name === undefined) continue;
      const known = this.#scan.byName.get(name);
      this.#forget(name);
      if (!this.#take({ name, path }) && known === undefined) {
        gone.push(`${name}/`);
      }
    }
    if (gone.length === 0) return;
    for (const name of [...this.#scan.byName.keys()]) {
      if (gone.some((folder) => name.startsWith(folder))) this.#forget(name);
    }
  }

  /** The name of a path of the share, if it can be one. */
  #nameOf(path: string): string | undefined {
    if (!path.startsWith(this.#realRoot)) return undefined;
    const below = path.slice(this.#realRoot.length).replaceAll("\\", "/");
    const verdict = safeName(below.replace(/^\//, ""));
    return verdict.kind === "safe" ? verdict.name : undefined;
  }

  /** Takes up what is at a path now; `false` where nothing is. */
  #take(at: { name: string; path: string }): boolean {
    try {
      // Not through a link: what a link leads to is not in the share.
      if (Deno.realPathSync(at.path) !== at.path) return false;
      const info = Deno.lstatSync(at.path);
      if (info.isDirectory) {
        const walk = walkFolder(
          at.path,
          `${at.name}/`,
          this.#scan,
          this.#limits,
        );
        while (!walk.next().done);
      } else this.#remember(fileOf(info, at));
      return true;
    } catch {
      return false; // gone again: the watcher tells what comes next
    }
  }

  /** What the disk says of `file` now; `undefined` once it is gone. */
  async #refresh(file: ShareFile): Promise<ShareFile | undefined> {
    let now: ShareFile | undefined;
    try {
      // Not through a link that has been put into its path meanwhile.
      if (await Deno.realPath(file.path) === file.path) {
        now = fileOf(await Deno.lstat(file.path), file);
      }
    } catch {
      now = undefined; // gone, or no longer to be looked at
    }
    if (now?.version === file.version) return file;
    this.#forget(file.name);
    this.#remember(now);
    return now;
  }

  #remember(file: ShareFile | undefined): void {
    if (file !== undefined) addTo(this.#scan, file, this.#limits);
  }

  #forget(name: string): void {
    const file = this.#scan.byName.get(name);
    if (file === undefined) return;
    this.#scan.byName.delete(name);
    this.#scan.byVersion.delete(file.version);
  }

  async #rescan(): Promise<void> {
    const age = performance.now() - this.#scannedAt;
    if (age < this.#limits.rescanPauseMs) return;
    await this.#scanAgain();
  }

  #scanAgain(): Promise<void> {
    return this.#scanning ??= scan(this.#realRoot, this.#limits)
      .then((result) => {
        this.#scan = result;
      })
      .finally(() => {
        this.#scannedAt = performance.now();
        this.#scanning = null;
      });
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
    this.#watcher = null;
  }
}

const { O_RDONLY, O_NONBLOCK = 0 } = constants;
const readAt = promisify(read);

/** Opens at once, also what turns out to be a pipe that nobody writes to. */
function openNow(path: string): number {
  return openSync(path, O_RDONLY | O_NONBLOCK);
}

/**
 * Whether the disk is quick enough to be read from at once. A file in the page
 * cache is, and then a call costs half of one that goes through a thread; a read
 * that took its time sends those of the next second to the threads.
 */
class DiskPace {
  #slowUntil = 0;

  get isQuick(): boolean {
    return performance.now() >= this.#slowUntil;
  }

  /** Runs a read, and notes how long it took. */
  time<T>(read: () => T): T {
    const startedAt = performance.now();
    try {
      return read();
    } finally {
      const now = performance.now();
      if (now - startedAt > SLOW_READ_MS) this.#slowUntil = now + SLOW_PAUSE_MS;
    }
  }
}

const SLOW_READ_MS = 5;
const SLOW_PAUSE_MS = 1_000;

function openedFile(
  descriptor: number,
  file: ShareFile,
  pace: DiskPace,
): OpenedFile {
  const readNow = (buffer: Uint8Array, position: number) =>
    pace.time(() => readSync(descriptor, buffer, 0, buffer.length, position));
  const readThen = async (buffer: Uint8Array, position: number) =>
    (await readAt(descriptor, buffer, 0, buffer.length, position)).bytesRead;
  return {
    file,
    read: (buffer, position) =>
      pace.isQuick ? readNow(buffer, position) : readThen(buffer, position),
    readSync: (buffer) => {
      for (let filled = 0; filled < buffer.length;) {
        const count = readNow(buffer.subarray(filled), filled);
        if (count === 0) return false;
        filled += count;
      }
      return true;
    },
    isUnchanged: () => isVersion(descriptor, file),
    isStill: () => isStill(descriptor, file),
    [Symbol.dispose]: () => closeSync(descriptor),
  };
}

/**
 * Whether what was opened is the file that was found, at the place where it was
 * found: a link may have been put into its path since. With all permissions the
 * system tells which file a descriptor is, which leaves no race; else the path
 * is resolved again.
 */
function isStill(descriptor: number, file: ShareFile): boolean {
  if (!isVersion(descriptor, file)) return false;
  const name = nameOf(descriptor);
  return name === undefined
    ? isSeenThere(descriptor, file)
    : name === file.path;
}

// A link that comes and goes would have to be there for each of these looks, and
// away for each in between.
const LOOKS = 3;

/** Whether a file is, look after look, at its path, and no link leads there. */
function isSeenThere(descriptor: number, { path }: ShareFile): boolean {
  const { ino, dev } = fstatSync(descriptor);
  for (let look = 0; look < LOOKS; look++) {
    const there = Deno.lstatSync(path);
    if (there.ino !== ino || there.dev !== dev) return false;
    if (Deno.realPathSync(path) !== path) return false;
  }
  return true;
}

let tellsNames = Deno.build.os === "linux";

/** Where an open file is, if the system tells and this process may ask. */
function nameOf(descriptor: number): string | undefined {
  if (!tellsNames) return undefined;
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    tellsNames = false; // Deno wants all permissions for that
    return undefined;
  }
}

/** Whether an open file has the device, inode, size and times that were found. */
function isVersion(descriptor: number, file: ShareFile): boolean {
  const stats = fstatSync(descriptor);
  const info = {
    isFile: stats.isFile(),
    size: stats.size,
    dev: stats.dev,
    ino: stats.ino,
    mtime: new Date(stats.mtimeMs),
    ctime: new Date(stats.ctimeMs),
  };
  return info.isFile && factsOf(info, file.name) === file.facts;
}

function refusalOf(error: unknown): ReadRefusal {
  const code = systemErrorCode(error);
  if (code === "ENOENT" || code === "ENOTDIR") return "gone";
  return code === "ENXIO" ? "changed" : "unreadable"; // ENXIO: a socket
}

/** What is asked of the system about a file. */
type FileFacts = Pick<
  Deno.FileInfo,
  "isFile" | "size" | "dev" | "ino" | "mtime" | "ctime"
>;

/** The file that `info` describes; `undefined` unless it is a regular file. */
function fileOf(
  info: FileFacts,
  { name, path }: { name: string; path: string },
): ShareFile | undefined {
  if (!info.isFile) return undefined;
  const { size, ino: inode } = info;
  const modifiedMs = info.mtime?.getTime() ?? 0;
  const facts = factsOf(info, name);
  const version = sha256(encoder.encode(facts)).toHex().slice(0, 32);
  return { name, path, size, modifiedMs, inode, version, facts };
}

/** All that changes when a file does. */
function factsOf(info: FileFacts, name: string): string {
  const modifiedMs = info.mtime?.getTime() ?? 0;
  // Whole seconds are what all ways of asking agree on.
  const changedAt = Math.floor((info.ctime?.getTime() ?? 0) / 1000);
  // Of the name too: two names of one file are two files here.
  return [info.size, modifiedMs, changedAt, info.dev, info.ino, name].join();
}

const encoder = new TextEncoder();

async function scan(root: string, limits: Limits): Promise<Scan> {
  const result: Scan = {
    byName: new Map(),
    byVersion: new Map(),
    skipped: {
      link: 0,
      special: 0,
      name: 0,
      clash: 0,
      unreadable: 0,
      excess: 0,
    },
  };
  const walk = walkFolder(root, "", result, limits);
  while (!walkSlice(walk)) await delay(0);
  return result;
}

/** Takes some steps of a walk; whether it is done. */
function walkSlice(walk: Iterator<void>): boolean {
  for (let step = 0; step < SLICE_ENTRIES; step++) {
    if (walk.next().done) return true;
  }
  return false;
}

/**
 * Looks at every entry below `folder`, one a step. Synchronous calls inside a
 * step: they are five times as fast as asynchronous ones, 10,000 files in 60 ms.
 */
function* walkFolder(
  folder: string,
  prefix: string,
  result: Scan,
  limits: Limits,
): Generator<void> {
  let listing: Deno.DirEntry[];
  try {
    listing = [...Deno.readDirSync(folder)];
  } catch {
    result.skipped.unreadable++;
    return;
  }
  for (const item of listing) {
    const name = prefix + item.name;
    const path = join(folder, item.name);
    if (!item.isDirectory) addFile(item, { name, path }, result, limits);
    // Below a name that is refused every name is.
    else if (safeName(name).kind === "refused") result.skipped.name++;
    else yield* walkFolder(path, `${name}/`, result, limits);
    yield;
  }
}

function addFile(
  item: Deno.DirEntry,
  { name, path }: { name: string; path: string },
  result: Scan,
  limits: Limits,
): void {
  const { skipped } = result;
  const verdict = safeName(name);
  if (item.isSymlink) skipped.link++;
  else if (!item.isFile) skipped.special++;
  else if (verdict.kind === "refused") skipped.name++;
  else if (isAnothers(result, verdict.name, path)) skipped.clash++;
  else {
    const file = lookAtFile({ name: verdict.name, path });
    if (file === undefined) skipped.unreadable++;
    else addTo(result, file, limits);
  }
}

/** Whether the name stands for a file at another path already. */
function isAnothers({ byName }: Scan, name: string, path: string): boolean {
  const known = byName.get(name);
  return known !== undefined && known.path !== path;
}

function addTo(
  { byName, byVersion, skipped }: Scan,
  file: ShareFile,
  limits: Limits,
): void {
  if (byName.size >= limits.shareFileCount || file.size > LIMITS.fileBytes) {
    skipped.excess++;
    return;
  }
  const before = byName.get(file.name);
  if (before !== undefined) byVersion.delete(before.version);
  byName.set(file.name, file);
  byVersion.set(file.version, file);
}

function lookAtFile(at: { name: string; path: string }): ShareFile | undefined {
  try {
    // Not through a link that has come into its path.
    if (Deno.realPathSync(at.path) !== at.path) return undefined;
    return fileOf(Deno.lstatSync(at.path), at);
  } catch {
    return undefined; // gone between the listing and this
  }
}
