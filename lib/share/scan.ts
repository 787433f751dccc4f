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
import { Skipped } from "./skipped.ts";
import { Turns } from "../base/turns.ts";

/** The state that a scan keeps up to date. */
export interface Scan {
  /** The shared folder; `null` for files that were named one by one. */
  readonly root: FolderIdentity | null;
  readonly table: FileTable;
  readonly skipped: Skipped;
  readonly limits: Limits;
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

const STRETCH = 64;
const LOOK_STRETCH = 16; // 5 ms, if each needs several looks

/** Scans every entry below a folder. */
export async function walkFolder(
  { name, path }: NamedPath,
  scan: Scan,
): Promise<void> {
  const turns = new Turns(scan.limits.turnMs);
  const waiting: NamedPath[] = [{ name, path }];
  for (let folder = waiting.pop(); folder; folder = waiting.pop()) {
    const entries = await entriesOf(folder, scan);
    for (let from = 0; from < entries.length;) {
      if (scan.signal?.aborted) return;
      const stretch = entries.slice(from, from + LOOK_STRETCH);
      for (const found of lookAtEntries(folder, stretch, scan)) {
        from++;
        const adding = found.entry.isDirectory
          ? void (isFolderShared(found.place, scan) &&
            waiting.push(found.place))
          : lookAtFile(found, scan);
        if (adding === undefined && !turns.isOver) continue;
        await adding;
        if (turns.isOver) await turns.give();
        break; // the rest may have been removed meanwhile: it is looked at anew
      }
    }
    if (turns.isOver) await turns.give();
  }
}

/** An entry of a folder, with the result of `lstat`. */
interface FoundEntry {
  readonly place: NamedPath;
  readonly entry: { isSymlink: boolean; isFile: boolean; isDirectory: boolean };
  /** Missing if the entry was gone, or a link led to it. */
  readonly info: Deno.FileInfo | undefined;
  readonly isUnreadable?: boolean;
}

/** Looks at some entries of a folder at once, but only at files. */
function lookAtEntries(
  folder: NamedPath,
  entries: readonly Deno.DirEntry[],
  { root }: Scan,
): FoundEntry[] {
  const way = root && new Way(root, folder.path);
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
  return way?.stayed() ? found : lookAll(lookOften);
}

/** The result of a look at a path, and whether a look was possible. */
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

/** Scans one path, and everything below it if it is a folder. */
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

/**
 * Looks at the path of one file, without reading a folder. It finds a file only
 * if its path equals its name: in NFC, and in the same case. It records no
 * reasons, because a scan does.
 */
export async function lookAtName(place: NamedPath, scan: Scan): Promise<void> {
  const { path } = place;
  // By a thread: most are not there, and a disk may be slow.
  if (!await Deno.lstat(path).catch(() => undefined)) return;
  const { info } = infoBy((path) => lookAt(scan.root, path), path);
  if (!info?.isFile || !isThere(path)) return;
  const unrecorded = { ...scan, skipped: new Skipped(0) };
  const look = () => lookAtFileNow({ place, entry: info, info }, unrecorded);
  const mostMs = scan.limits.shortageMs;
  await whenRoom(look, { ...roomFor(scan), mostMs }).catch((error) => {
    if (!isShortage(error)) throw error; // else it is not found
  });
  if (scan.table.named(place.name)?.path === path) scan.skipped.forget(path);
}

/** Looks at a file that its owner named, and at nothing around it. */
export async function lookAtLoneFile(
  place: NamedPath,
  scan: Scan,
): Promise<void> {
  const { name, path } = place;
  scan.skipped.forget(path);
  const { info } = infoBy((path) => lookAt(null, path), path);
  if (!info?.isFile) return scan.table.delete(name);
  await lookAtFile({ place, entry: info, info }, scan);
}

/** Removes from the table what the last scan did not see. */
export async function forgetUnseen({ table, limits }: Scan): Promise<void> {
  const turns = new Turns(limits.turnMs);
  let unseen = table.unseenFrom(0);
  for (; unseen !== undefined; unseen = table.unseenFrom(unseen.next)) {
    table.delete(unseen.name);
    if (turns.isOver) await turns.give();
  }
}

/** Removes from the table what was below a folder and is gone. */
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
    // Reads the whole folder in a thread. An open folder that changes could
    // return an entry twice.
    const read = () => Array.fromAsync(Deno.readDir(folder.path));
    return await whenRoom(read, roomFor(scan));
  } catch (error) {
    if (!isGone(error)) skipped.note(folder.path, "unreadable");
    return [];
  }
}

/** Whether a folder may contain files that can be shared. */
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

/**
 * How a scan waits for a file descriptor. Without waiting it would take a file
 * for gone.
 */
function roomFor({ limits, signal }: Scan): WhenRoomOptions {
  return { pauseMs: limits.acceptPauseMs, signal };
}

/**
 * Adds a found file: at once, or when a descriptor is free, as it is then.
 */
function lookAtFile(found: FoundEntry, scan: Scan): Promise<void> | void {
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

function lookAtFileNow(
  { place: { name, path }, entry, info, isUnreadable }: FoundEntry,
  { table, skipped, isFull }: Scan,
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
  else if (known === undefined && isFull()) {
    skipped.note(path, "excess");
  } else return table.put(file);
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
