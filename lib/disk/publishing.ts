/**
 * The last steps of saving a file: its mode and time, its final name, and
 * making that name durable. Never replaces another file unless requested.
 *
 * @module
 */

import { join } from "@std/path/join";
import { systemErrorCode } from "../base/errors.ts";
import { LIMITS } from "../base/limits.ts";
import { PARTIAL_SUFFIX } from "../base/names.ts";

/** What a file is to be once it is there. */
export interface TargetOptions {
  /** Whether it may replace another. */
  readonly overwrite: boolean;
  /** Time of writing to give it, in milliseconds since 1970. */
  readonly modifiedMs: number;
  /** Whether it can be run, by all whom the process's mask lets. */
  readonly isExecutable?: boolean | undefined;
  /** Whether it is durable before it counts as saved; by default it is. */
  readonly sync?: boolean | undefined;
}

/** Time of writing to give a file: a stranger's number, if a file can have it. */
export function writtenAt({ modifiedMs }: TargetOptions): number {
  const { fileTimeFirstMs, fileTimeLastMs } = LIMITS;
  const isKept = modifiedMs >= fileTimeFirstMs && modifiedMs <= fileTimeLastMs;
  return isKept ? modifiedMs : Date.now();
}

/** Gives a file its final name; it has no other after that. */
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
    // A place is taken before it is filled: nobody else's is.
    (await Deno.open(to, { write: true, createNew: true })).close();
    return await Deno.rename(from, to);
  }
  await Deno.remove(from).catch(ignoreGone);
}

/** Whether the disk has no hard links, as FAT has none. */
export function hasNoLinks(error: unknown): boolean {
  const code = systemErrorCode(error);
  return code === "EPERM" || code === "ENOTSUP" || code === "EOPNOTSUPP" ||
    code === "ENOSYS" || code === "EMLINK";
}

/** Makes the names in a folder durable, where the system can. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    using opened = await Deno.open(folder, { read: true });
    await opened.sync();
  } catch (error) {
    // Some systems open no folders; a disk that failed is another matter.
    if (systemErrorCode(error) === "EIO") throw error;
  }
}

/** Modes that new files are made with, before the mask: never with setuid. */
const MADE_MODE = { plain: 0o666, executable: 0o777 } as const;

let mode: Promise<number> | undefined;
// Each time another process has to ask at the same moment.
const MODE_TRIES = 10;

/**
 * The mode that files usually get in `folder`, the process's mask applied, or
 * those that can be run. Found by making one: asking for the mask needs a
 * permission of its own.
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

async function findMode(folder: string): Promise<number> {
  for (let tries = 1;; tries++) {
    // One name for all: what a killed run has left of it is removed by the next.
    // Where another user's cannot be, the last try has a name of its own.
    const own = tries === MODE_TRIES ? `-${crypto.randomUUID()}` : "";
    const path = join(folder, `.mode${own}${PARTIAL_SUFFIX}`);
    await Deno.remove(path).catch(ignore); // there is none, as a rule
    try {
      using file = await Deno.open(path, {
        write: true,
        createNew: true,
        mode: MADE_MODE.executable,
      });
      await Deno.remove(path).catch(ignoreGone);
      return (await file.stat()).mode ?? 0o600;
    } catch (error) {
      const isAsked = error instanceof Deno.errors.AlreadyExists;
      if (!isAsked || tries === MODE_TRIES) throw error;
    }
  }
}

/** Removes the partial name of a file that was published, and not parted from. */
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
    ignoreGone(error);
  }
}

/** Lets pass that a file is gone: another process has removed it. */
export function ignoreGone(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

function ignore(): void {}
