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
import { isShortage } from "../base/errors.ts";
import { Exclusions, IGNORE_FILE, type Rules } from "./exclusions.ts";
import {
  type FoundEntry,
  infoBy,
  isFolderShared,
  isMissing,
  isRemoved,
  isThere,
  isTrouble,
  lookAtFile,
  lookAtFileNow,
  type NamedPath,
  nameOf,
  roomFor,
  type Scan,
} from "./found_entry.ts";
import type { ShareFile } from "./shared_file.ts";
import { FolderPath, lookAt, lookOften } from "./folder_path.ts";
import { whenRoom } from "../base/shortage.ts";
import { Skipped } from "./skipped.ts";
import { Turns } from "../base/turns.ts";

const STRETCH = 64;
const LOOK_STRETCH = 16; // 5 ms, if each needs several looks

/**
 * Scans every entry below a folder; `around` are the rules of the folder around
 * it. Entries that are left out are removed from the table, too.
 */
export async function walkFolder(
  place: NamedPath,
  scan: Scan,
  around: Rules | null = null,
): Promise<void> {
  const turns = new Turns(scan.limits.turnMs);
  const { exclusions } = scan;
  let { version } = exclusions;
  let waiting: Waiting[] = [{ place, around }];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { place: folder } = next;
    await exclusions.ready();
    const entries = await entriesOf(folder, scan);
    if (version !== exclusions.version) {
      // All rules that were read are outdated.
      ({ version } = exclusions);
      waiting = waiting.map(({ place }) => ({ place, around: undefined }));
      next.around = undefined;
    }
    const rules = await rulesIn(folder, { scan, entries, around: next.around });
    if (rules === undefined) {
      await removeBelow(folder.name, scan);
      continue;
    }
    const inner = await lookInside(entries, { folder, rules, scan, turns });
    if (scan.signal?.aborted) return;
    for (const place of inner) waiting.push({ place, around: rules });
    if (version !== exclusions.version) waiting.push(next); // by the new rules
    if (turns.isOver) await turns.give();
  }
}

/**
 * Checks the entries of a folder with `rules`, until the rules change. Returns
 * the folders among the entries.
 */
async function lookInside(
  entries: readonly Deno.DirEntry[],
  { folder, rules, scan, turns }: {
    folder: NamedPath;
    rules: Rules | null;
    scan: Scan;
    turns: Turns;
  },
): Promise<NamedPath[]> {
  const { exclusions, signal } = scan;
  const { version } = exclusions;
  const folders: NamedPath[] = [];
  const addFolder = (place: NamedPath) => {
    if (!isFolderShared(place, scan)) return;
    scan.risks.noteFolder(place.name);
    folders.push(place);
  };
  for (let from = 0; from < entries.length; from += LOOK_STRETCH) {
    const stretch = entries.slice(from, from + LOOK_STRETCH);
    let rest = await included(stretch, { folder, rules, scan });
    while (rest.length > 0) {
      let lookedCount = 0;
      for (const found of lookAtEntries(folder, rest, scan)) {
        lookedCount++;
        const adding = found.entry.isDirectory
          ? addFolder(found.place)
          : lookAtFile(found, scan);
        if (adding === undefined && !turns.isOver) continue;
        await adding;
        if (turns.isOver) await turns.give();
        break; // the rest may have been removed: it is read again
      }
      if (signal?.aborted || version !== exclusions.version) return folders;
      rest = rest.slice(lookedCount);
    }
  }
  return folders;
}

/** A folder to be scanned. */
interface Waiting {
  readonly place: NamedPath;
  /** The rules around it; `undefined` if they have changed. */
  around: Rules | null | undefined;
}

/**
 * The rules in a folder; `undefined` if it is left out, or they cannot be read.
 */
async function rulesIn(
  folder: NamedPath,
  { scan, entries, around }: {
    scan: Scan;
    entries: readonly Deno.DirEntry[];
    around: Rules | null | undefined;
  },
): Promise<Rules | null | undefined> {
  if (around === undefined) {
    const found = await rulesAround(placeOf(IGNORE_FILE, folder), scan);
    return found.kind === "shared" ? found.rules : undefined;
  }
  if (!Exclusions.mayHaveOwn(entries)) return around;
  const read = () => scan.exclusions.inFolder(folder.path, around);
  const rules = await whenRoom(read, roomFor(scan)).catch((error) => {
    if (!isShortage(error)) throw error;
    return undefined; // the scan was stopped
  });
  if (rules === undefined) scan.skipped.note(folder.path, "rules");
  return rules;
}

