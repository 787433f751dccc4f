/**
 * Checks whether the folders between a share and a file stayed the same during
 * a look at the file. Somebody with write access to a shared folder can put a
 * link in place of one of them for a moment. Deno gives no descriptors of
 * folders, so this process only has paths.
 *
 * The system sets a folder's time of change whenever a name in it is added,
 * removed or moved, and nobody can set it back. If the share's folder is the
 * right one, and its time is the same before and after, then the next folder on
 * the way was the same all the time, and so on to the last.
 *
 * @module
 */

import { join } from "@std/path/join";
import { dirname } from "@std/path/dirname";
import type { FolderIdentity } from "./root.ts";

// Deno gives times of change in whole seconds, and the system's clock for files
// advances in steps of up to 10 ms. Two changes closer than this can have the
// same time.
const STEP_MS = 1_020;

// How often a path is checked if the folders on the way change all the time. A
// link that comes and goes would have to be there for each check, and away in
// between.
const LOOKS = 3;
const PAUSE_LOOKS = 8; // each takes about 6 µs
// A file that its owner named has no share's folder whose time of change could
// be checked, so these looks are all there is.
const LONE_LOOKS = 8;

const SEPARATOR = Deno.build.os === "windows" ? "\\" : "/";

/** The folders on the way to a folder of a share, at one moment. */
export class FolderPath {
  readonly #root: FolderIdentity;
  readonly #folder: string;
  /** The paths of these folders, from the share's down. */
  readonly #paths: readonly string[];
  /** Times of change; `undefined` if they cannot prove anything. */
  readonly #times: readonly number[] | undefined;

  /** `folder` is the path of the share's folder, or of one below it. */
  constructor(root: FolderIdentity, folder: string, now = Date.now()) {
    this.#root = root;
    this.#folder = folder;
    this.#paths = [...pathsTo(root.path, folder)];
    const times = timesOf(root, this.#paths);
    const last = now - STEP_MS;
    this.#times = times?.every((time) => time < last) ? times : undefined;
  }

  /** Whether it is the way to that folder, and may prove something. */
  leads(root: FolderIdentity, folder: string): boolean {
    return this.mayProve && this.#root === root && this.#folder === folder;
  }

  /** Whether it can be shown later that it has stayed. */
  get mayProve(): boolean {
    return this.#times !== undefined;
  }

  /** Whether each folder has stayed in its place and none is a link. */
  stayed(): boolean {
    if (this.#times === undefined) return false;
    const times = timesOf(this.#root, this.#paths);
    return times !== undefined &&
      times.every((time, n) => time === this.#times![n]);
  }
}

/**
 * The way to the folder that files were last opened in. A way that is unchanged
 * since an earlier moment is also unchanged since now, so that the folders are
 * checked once a file and not twice.
 */
export class LastFolderPath {
  #way: FolderPath | undefined;
  /** Ways of files that are read together, to be looked at after the last. */
  #together: Set<FolderPath> | undefined;

  /** A way to `folder` that was looked at now, or before. */
  to(root: FolderIdentity, folder: string, now = Date.now()): FolderPath {
    if (!this.#way?.leads(root, folder)) {
      this.#way = new FolderPath(root, folder, now);
    }
    return this.#way!;
  }

  /** It has not stayed, so the next one is checked again. */
  forget(): void {
    this.#way = undefined;
  }

  /**
   * Whether a way has stayed. For files that are read together, each way is
   * looked at once, at their end.
   */
  stayed(way: FolderPath): boolean {
    if (this.#together === undefined || !way.mayProve) return way.stayed();
    this.#together.add(way);
    return true;
  }

  /**
   * Runs `read`, which reads several files without a pause. If this returns
   * `false`, a way has not stayed: nothing that was read may be used.
   */
  together(read: () => void): boolean {
    const ways = this.#together = new Set();
    try {
      read();
    } finally {
      this.#together = undefined;
    }
    const stayed = ways.values().every((way) => way.stayed());
    if (!stayed) this.forget();
    return stayed;
  }
}

/**
 * The times of change of each folder on the way; `undefined` if one is a link.
 */
function timesOf(
  root: FolderIdentity,
  paths: readonly string[],
): number[] | undefined {
  const times: number[] = [];
  try {
    for (const path of paths) {
      const info = Deno.lstatSync(path);
      const changed = info.ctime?.getTime();
      if (!info.isDirectory || changed === undefined) return undefined;
      if (times.length === 0 && !isRoot(info, root)) return undefined;
      times.push(changed);
    }
  } catch {
    return undefined; // gone
  }
  return times;
}

function isRoot(info: Deno.FileInfo, root: FolderIdentity): boolean {
  return info.dev === root.device && info.ino === root.inode;
}

/** The paths of all folders from `root` to a folder below it. */
function* pathsTo(root: string, folder: string): Iterable<string> {
  yield root;
  let path = root;
  for (const part of folder.slice(root.length).split(SEPARATOR)) {
    if (part !== "") yield path = join(path, part);
  }
}

/**
 * Looks at a path of a share; fails if a link is on the way to it. Without a
 * root it is a file that its owner named.
 *
 * @throws {Deno.errors} like `Deno.lstat`.
 */
export function lookAt(
  root: FolderIdentity | null,
  path: string,
): Deno.FileInfo | undefined {
  if (root === null) return lookAlone(path);
  const way = new FolderPath(root, dirname(path));
  const info = Deno.lstatSync(path);
  return way.stayed() ? info : lookOften(path);
}

/**
 * Looks at a path without looking at the folders on the way, which may be out of
 * reach. Finds nothing if a link leads to it, or if several looks differ.
 *
 * @throws {Deno.errors} like `Deno.lstat`.
 */
export function lookAlone(path: string): Deno.FileInfo | undefined {
  return lookAgain(path, path, LONE_LOOKS);
}

/**
 * Looks at a path while the folders on the way change all the time. Accepts the
 * result if several looks agree and no link leads to it.
 *
 * @throws {Deno.errors} like `Deno.lstat`.
 */
export function lookOften(path: string): Deno.FileInfo | undefined {
  return lookAgain(path, dirname(path), LOOKS);
}

/** Looks at `path` several times, and each time for links on the way to `real`. */
function lookAgain(
  path: string,
  real: string,
  looks: number,
): Deno.FileInfo | undefined {
  const isReal = () => Deno.realPathSync(real) === real;
  if (!isReal()) return undefined;
  const first = Deno.lstatSync(path);
  for (let look = 0; look < looks; look++) {
    // At irregular intervals, so that nobody can switch a link in the same rhythm.
    for (let n = PAUSE_LOOKS * Math.random(); n > 1; n--) Deno.lstatSync(path);
    if (!isReal()) return undefined;
    const info = Deno.lstatSync(path);
    if (info.ino !== first.ino || info.dev !== first.dev) return undefined;
  }
  return isReal() ? first : undefined;
}
