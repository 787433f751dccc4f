/**
 * What a node shares: one folder without a prefix, or several folders and
 * files, each under its own name. Finds out which are folders, and refuses
 * names that would clash.
 *
 * @module
 */

import {
  describeCause,
  Failure,
  isShortage,
  localKindOf,
} from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import { safeName } from "../base/names.ts";
import { grantRemedy, requireAccess } from "../base/permission.ts";
import { type FolderIdentity, folderIdentity } from "./root.ts";
import { show } from "../base/text.ts";

/** A folder or a file to share. */
export interface SharedPath {
  /** Its path. */
  readonly path: string;
  /**
   * Its name in the share, or the first part of the names below it; by default
   * the last part of its path, and nothing for a single folder.
   */
  readonly name?: string;
}

/** A folder to share, found. */
export interface SharedFolder {
  readonly kind: "folder";
  /** The first part of the names below it; empty for a single folder. */
  readonly name: string;
  /** Its path, as the caller gave it. */
  readonly given: string;
  readonly folder: FolderIdentity;
}

/** A file to share, found. */
export interface SingleFile {
  readonly kind: "file";
  readonly name: string;
  readonly given: string;
  /** Its path without links. */
  readonly path: string;
}

/**
 * Finds the files and folders to share.
 *
 * @throws {Failure} of kind `local` or `not_allowed` if something is neither a
 * folder nor a file or cannot be read, of kind `usage` if two have one name or
 * one folder lies in another.
 */
export async function resolvePaths(
  paths: readonly SharedPath[],
  limits: Limits,
): Promise<(SharedFolder | SingleFile)[]> {
  if (paths.length === 0) throw new TypeError("There is nothing to share");
  if (paths.length > limits.sharePathCount) {
    throw new Failure("usage", {
      what: `Cannot share ${paths.length} folders and files`,
      why: `a node takes ${limits.sharePathCount}`,
      remedy: "share a folder that holds them",
    });
  }
  const isAlone = paths.length === 1;
  const found: (SharedFolder | SingleFile)[] = [];
  for (const path of paths) found.push(await resolve(path, isAlone));
  refuseTwins(found);
  refuseNested(found);
  return found;
}

async function resolve(
  { path: given, name }: SharedPath,
  isAlone: boolean,
): Promise<SharedFolder | SingleFile> {
  let path = given;
  try {
    requireAccess(given, "read");
    path = await Deno.realPath(given);
    requireAccess(path, "read"); // elsewhere if `given` is a link
    if ((await Deno.lstat(path)).isFile) {
      return {
        kind: "file",
        name: nameFor(given, { name, path }),
        given,
        path,
      };
    }
    const folder = await folderIdentity(given);
    const isWhole = isAlone && name === undefined;
    const own = isWhole ? "" : nameFor(given, { name, path });
    return { kind: "folder", name: own, given, folder };
  } catch (error) {
    if (error instanceof Failure || isShortage(error)) throw error;
    throw new Failure(localKindOf(error), {
      what: "Cannot share folder",
      where: show(given),
      why: describeCause(error),
      remedy: error instanceof Deno.errors.NotCapable
        ? grantRemedy([given, path], "read")
        : "name a folder that exists and can be read",
      cause: error,
    });
  }
}

/** The name of a folder or file in the share, or the first part of names. */
function nameFor(
  given: string,
  { name, path }: { name: string | undefined; path: string },
): string {
  // The last part of what was typed, which may be a link; `.` has none.
  const typed = /^\.{0,2}$/.test(lastPart(given)) ? path : given;
  const wanted = name ?? lastPart(typed);
  const verdict = safeName(wanted);
  if (verdict.kind === "safe" && !wanted.includes("/")) return verdict.name;
  throw new Failure("usage", {
    what: "Cannot share",
    where: show(given),
    why: verdict.kind === "refused"
      ? `${verdict.rule}, and it would be called ${show(wanted)}`
      : "its name in the share must have one part",
    remedy: "share it under another name: NAME=PATH",
  });
}

function refuseTwins(found: readonly (SharedFolder | SingleFile)[]): void {
  const byName = new Map<string, string>();
  for (const { name, given } of found) {
    const other = byName.get(name);
    if (other !== undefined) {
      throw new Failure("usage", {
        what: "Cannot share",
        where: show(given),
        why: `it would be called ${show(name)}, as ${show(other)} is`,
        remedy: "share one of them under another name: NAME=PATH",
      });
    }
    byName.set(name, given);
  }
}

/** The system does not watch a folder twice. */
function refuseNested(found: readonly (SharedFolder | SingleFile)[]): void {
  const folders = found.filter((path) => path.kind === "folder");
  for (const { given, folder } of folders) {
    const around = folders.find((other) =>
      other.folder !== folder && isBelow(folder.path, other.folder.path)
    );
    if (around === undefined) continue;
    throw new Failure("usage", {
      what: "Cannot share",
      where: show(given),
      why: `it lies in ${show(around.given)}, which is shared too`,
      remedy: "share only the outer one",
    });
  }
}

/** Whether a path is that of a folder, or of something below it. */
export function isBelow(path: string, folder: string): boolean {
  return path === folder ||
    path.startsWith(/[/\\]$/.test(folder) ? folder : `${folder}/`) ||
    path.startsWith(`${folder}\\`);
}

function lastPart(path: string): string {
  return /[^/\\]+(?=[/\\]*$)/.exec(path)?.[0] ?? "";
}