/** The entries that are not left out; the others are noted. */
async function included(
  entries: readonly Deno.DirEntry[],
  { folder, rules, scan }: {
    folder: NamedPath;
    rules: Rules | null;
    scan: Scan;
  },
): Promise<Deno.DirEntry[]> {
  const kept: Deno.DirEntry[] = [];
  for (const entry of entries) {
    if (!scan.exclusions.mayExclude(entry.name, rules)) {
      kept.push(entry);
      continue;
    }
    const place = placeOf(entry.name, folder);
    const isOut = isLeftOut(place, {
      ...{ isFolder: entry.isDirectory, rules, scan },
    });
    if (!isOut) kept.push(entry);
    else if (entry.isDirectory) await removeBelow(place.name, scan);
    else scan.table.delete(nameOf(place.name));
  }
  return kept;
}

/** Whether an entry is left out; if so, it is noted. */
function isLeftOut(
  { name, path }: NamedPath,
  { isFolder, rules, scan }: {
    isFolder: boolean;
    rules: Rules | null;
    scan: Scan;
  },
): boolean {
  const why = scan.exclusions.of({ name, isFolder }, rules);
  if (why === undefined) return false;
  if (why.kind === "hidden") scan.skipped.note(path, "hidden");
  else scan.skipped.note(path, "excluded", why.rule);
  return true;
}

function placeOf(base: string, { name, path }: NamedPath): NamedPath {
  return {
    name: name === "" ? base : `${name}/${base}`,
    path: join(path, base),
  };
}

/** Checks some entries of a folder synchronously, but only files. */
function lookAtEntries(
  folder: NamedPath,
  entries: readonly Deno.DirEntry[],
  { root }: Scan,
): FoundEntry[] {
  const way = root && new FolderPath(root, folder.path);
  const lookAll = (look: (path: string) => Deno.FileInfo | undefined) =>
    entries.map((entry): FoundEntry => {
      const place = placeOf(entry.name, folder);
      return entry.isFile
        ? { place, entry, ...infoBy(look, place.path) }
        : { place, entry, info: undefined };
    });
  const found = lookAll(Deno.lstatSync);
  return way?.stayed() ? found : lookAll(lookOften);
}

/** Scans one path, and everything below it if it is a folder. */
export async function lookAtPath(place: NamedPath, scan: Scan): Promise<void> {
  const { name, path } = place;
  scan.skipped.forget(path);
  const { info, isTrouble } = infoBy((path) => lookAt(scan.root, path), path);
  if (isTrouble) return scan.onTrouble();
  if (info === undefined) {
    scan.table.delete(nameOf(name));
    scan.skipped.forgetBelow(path);
    return await forgetRemoved(name, scan);
  }
  const parent = parentOf(place);
  if (!isFolderShared(parent, scan)) return;
  const around = await rulesAround(place, scan);
  const rules = around.kind === "shared" ? around.rules : null;
  const { isDirectory: isFolder } = info;
  if (
    around.kind === "left_out" || isLeftOut(place, { isFolder, rules, scan })
  ) {
    scan.table.delete(nameOf(name));
    return await removeBelow(name, scan);
  }
  if (!isFolder) {
    await forgetRemoved(name, scan); // it may have been a folder
    if (!info.isFile) scan.table.delete(nameOf(name));
    return await lookAtFile({ place, entry: info, info }, scan);
  }
  scan.table.delete(nameOf(name)); // it may have been a file
  if (!isFolderShared(place, scan)) return;
  scan.risks.noteFolder(name);
  await walkFolder(place, scan, rules);
  await forgetRemoved(name, scan);
}

/**
 * Scans a folder whose `.p2pignore` has changed, and everything below it.
 */
export async function lookAtRules(
  place: NamedPath,
  scan: Scan,
): Promise<void> {
  scan.skipped.forgetBelow(place.path);
  if (place.path !== scan.root?.path) return await lookAtPath(place, scan);
  await walkFolder(place, scan);
}

/** The rules around an entry, or that it is left out with a folder. */
async function rulesAround(
  { name }: NamedPath,
  scan: Scan,
): Promise<Awaited<ReturnType<Exclusions["around"]>>> {
  const mostMs = scan.limits.shortageMs;
  const look = () => scan.exclusions.around(name);
  try {
    return await whenRoom(look, { ...roomFor(scan), mostMs });
  } catch (error) {
    if (!isShortage(error)) throw error;
    return { kind: "left_out" }; // the next scan finds out
  }
}

