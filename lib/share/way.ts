/**
 * The folders on the way from a share to a file, and whether they stayed what
 * they were while something was looked at. Somebody who may write to a shared
 * folder can put a link in place of one for a moment, and paths are all that
 * this process has: it is not given descriptors of folders.
 *
 * A folder's time of change is set by the system whenever a name in it comes,
 * goes, or is moved, and nobody can set it back. If the share's folder is the
 * one that was found, and its time is the same before and after, then the next
 * folder on the way was the same one all the time, and so on to the last.
 *
 * @module
 */

import { join } from "@std/path/join";
import { dirname } from "@std/path/dirname";
import type { FolderIdentity } from "./root.ts";

// Deno tells times of change in whole seconds, and the system's clock for files
// goes on in steps of up to 10 ms: two changes so close can bear the same time.
const STEP_MS = 1_020;

// Where folders change all the time a path is looked at so often. A link that
// comes and goes would have to be there for each of these looks, and away for
// each in between.
const LOOKS = 3;
const PAUSE_LOOKS = 8; // each takes some 6 µs

const SEPARATOR = Deno.build.os === "windows" ? "\\" : "/";

/** The way to a folder of a share, as it is when this is made. */
export class Way {
  readonly #root: FolderIdentity;
  readonly #folder: string;
  /** Times of change; `undefined` when they cannot show that all stayed. */
  readonly #times: readonly number[] | undefined;

  /** `folder` is the path of the share's folder, or of one below it. */
  constructor(root: FolderIdentity, folder: string, now = Date.now()) {
    this.#root = root;
    this.#folder = folder;
    const times = timesOf(root, folder);
    const last = now - STEP_MS;
    this.#times = times?.every((time) => time < last) ? times : undefined;
  }

  /** Whether each folder was in its place all the time, and no link was. */
  stayed(): boolean {
    if (this.#times === undefined) return false;
    const times = timesOf(this.#root, this.#folder);
    return times !== undefined &&
      times.every((time, n) => time === this.#times![n]);
  }
}

/** The times of change from the share's folder to another; none by a link. */
function timesOf(root: FolderIdentity, folder: string): number[] | undefined {
  const times: number[] = [];
  try {
    for (const path of pathsTo(root.path, folder)) {
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

/** The paths of all folders from one to another that is below it. */
function* pathsTo(root: string, folder: string): Iterable<string> {
  yield root;
  let path = root;
  for (const part of folder.slice(root.length).split(SEPARATOR)) {
    if (part !== "") yield path = join(path, part);
  }
}

/**
 * What is at a path of a share, if no link is on the way to it.
 *
 * @throws {Deno.errors} as `Deno.lstat` does.
 */
export function lookAt(
  root: FolderIdentity,
  path: string,
): Deno.FileInfo | undefined {
  const way = new Way(root, dirname(path));
  const info = Deno.lstatSync(path);
  return way.stayed() ? info : lookOften(path);
}

/**
 * What is at a path where the folders on the way to it change all the time, if
 * look after look sees the same there and no link leads to it.
 *
 * @throws {Deno.errors} as `Deno.lstat` does.
 */
export function lookOften(path: string): Deno.FileInfo | undefined {
  const folder = dirname(path);
  const first = Deno.lstatSync(path);
  for (let look = 0; look < LOOKS; look++) {
    // At no regular distance: whoever flips links does not do so in step.
    for (let n = PAUSE_LOOKS * Math.random(); n > 1; n--) Deno.lstatSync(path);
    if (Deno.realPathSync(folder) !== folder) return undefined;
    const info = Deno.lstatSync(path);
    if (info.ino !== first.ino || info.dev !== first.dev) return undefined;
  }
  return first;
}
