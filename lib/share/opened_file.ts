/**
 * An open file of the share. It is read synchronously if the disk is fast, or
 * otherwise in a thread, and compared with the file that was found. A link,
 * pipe, socket or device in its place is detected.
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
import { dirname } from "@std/path/dirname";
import { isBug, systemErrorCode } from "../base/errors.ts";
import { LIMITS, type Limits } from "../base/limits.ts";
import { isGranted } from "../base/permission.ts";
import {
  type FileFacts,
  isSameStamp,
  type ShareFile,
  stampOf,
} from "./shared_file.ts";
import {
  type FolderPath,
  type LastFolderPath,
  lookAlone,
  lookOften,
} from "./folder_path.ts";
import type { FolderIdentity } from "./root.ts";

/** Why a file can no longer be read. */
export type ReadRefusal = "gone" | "changed" | "unreadable";

/** A file of the share, open. Disposing closes it. */
export interface OpenedFile extends Disposable {
  /** The file that was opened. */
  readonly file: ShareFile;
  /** Reads from `position` on, synchronously if that is fast; 0 at the end. */
  read(buffer: Uint8Array, position: number): Promise<number> | number;
  /** Fills `buffer` from the start of the file; `false` when that is too short. */
  readSync(buffer: Uint8Array): boolean;
  /** Whether the file is still what it was when it was found. */
  isUnchanged(): boolean;
  /** Whether it is also still at the path where it was found. */
  isStill(): boolean;
}

/** An open file, or the reason why it could not be opened. */
export type FileOpening =
  | { readonly kind: "opened"; readonly opened: OpenedFile }
  | { readonly kind: "refused"; readonly reason: ReadRefusal };

/** The content of a small file, or the reason why it could not be read. */
export type SmallFileOutcome =
  | { readonly kind: "read"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "refused"; readonly reason: ReadRefusal };
const { O_RDONLY, O_NONBLOCK = 0 } = constants;
const readAt = promisify(read);

/** Opens without blocking, even a pipe without a writer. */
export function openNow(path: string): number {
  return openSync(path, O_RDONLY | O_NONBLOCK);
}