/**
 * Checks the path of one file, without reading a folder. It finds a file only
 * if its path equals its name: in NFC, and in the same case. It records no
 * reasons, because a scan does.
 */
export async function lookAtName(place: NamedPath, scan: Scan): Promise<void> {
  const { path } = place;
  // In a thread: most files do not exist, and a disk may be slow.
  if (!await Deno.lstat(path).catch(() => undefined)) return;
  const { info } = infoBy((path) => lookAt(scan.root, path), path);
  if (!info?.isFile || !isThere(path)) return;
  const unrecorded = { ...scan, skipped: new Skipped(0) };
  const around = await rulesAround(place, scan);
  if (around.kind === "left_out") return;
  const { rules } = around;
  if (isLeftOut(place, { isFolder: false, rules, scan: unrecorded })) return;
  const look = () => lookAtFileNow({ place, entry: info, info }, unrecorded);
  const mostMs = scan.limits.shortageMs;
  await whenRoom(look, { ...roomFor(scan), mostMs }).catch((error) => {
    if (!isShortage(error)) throw error; // otherwise it counts as not found
  });
  if (scan.table.named(place.name)?.path === path) scan.skipped.forget(path);
}

/** Checks a file that its owner named, and nothing around it. */
export async function lookAtSingleFile(
  place: NamedPath,
  scan: Scan,
): Promise<void> {
  const { name, path } = place;
  scan.skipped.forget(path);
  const { info } = infoBy((path) => lookAt(null, path), path);
  if (!info?.isFile) return scan.table.delete(name);
  await scan.exclusions.ready();
  // Its owner named it, so its name may begin with a dot.
  if (isLeftOut(place, { isFolder: false, rules: null, scan })) {
    return scan.table.delete(name);
  }
  await lookAtFile({ place, entry: info, info }, scan);
}

/**
 * Removes entries that the last scan did not find from the table, if they are
 * not there: a disk that fails lists nothing of a folder.
 */
export async function forgetUnseen(
  { table, limits, onTrouble }: Scan,
): Promise<void> {
  const turns = new Turns(limits.turnMs);
  let unseen = table.unseenFrom(0);
  for (; unseen !== undefined; unseen = table.unseenFrom(unseen.next)) {
    const { path } = table.named(unseen.name)!;
    if (isRemoved(path)) table.delete(unseen.name);
    else onTrouble();
    if (turns.isOver) await turns.give();
  }
}

/**
 * Removes entries elsewhere from the table: the path of the share leads to
 * another folder now, and the one before may still exist.
 */
export function forgetElsewhere(name: string, scan: Scan): Promise<void> {
  const below = join(scan.root!.path, "a").slice(0, -1);
  return removeBelow(name, scan, (file) => !file.path.startsWith(below));
}

/** Removes entries below a folder that no longer exist from the table. */
function forgetRemoved(folder: string, scan: Scan): Promise<void> {
  return removeBelow(folder, scan, ({ path }) => isRemoved(path));
}

/**
 * Removes entries below a folder from the table: all, or those that `isOut`
 * selects.
 */
async function removeBelow(
  folder: string,
  { table, limits }: Scan,
  isOut: (file: ShareFile) => boolean = () => true,
): Promise<void> {
  const prefix = folder === "" ? "" : `${nameOf(folder)}/`;
  const turns = new Turns(limits.turnMs);
  let after: string | undefined;
  for (;;) {
    const files = table.stretch({ prefix, after, most: STRETCH });
    if (files.length === 0) return;
    for (const file of files) if (isOut(file)) table.delete(file.name);
    after = files.at(-1)!.name;
    if (turns.isOver) await turns.give();
  }
}

async function entriesOf(
  folder: NamedPath,
  scan: Scan,
): Promise<Deno.DirEntry[]> {
  const { skipped, onTrouble } = scan;
  try {
    const read = () => Array.fromAsync(Deno.readDir(folder.path));
    return await whenRoom(read, roomFor(scan));
  } catch (error) {
    if (!isMissing(error)) skipped.note(folder.path, "unreadable");
    if (isTrouble(error)) onTrouble();
    // Its owner has taken the permission away.
    else if (!isMissing(error)) await removeBelow(folder.name, scan);
    return [];
  }
}

function parentOf({ name, path }: NamedPath): NamedPath {
  const end = name.lastIndexOf("/");
  return { name: end < 0 ? "" : name.slice(0, end), path: dirname(path) };
}
