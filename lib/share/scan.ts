/**
 * Scans a shared folder: stores the current state of a path in the table, and
 * records the reason for each entry that is not shared. Follows no link. Works
 * in pieces of a few milliseconds, and each step reads the current state of the
 * disk, so several scans may run at once.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import type { FileTable } from "./file_table.ts";
import { isShortage } from "../base/errors.ts";
import { LIMITS, type Limits } from "../base/limits.ts";
import { safeName } from "../base/names.ts";
import { readShortText } from "./opened_file.ts";
import { isOwnSecret, mayHoldOwnSecret } from "./own_secrets.ts";
import { fileOf, isSameStamp, type ShareFile, stampOf } from "./shared_file.ts";
import type { FolderIdentity } from "./root.ts";
import { lookAt, lookOften, Way } from "./way.ts";
import { whenRoom, type WhenRoomOptions } from "../base/shortage.ts";
import type { Skipped } from "./skipped.ts";
import { Turns } from "../base/turns.ts";

/** What is kept up to date. */
export interface Scan {
  /** The folder of the share. */
  readonly root: FolderIdentity;
  readonly table: FileTable;
  readonly skipped: Skipped;
  readonly limits: Limits;
  /** Ends a walk early. */
  readonly signal?: AbortSignal | undefined;
}

/** A name of the share, and where it lies on the disk. */
export interface NamedPath {
  readonly name: string;
  readonly path: string;
}

const STRETCH = 64;
const LOOK_STRETCH = 16; // 5 ms, where each has to be looked at often

/** Looks at every entry below a folder, which is `""` for the whole share. */
export async function walkFolder(
  { name, path }: NamedPath,
  scan: Scan,
): Promise<void> {
  const turns = new Turns(scan.limits.turnMs);
  const waiting: NamedPath[] = [{ name, path }];
  for (let folder = waiting.pop(); folder; folder = waiting.pop()) {
    const entries = await entriesOf(folder, scan);
    for (let from = 0; from < entries.length; from += LOOK_STRETCH) {
      if (scan.signal?.aborted) return;
      const stretch = entries.slice(from, from + LOOK_STRETCH);
      for (const found of lookAtEntries(folder, stretch, scan)) {
        if (!found.entry.isDirectory) await lookAtFile(found, scan);
        else if (isFolderShared(found.place, scan)) waiting.push(found.place);
        if (turns.isOver) await turns.give();
      }
    }
    if (turns.isOver) await turns.give();
  }
}

/** An entry of a folder, and what was seen at its path. */
interface FoundEntry {
  readonly place: NamedPath;
  readonly entry: { isSymlink: boolean; isFile: boolean; isDirectory: boolean };
  /** Missing where it was gone, or a link led there. */
  readonly info: Deno.FileInfo | undefined;
  readonly isUnreadable?: boolean;
}

/** Looks at some entries of a folder at once; only files are looked at. */
function lookAtEntries(
  folder: NamedPath,
  entries: readonly Deno.DirEntry[],
  { root }: Scan,
): FoundEntry[] {
  const way = new Way(root, folder.path);
  const lookAll = (look: (path: string) => Deno.FileInfo | undefined) =>
    entries.map((entry): FoundEntry => {
      const place = {
        name: folder.name === "" ? entry.name : `${folder.name}/${entry.name}`,
        path: join(folder.path, entry.name),
      };
      return entry.isFile
        ? { place, entry, ...infoBy(look, place.path) }
        : { place, entry, info: undefined };
    });
  const found = lookAll(Deno.lstatSync);
  return way.stayed() ? found : lookAll(lookOften);
}

/** What a look says of a path, and whether it could not look. */
function infoBy(
  look: (path: string) => Deno.FileInfo | undefined,
  path: string,
): Pick<FoundEntry, "info" | "isUnreadable"> {
  try {
    return { info: look(path) };
  } catch (error) {
    return { info: undefined, isUnreadable: !isGone(error) };
  }
}

