/**
 * Opens files of an earlier run in a folder that others may write to. It uses a
 * file only if it belongs to this user, nobody else can change it, and it has
 * no other name. It follows no link, and changes modes without following one.
 *
 * @module
 */

import { closeSync, constants, fchmodSync, fstatSync, openSync } from "node:fs";
import { delay } from "@std/async/delay";
import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import { describeCause, Failure, systemErrorCode } from "../base/errors.ts";
import { PARTIAL_SUFFIX } from "../base/names.ts";
import { NotRegular, openRegular } from "../base/regular_file.ts";
import type { RemedyCode } from "../base/remedy_code.ts";
import { show } from "../base/text.ts";

/** The mode of a file that only its owner may use. */
export const PRIVATE_MODE = 0o600;
/** The mode bits that let others than the owner write. */
export const OTHERS_WRITE = 0o022;

/** Identifies a file or folder on this machine. */
export type Inode = Pick<Deno.FileInfo, "ino" | "dev">;

/** A folder that files are saved in, and which one it was at the start. */
export interface JudgedInode extends Inode {
  /** Whether a link may lead to it: the user chose it by that path. */
  readonly mayBeLinked: boolean;
}

/** Whether both are the same file. */
export function isInode(one: Inode, other: Inode): boolean {
  return one.ino === other.ino && one.dev === other.dev;
}

/**
 * The failure for a file that cannot be used. It names the file itself, which
 * may be hidden.
 */
export function unfit(
  path: string,
  why: string,
  remedyCode: RemedyCode = "remove_or_elsewhere",
): Failure {
  return new Failure("local", {
    what: "Cannot resume partial file",
    where: show(path),
    why,
    remedyCode,
  });
}

/**
 * Opens what an earlier run left under `path`; `undefined` if it is gone.
 *
 * @throws {Failure} of kind `local` if others than this user can use it.
 */
export async function openLeftover(
  path: string,
  options: { write: boolean },
): Promise<Deno.FsFile | undefined> {
  try {
    for (let waitedMs = 0;; waitedMs += LOOK_MS) {
      const opened = await openUnlessPublished(path, options);
      if (opened !== "published") return opened;
      if (waitedMs >= PUBLISHING_MS) throw unfit(path, IRREGULAR);
      await delay(LOOK_MS);
    }
  } catch (error) {
    const isMissing = error instanceof Deno.errors.NotFound ||
      systemErrorCode(error) === "ENOENT";
    if (isMissing) return undefined;
    throw error;
  }
}

// Publishing gives a file its final name, and removes the other in the next
// call. A busy machine may run other processes between the two for tenths of a
// second.
const PUBLISHING_MS = 500;
const LOOK_MS = 20;
const IRREGULAR = "it is a link, or not a regular file";

/**
 * Opens a file unless it has two names, because then another process may be
 * publishing it.
 */
async function openUnlessPublished(
  path: string,
  options: { write: boolean },
): Promise<Deno.FsFile | "published"> {
  const named = await Deno.lstat(path);
  if (hasTwoNames(named)) return "published";
  const own = await ownFile(dirname(path));
  // Also checked before opening: opening a pipe or a device has effects.
  refuse(path, { info: named, own });
  const file = await open(path, options);
  try {
    const opened = await file.stat();
    if (hasTwoNames(opened)) {
      file.close();
      return "published";
    }
    refuse(path, { info: opened, own });
    if (!isInode(named, opened)) {
      throw unfit(path, "it was replaced in the meantime");
    }
    const more = (opened.mode ?? 0) & 0o777 & ~(own.mode ?? 0);
    if (options.write && more !== 0) changeMode(path, file, PRIVATE_MODE);
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

function hasTwoNames({ isFile, nlink }: Deno.FileInfo): boolean {
  return isFile && nlink === 2;
}

/** Opens a file; if the system forbids it, the error names that file. */
async function open(
  path: string,
  options: { write: boolean },
): Promise<Deno.FsFile> {
  try {
    return await openRegular(path, { ...options, follow: false });
  } catch (error) {
    if (error instanceof NotRegular) {
      throw unfit(path, IRREGULAR);
    }
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    throw unfit(path, describeCause(error));
  }
}

/** Throws unless this user could have made the file. */
function refuse(
  path: string,
  { info, own }: { info: Deno.FileInfo; own: Deno.FileInfo },
): void {
  if (!info.isFile || (info.nlink ?? 1) > 1) {
    throw unfit(path, IRREGULAR);
  }
  // In a folder such as /tmp, only its owner can remove it.
  if (info.uid !== own.uid) {
    throw unfit(path, "it belongs to another user", "elsewhere_or_remove");
  }
  // Some disks give all files one mode; then our file has it too.
  const more = (info.mode ?? 0) & OTHERS_WRITE & ~(own.mode ?? 0);
  if (more !== 0) throw unfit(path, "others can write to it");
}

/**
 * Owner and mode of a new file of this user in `folder`. Makes one to find out:
 * asking Deno for the user needs another permission, and some disks give files
 * another owner.
 */
export async function ownFile(folder: string): Promise<Deno.FileInfo> {
  const path = join(folder, `.${crypto.randomUUID()}${PARTIAL_SUFFIX}`);
  using file = await Deno.open(path, {
    write: true,
    createNew: true,
    mode: PRIVATE_MODE,
  });
  await Deno.remove(path);
  return await file.stat();
}

/**
 * Changes the mode of an open file that is at `path`. The system's call by name
 * would follow a link that somebody has put there.
 *
 * @throws {Failure} of kind `local` if something else is at that path.
 */
export function changeMode(
  path: string,
  file: Deno.FsFile,
  mode: number,
): void {
  if (Deno.build.os === "windows") return; // Windows has no such modes
  const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW } = constants;
  const descriptor = openSync(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  try {
    if (!isInode(fstatSync(descriptor), file.statSync())) {
      throw unfit(path, "it was replaced in the meantime");
    }
    fchmodSync(descriptor, mode);
  } finally {
    closeSync(descriptor);
  }
}
