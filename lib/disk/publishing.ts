/**
 * The last steps of saving a file: its mode and time, its final name, and
 * making that name durable. Never replaces another file unless requested.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import { systemErrorCode } from "../base/errors.ts";
import { LIMITS } from "../base/limits.ts";
import { PARTIAL_SUFFIX } from "../base/names.ts";
import { isInode, type JudgedInode } from "./leftover_file.ts";

/** The properties of the saved file. */
export interface TargetOptions {
  /** Whether it may replace another file. */
  readonly overwrite: boolean;
  /** Time of writing to give it, in milliseconds since 1970. */
  readonly modifiedMs: number;
  /** Whether it is executable, as far as the umask allows. */
  readonly isExecutable?: boolean | undefined;
  /** Whether it must be durable before it counts as saved; true by default. */
  readonly sync?: boolean | undefined;
  /** The folder to which its path must lead, if that matters. */
  readonly folder?: JudgedInode | undefined;
}

/** The time of writing for a file: the peer's number, if a file can have it. */
export function writtenAt({ modifiedMs }: TargetOptions): number {
  const { fileTimeFirstMs, fileTimeLastMs } = LIMITS;
  const isKept = modifiedMs >= fileTimeFirstMs && modifiedMs <= fileTimeLastMs;
  return isKept ? modifiedMs : Date.now();
}

/** Gives a file its final name and removes the temporary one. */
export async function publish(
  from: string,
  to: string,
  { overwrite }: TargetOptions,
): Promise<void> {
  if (overwrite) return await Deno.rename(from, to);
  try {
    await Deno.link(from, to);
  } catch (error) {
    if (!hasNoLinks(error)) throw error;
    return await takePlace(from, to);
  }
  await Deno.remove(from).catch(ignoreNotFound);
}

/** Takes the place first, so that no other file can be overwritten. */
async function takePlace(from: string, to: string): Promise<void> {
  const place = await Deno.open(to, { write: true, createNew: true });
  const taken = await place.stat().finally(() => place.close());
  try {
    await Deno.rename(from, to);
  } catch (error) {
    const there = await Deno.lstat(to);
    if (there.size === 0 && isInode(there, taken)) await Deno.remove(to);
    throw error;
  }
}

/** Whether the disk has no hard links, as FAT has none. */
export function hasNoLinks(error: unknown): boolean {
  const code = systemErrorCode(error);
  return code === "EPERM" || code === "ENOTSUP" || code === "EOPNOTSUPP" ||
    code === "ENOSYS" || code === "EMLINK";
}

/** Modes of new files before the umask; never with setuid. */
const MADE_MODE = { plain: 0o666, executable: 0o777 } as const;

let mode: Promise<number> | undefined;
// Each retry means that another process does the same at this moment.
const MODE_TRIES = 10;

/**
 * The mode of new files in `folder`, plain or executable, after the umask.
 * Makes a file to find out, because asking Deno for the umask needs another
 * permission.
 */
export async function usualMode(
  folder: string,
  { isExecutable }: Pick<TargetOptions, "isExecutable"> = {},
): Promise<number> {
  mode ??= findMode(folder).catch((error) => {
    mode = undefined;
    throw error;
  });
  return await mode & (isExecutable ? MADE_MODE.executable : MADE_MODE.plain);
}

/** The mode that a new file at `path` gets. */
export async function modeFor(
  path: string,
  options: Pick<TargetOptions, "isExecutable">,
): Promise<number> {
  return await noMoreThanThere(path, await usualMode(dirname(path), options));
}

const OWNER = 0o700;
const OTHERS_READ = 0o044;

/**
 * A mode for the file at `path`: if it replaces a file, other users get no access
 * that they did not have to that. Who can read a file may also execute it.
 */
export async function noMoreThanThere(
  path: string,
  mode: number,
): Promise<number> {
  const there = await Deno.lstat(path).catch(() => undefined);
  if (!there?.isFile || there.mode === null) return mode;
  return mode & (OWNER | there.mode | (there.mode & OTHERS_READ) >> 2);
}

async function findMode(folder: string): Promise<number> {
  for (let tries = 1;; tries++) {
    // All runs use one name, so the next run removes what a killed run has
    // left. If another user's file cannot be removed, the last try uses a new
    // name.
    const own = tries === MODE_TRIES ? `-${crypto.randomUUID()}` : "";
    const path = join(folder, `.mode${own}${PARTIAL_SUFFIX}`);
    await Deno.remove(path).catch(ignore); // usually there is none
    try {
      using file = await Deno.open(path, {
        write: true,
        createNew: true,
        mode: MADE_MODE.executable,
      });
      await Deno.remove(path).catch(ignoreNotFound);
      return (await file.stat()).mode ?? 0o600;
    } catch (error) {
      const isAsked = error instanceof Deno.errors.AlreadyExists;
      if (!isAsked || tries === MODE_TRIES) throw error;
    }
  }
}

/**
 * Removes the partial name of a file that was published under its final name
 * too.
 */
export async function removePublished(
  partial: string,
  final: string,
): Promise<void> {
  try {
    const [before, after] = [
      await Deno.lstat(partial),
      await Deno.lstat(final),
    ];
    if (before.isFile && before.ino === after.ino && before.dev === after.dev) {
      await Deno.remove(partial);
    }
  } catch (error) {
    ignoreNotFound(error);
  }
}

/** Ignores that a file is gone: another process has removed it. */
export function ignoreNotFound(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

function ignore(): void {}
