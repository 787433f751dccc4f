/**
 * A found entry of a shared folder: whether it can be shared, and why not. Puts a
 * file into the table, with the state that the disk has at that moment.
 *
 * @module
 */

import { isShortage } from "../base/errors.ts";
import type { Exclusions } from "./exclusions.ts";
import type { FileTable } from "./file_table.ts";
import { LIMITS, type Limits } from "../base/limits.ts";
import { safeName } from "../base/names.ts";
import { readShortText } from "./opened_file.ts";
import { isOwnSecret, mayHoldOwnSecret } from "./own_secrets.ts";
import type { RiskyNames } from "./risky_names.ts";
import type { FolderIdentity } from "./root.ts";
import { fileOf, isSameStamp, type ShareFile, stampOf } from "./shared_file.ts";
import { whenRoom, type WhenRoomOptions } from "../base/shortage.ts";
import { lookAt } from "./folder_path.ts";
import type { Skipped } from "./skipped.ts";

/** The state that a scan keeps up to date. */
export interface Scan {
  /** The shared folder; `null` for files that were named one by one. */
  readonly root: FolderIdentity | null;
  readonly table: FileTable;
  readonly skipped: Skipped;
  readonly exclusions: Exclusions;
  readonly risks: RiskyNames;
  readonly limits: Limits;
  /** Called when the disk fails: a later scan may see more. */
  readonly onTrouble: () => void;
  /** Whether the share holds as many files as it may. */
  readonly isFull: () => boolean;
  /** Stops a scan early. */
  readonly signal?: AbortSignal | undefined;
}

/** A name in the share, with its path on the disk. `""` is the whole share. */
export interface NamedPath {
  readonly name: string;
  readonly path: string;
}

/** An entry of a folder, with the result of `lstat`. */
export interface FoundEntry {
  readonly place: NamedPath;
  readonly entry: { isSymlink: boolean; isFile: boolean; isDirectory: boolean };
  /** Missing if the entry no longer existed, or a link led to it. */
  readonly info: Deno.FileInfo | undefined;
  readonly isUnreadable?: boolean;
  /** Whether the disk has failed, so that the next look may find it. */
  readonly isTrouble?: boolean;
}

/** The result of a look at a path, and whether a look was possible. */
export function infoBy(
  look: (path: string) => Deno.FileInfo | undefined,
  path: string,
): Pick<FoundEntry, "info" | "isUnreadable" | "isTrouble"> {
  try {
    return { info: look(path) };
  } catch (error) {
    return {
      info: undefined,
      isUnreadable: !isMissing(error),
      isTrouble: isTrouble(error),
    };
  }
}

/** Whether a folder may contain files that can be shared. */
export function isFolderShared(
  { name, path }: NamedPath,
  { skipped }: Scan,
): boolean {
  if (name === "") return true;
  const verdict = safeName(name);
  if (verdict.kind === "safe") {
    if (name.split("/").length < LIMITS.nameDepthCount) return true;
    skipped.note(path, "deep");
    return false;
  }
  skipped.note(path, "name", verdict.rule);
  return false;
}

/**
 * How a scan waits for a file descriptor. Without waiting it would treat a file
 * as gone.
 */
export function roomFor({ limits, signal }: Scan): WhenRoomOptions {
  return { pauseMs: limits.acceptPauseMs, signal };
}

/**
 * Adds a found file with its current state: at once, or when a descriptor is
 * free.
 */
export function lookAtFile(
  found: FoundEntry,
  scan: Scan,
): Promise<void> | void {
  try {
    return lookAtFileNow(found, scan);
  } catch (error) {
    if (!isShortage(error)) throw error;
    const { path } = found.place;
    const seen = () => infoBy((path) => lookAt(scan.root, path), path);
    const look = () => lookAtFileNow({ ...found, ...seen() }, scan);
    return whenRoom(look, roomFor(scan)).catch((again) => {
      if (!isShortage(again)) throw again; // otherwise the scan was stopped
    });
  }
}

export function lookAtFileNow(
  { place: { name, path }, entry, info, isUnreadable, isTrouble }: FoundEntry,
  { table, skipped, isFull, risks, onTrouble }: Scan,
): void {
  const verdict = safeName(name);
  if (entry.isSymlink) return skipped.note(path, "link");
  if (!entry.isFile) return skipped.note(path, "special");
  if (verdict.kind === "refused") {
    return skipped.note(path, "name", verdict.rule);
  }
  if (isTrouble) onTrouble();
  if (isUnreadable) return skipped.note(path, "unreadable");
  if (info === undefined) return;
  const known = table.named(verdict.name);
  if (known !== undefined && known.path !== path && isThere(known.path)) {
    return skipped.note(path, "clash");
  }
  if (known?.path === path && isSameStamp(known, stampOf(info))) {
    return table.see(known.name);
  }
  const file = fileOf(info, { name: verdict.name, path });
  if (file === undefined) return;
  if (file.size > LIMITS.fileBytes) skipped.note(path, "large");
  else if (holdsOwnSecret(file)) skipped.note(path, "secret");
  else if (known === undefined && isFull()) {
    skipped.note(path, "excess");
  } else {
    if (known === undefined) risks.noteFile(file.name);
    return table.put(file);
  }
  table.delete(file.name);
}

/**
 * Whether a file in the share holds a key or token of this program.
 *
 * @throws if no file descriptor is free.
 */
export function holdsOwnSecret({ path, size }: ShareFile): boolean {
  if (!mayHoldOwnSecret(size)) return false;
  try {
    return isOwnSecret(readShortText(path, size));
  } catch (error) {
    if (isShortage(error)) throw error; // it may be readable later
    return false; // gone, or not readable: nobody can fetch it either
  }
}

/** Whether there is a file at a path, and no link leads to it. */
export function isThere(path: string): boolean {
  try {
    return Deno.realPathSync(path) === path && Deno.lstatSync(path).isFile;
  } catch {
    return false;
  }
}

/**
 * Whether a file is no longer where it was found, or a link leads there. A disk
 * that fails says nothing about that.
 */
export function isRemoved(path: string): boolean {
  try {
    return Deno.realPathSync(path) !== path || !Deno.lstatSync(path).isFile;
  } catch (error) {
    return !isTrouble(error);
  }
}

/** Whether an error says nothing about the file: the next look may find it. */
export function isTrouble(error: unknown): boolean {
  return !isMissing(error) &&
    !(error instanceof Deno.errors.PermissionDenied) &&
    !(error instanceof Deno.errors.FilesystemLoop);
}

export function isMissing(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound ||
    error instanceof Deno.errors.NotADirectory;
}

export function nameOf(name: string): string {
  return name.normalize("NFC");
}
