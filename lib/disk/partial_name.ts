/**
 * The temporary name of a file that is being received, and the file under it.
 *
 * @module
 */

import { Failure } from "../base/errors.ts";
import { sha256 } from "../base/hash.ts";
import { PARTIAL_SUFFIX } from "../base/names.ts";
import { unsaved } from "./disk_failure.ts";
import { isInode, openLeftover, PRIVATE_MODE } from "./leftover_file.ts";

const OTHERS = new Error("another process has it");

/** Whether a failure says that another process is receiving the same file. */
export function isOthers(error: unknown): boolean {
  return error instanceof Failure && error.cause === OTHERS;
}

/** The temporary name of `path`. */
export function partialPathOf(path: string): string {
  const start = 1 + Math.max(
    path.lastIndexOf("/"),
    Deno.build.os === "windows" ? path.lastIndexOf("\\") : -1,
  );
  const name = path.slice(start);
  const most = NAME_BYTES - 1 - PARTIAL_SUFFIX.length;
  const fits = name.length * UNIT_BYTES <= most ||
    encoder.encode(name).length <= most;
  const middle = fits
    ? name
    : sha256(encoder.encode(name)).toHex().slice(0, 32);
  return `${path.slice(0, start)}.${middle}${PARTIAL_SUFFIX}`;
}

const encoder = new TextEncoder();
const UNIT_BYTES = 3; // the most that a UTF-16 unit takes in UTF-8
// The longest name that all common file systems allow.
const NAME_BYTES = 255;

/**
 * Opens the partial file for `path`, new or left by an earlier run, for this
 * process alone. The caller closes it, which also ends the lock.
 *
 * @throws {Failure} of kind `local` if another process has it, or if an earlier
 * file cannot be used.
 */
export async function openPartial(path: string): Promise<Deno.FsFile> {
  const partialPath = partialPathOf(path);
  for (let tries = 0; tries < OPEN_TRIES; tries++) {
    const file = await openEither(partialPath);
    if (file === undefined) break;
    const state = await lock(file, partialPath);
    if (state === "ours") return file;
    file.close();
    if (state === "others") break;
  }
  throw unsaved(path, {
    why: "another process is receiving it",
    remedy: "wait for it, or choose another path",
    cause: OTHERS,
  });
}

/** Locks an open file, and closes it after an error. */
async function lock(
  file: Deno.FsFile,
  path: string,
): Promise<"ours" | "others" | "gone"> {
  try {
    if (!await file.tryLock(true)) return "others";
    // The process that had the lock may have published or removed it.
    return await isThere(file, path) ? "ours" : "gone";
  } catch (error) {
    file.close();
    throw error;
  }
}

const NEW = { read: true, write: true, createNew: true, mode: PRIVATE_MODE };

async function openNew(path: string): Promise<Deno.FsFile | undefined> {
  try {
    return await Deno.open(path, NEW);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return undefined;
    throw error;
  }
}

// Each retry means that another process interfered between two calls.
const OPEN_TRIES = 3;

/** The partial file, new or old; `undefined` if another process interferes. */
async function openEither(path: string): Promise<Deno.FsFile | undefined> {
  for (let tries = 0; tries < OPEN_TRIES; tries++) {
    const file = await openNew(path) ??
      await openLeftover(path, { write: true });
    if (file !== undefined) return file;
  }
  return undefined;
}

/** Whether an open file is at `path`, and has no other name. */
async function isThere(file: Deno.FsFile, path: string): Promise<boolean> {
  try {
    const [open, named] = [await file.stat(), await Deno.lstat(path)];
    return isInode(open, named) && (open.nlink ?? 1) === 1;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