/** The first `size` bytes of a short file as text, read at once. */
export function readShortText(path: string, size: number): string {
  const descriptor = openNow(path);
  try {
    const buffer = new Uint8Array(size);
    const count = readSync(descriptor, buffer, 0, size, 0);
    return new TextDecoder().decode(buffer.subarray(0, count));
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Whether the disk is quick enough to be read synchronously. It is for files in
 * the page cache: then a call costs half as much as one through a thread. A
 * slow read blocks all clients. For some time after a slow read, reads go to
 * threads, so slow reads block only for a small share of the time.
 */
export class DiskSpeed {
  readonly #pauses: number;
  readonly #now: () => number;
  #slowUntil = -Infinity;

  /** Reads the clock by `now`, in milliseconds. */
  constructor(
    { slowReadPercent }: Limits = LIMITS,
    now = () => performance.now(),
  ) {
    this.#pauses = (100 - slowReadPercent) / slowReadPercent;
    this.#now = now;
  }

  get isQuick(): boolean {
    return this.#now() >= this.#slowUntil;
  }

  /** Runs a read, and notes how long it took. */
  time<T>(read: () => T): T {
    const startedAt = this.#now();
    try {
      return read();
    } finally {
      const now = this.#now();
      const ms = now - startedAt;
      if (ms > SLOW_READ_MS) this.#slowUntil = now + ms * this.#pauses;
    }
  }
}

// A read from the page cache takes less, if the process is not interrupted.
const SLOW_READ_MS = 5;

/**
 * Opens a file of the share with this folder. The caller must then check
 * whether it is still the same file.
 *
 * @throws {Error} with the code of the system.
 */
export function openFile(
  file: ShareFile,
  { root, speed, ways }: {
    /** `null` for a file that its owner named. */
    root: FolderIdentity | null;
    speed: DiskSpeed;
    ways: LastFolderPath;
  },
): OpenedFile {
  // If the system reports the name of an open file, no other check is needed.
  const way = canReadOpenPaths() || root === null
    ? null
    : ways.to(root, dirname(file.path));
  const descriptor = openNow(file.path);
  const readNow = (buffer: Uint8Array, position: number) =>
    speed.time(() => readSync(descriptor, buffer, 0, buffer.length, position));
  const readThen = async (buffer: Uint8Array, position: number) =>
    (await readAt(descriptor, buffer, 0, buffer.length, position)).bytesRead;
  return {
    file,
    read: (buffer, position) =>
      speed.isQuick ? readNow(buffer, position) : readThen(buffer, position),
    readSync: (buffer) => {
      for (let filled = 0; filled < buffer.length;) {
        const count = readNow(buffer.subarray(filled), filled);
        if (count === 0) return false;
        filled += count;
      }
      return true;
    },
    isUnchanged: () => isVersion(descriptor, file),
    isStill: () =>
      isStill(descriptor, file, { way, ways, isLone: root === null }),
    [Symbol.dispose]: () => closeSync(descriptor),
  };
}

/** Reads the whole of a small file, in a thread if the disk is slow. */
export async function readWhole(opened: OpenedFile): Promise<SmallFileOutcome> {
  const bytes = new Uint8Array(opened.file.size);
  try {
    for (let filled = 0; filled < bytes.length;) {
      const count = await opened.read(bytes.subarray(filled), filled);
      if (count === 0) return { kind: "refused", reason: "changed" };
      filled += count;
    }
    return opened.isStill()
      ? { kind: "read", bytes }
      : { kind: "refused", reason: "changed" };
  } catch (error) {
    if (isBug(error)) throw error;
    return { kind: "refused", reason: refusalOf(error) };
  }
}

/** Options of the check of a file's path. */
interface PathChecks {
  readonly way: FolderPath | null;
  readonly ways: LastFolderPath;
  /** Whether its owner named the file, and not a folder around it. */
  readonly isLone: boolean;
}

/**
 * Whether the opened file is the one that was found, at the same place: a link
 * may have been put into its path since. With all permissions the system
 * reports which file a descriptor is; otherwise the path to it must be the
 * same.
 */
function isStill(
  descriptor: number,
  file: ShareFile,
  { way, ways, isLone }: PathChecks,
): boolean {
  const name = nameOf(descriptor);
  if (name !== undefined) {
    return isVersion(descriptor, file) && name === file.path;
  }
  const { path, inode, device } = file;
  if (!isLone) {
    const there = Deno.lstatSync(path);
    // If no folder on the way has changed since before the file was opened,
    // the file at its path is the opened one. Asking the system about the
    // descriptor would take twice as long.
    if (way !== null && ways.stayed(way)) return isVersionIn(there, file);
    ways.forget();
  }
  if (!isVersion(descriptor, file)) return false;
  const there = isLone ? lookAlone(path) : lookOften(path);
  return there?.ino === inode && there.dev === device;
}

const DESCRIPTORS = "/proc/self/fd";

/** Determined at the first file, because a loaded library may not be used. */
let readsOpenPaths: boolean | undefined;

/**
 * Whether the system reports the path of an open file, and Deno allows that.
 */
function canReadOpenPaths(): boolean {
  return readsOpenPaths ??= Deno.build.os === "linux" &&
    isGranted({ name: "read", path: DESCRIPTORS });
}

/** The path of an open file, if the system reports it. */
function nameOf(descriptor: number): string | undefined {
  if (!canReadOpenPaths()) return undefined;
  try {
    return readlinkSync(`${DESCRIPTORS}/${descriptor}`);
  } catch {
    readsOpenPaths = false; // Deno wants all permissions for that
    return undefined;
  }
}

/** Whether an open file has the device, inode, size and times that were found. */
function isVersion(descriptor: number, file: ShareFile): boolean {
  const stats = fstatSync(descriptor);
  return isVersionIn({
    isFile: stats.isFile(),
    size: stats.size,
    dev: stats.dev,
    ino: stats.ino,
    mode: Deno.build.os === "windows" ? null : stats.mode,
    mtime: new Date(stats.mtimeMs),
    ctime: new Date(stats.ctimeMs),
  }, file);
}

/** The same for what the system reports of it. */
function isVersionIn(info: FileFacts, file: ShareFile): boolean {
  return info.isFile && isSameStamp(stampOf(info), file);
}

/** The reason for an error on opening or reading. */
export function refusalOf(error: unknown): ReadRefusal {
  const code = systemErrorCode(error);
  if (code === "ENOENT" || code === "ENOTDIR") return "gone";
  return code === "ENXIO" ? "changed" : "unreadable"; // ENXIO: a socket
}