/** Looks at one path, and at all below it where it is a folder. */
export async function lookAtPath(place: NamedPath, scan: Scan): Promise<void> {
  const { name, path } = place;
  scan.skipped.forget(path);
  const { info } = infoBy((path) => lookAt(scan.root, path), path);
  if (info === undefined) {
    scan.table.delete(nameOf(name));
    scan.skipped.forgetBelow(path);
    return await forgetGone(name, scan);
  }
  if (!isFolderShared(parentOf(place), scan)) return;
  if (!info.isDirectory) {
    await forgetGone(name, scan); // it may have been a folder
    if (!info.isFile) scan.table.delete(nameOf(name));
    return await lookAtFile({ place, entry: info, info }, scan);
  }
  scan.table.delete(nameOf(name)); // it may have been a file
  if (!isFolderShared(place, scan)) return;
  await walkFolder(place, scan);
  await forgetGone(name, scan);
}

/** Takes out of the table what was not seen since its last look began. */
export async function forgetUnseen({ table, limits }: Scan): Promise<void> {
  const turns = new Turns(limits.turnMs);
  let unseen = table.unseenFrom(0);
  for (; unseen !== undefined; unseen = table.unseenFrom(unseen.next)) {
    table.delete(unseen.name);
    if (turns.isOver) await turns.give();
  }
}

/** Takes out of the table what was below a folder and is there no more. */
async function forgetGone(
  folder: string,
  { table, limits }: Scan,
): Promise<void> {
  const prefix = `${nameOf(folder)}/`;
  const turns = new Turns(limits.turnMs);
  let after: string | undefined;
  for (;;) {
    const files = table.stretch({ prefix, after, most: STRETCH });
    if (files.length === 0) return;
    for (const { name, path } of files) {
      if (!isThere(path)) table.delete(name);
    }
    after = files.at(-1)!.name;
    if (turns.isOver) await turns.give();
  }
}

async function entriesOf(
  folder: NamedPath,
  scan: Scan,
): Promise<Deno.DirEntry[]> {
  const { skipped } = scan;
  try {
    // Whole, by a thread: an open folder that changes would be read twice.
    const read = () => Array.fromAsync(Deno.readDir(folder.path));
    return await whenRoom(read, roomFor(scan));
  } catch (error) {
    if (!isGone(error)) skipped.note(folder.path, "unreadable");
    return [];
  }
}

/** Whether there may be files below a folder that can be shared. */
function isFolderShared({ name, path }: NamedPath, { skipped }: Scan): boolean {
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

/** How a look waits for a file descriptor: it would take a file for gone. */
function roomFor({ limits, signal }: Scan): WhenRoomOptions {
  return { pauseMs: limits.acceptPauseMs, signal };
}

/** Takes up what was seen, at once or when there is a descriptor for it. */
function lookAtFile(found: FoundEntry, scan: Scan): Promise<void> | void {
  const look = () => lookAtFileNow(found, scan);
  try {
    return look();
  } catch (error) {
    if (!isShortage(error)) throw error;
    return whenRoom(look, roomFor(scan)).catch((again) => {
      if (!isShortage(again)) throw again; // else the look has been ended
    });
  }
}

function lookAtFileNow(
  { place: { name, path }, entry, info, isUnreadable }: FoundEntry,
  { table, skipped, limits }: Scan,
): void {
  const verdict = safeName(name);
  if (entry.isSymlink) return skipped.note(path, "link");
  if (!entry.isFile) return skipped.note(path, "special");
  if (verdict.kind === "refused") {
    return skipped.note(path, "name", verdict.rule);
  }
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
  else if (known === undefined && table.fileCount >= limits.shareFileCount) {
    skipped.note(path, "excess");
  } else return table.put(file);
  table.delete(file.name);
}

/**
 * Whether somebody put a key or token of this program into the share.
 *
 * @throws where no file descriptor is left to find out with.
 */
export function holdsOwnSecret({ path, size }: ShareFile): boolean {
  if (!mayHoldOwnSecret(size)) return false;
  try {
    return isOwnSecret(readShortText(path, size));
  } catch (error) {
    if (isShortage(error)) throw error; // it may be read later
    return false; // gone, or not to be read: then nobody gets it either
  }
}

/** Whether a file is at a path, and no link leads there. */
function isThere(path: string): boolean {
  try {
    return Deno.realPathSync(path) === path && Deno.lstatSync(path).isFile;
  } catch {
    return false;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound ||
    error instanceof Deno.errors.NotADirectory;
}

function parentOf({ name, path }: NamedPath): NamedPath {
  const end = name.lastIndexOf("/");
  return { name: end < 0 ? "" : name.slice(0, end), path: dirname(path) };
}

function nameOf(name: string): string {
  return name.normalize("NFC");
}
