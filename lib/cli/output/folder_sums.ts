/**
 * Files as a tree of folders, each with the sum of what is below it. Pure.
 *
 * @module
 */

import { LIMITS } from "../../base/limits.ts";
import type { FileBrief } from "../../client/listing.ts";
import { compareText, naturalKey, type SortBy } from "./order.ts";

/** A folder, with the sums of everything below it. */
export interface FolderSum {
  /** The whole name, without a slash at its end; empty for the root. */
  readonly name: string;
  files: number;
  bytes: number;
  /** When the newest file was written, in milliseconds since 1970. */
  modifiedMs: number;
  readonly folders: Map<string, FolderSum>;
  /** Files directly in it, by their places. */
  readonly places: number[];
}

/** A row of a list: a file, or a folder. */
export type ListRow =
  | {
    readonly kind: "file";
    readonly place: number;
    readonly depth: number;
    /** Code units of the whole name of its folder. */
    readonly folderLength: number;
  }
  | {
    readonly kind: "folder";
    readonly folder: FolderSum;
    readonly depth: number;
    /** Whether its content follows. */
    readonly isOpen: boolean;
  };

/** The files that {@linkcode sumFolders} reads. */
export interface SummedFiles {
  briefAt(place: number): Pick<FileBrief, "name" | "size" | "modifiedMs">;
}

/** How to sum up files. */
export interface SumOptions {
  /** Code units at the start of all names that are not cut at slashes. */
  readonly start?: number;
  /** Files that were added up before, and have no place. */
  readonly deep?: DeepSums | undefined;
}

/** Files in folders. */
export interface SummedFolders {
  readonly root: FolderSum;
  /**
   * Files that are shown in a folder above their own, because the folders took
   * too many bytes.
   */
  readonly cutCount: number;
}

/** Sums up files. */
export function sumFolders(
  files: SummedFiles,
  places: Iterable<number>,
  { start = 0, deep }: SumOptions = {},
): SummedFolders {
  const tree = new Tree(start);
  for (const place of places) {
    const { name, size, modifiedMs } = files.briefAt(place);
    const sums = { files: 1, bytes: size, modifiedMs };
    tree.add(name, sums).places.push(place);
  }
  // They were counted when they arrived.
  for (const [path, sums] of deep ?? []) tree.add(`${path}/`, sums);
  return tree;
}

/** Folders below a root, as many as have room. */
class Tree implements SummedFolders {
  readonly root = emptyFolder("");
  cutCount = 0;
  readonly #start: number;
  #leftBytes: number = LIMITS.treeBytes;

  constructor(start: number) {
    this.#start = start;
  }

  /** Adds to all folders that lead to a name; returns the last of them. */
  add(name: string, sums: Sums): FolderSum {
    let folder = this.root;
    add(folder, sums);
    let isNew = false;
    let end = name.indexOf("/", this.#start);
    for (; end >= 0; end = name.indexOf("/", end + 1)) {
      const path = name.slice(0, end);
      let next = folder.folders.get(path);
      if (next === undefined) {
        // Their names are parts of one.
        const bytes = FOLDER_BYTES + (isNew ? 0 : 2 * name.length);
        if (bytes > this.#leftBytes) {
          this.cutCount += sums.files;
          return folder;
        }
        this.#leftBytes -= bytes;
        isNew = true;
        next = emptyFolder(path);
        folder.folders.set(path, next);
      }
      folder = next;
      add(folder, sums);
    }
    return folder;
  }
}

function emptyFolder(name: string): FolderSum {
  return { name, ...noSums(), folders: new Map(), places: [] };
}

/** Sums of files. */
type Sums = Pick<FolderSum, "files" | "bytes" | "modifiedMs">;

function noSums(): Sums {
  return { files: 0, bytes: 0, modifiedMs: -Infinity };
}

function add(to: Sums, { files, bytes, modifiedMs }: Sums): void {
  to.files += files;
  to.bytes += bytes;
  to.modifiedMs = Math.max(to.modifiedMs, modifiedMs);
}

// Memory of a folder without its name, in the map here and in the tree later.
const FOLDER_BYTES = 400;

/**
 * The sums of folders that are not opened, added up as their files arrive: a
 * million files take no room.
 */
export class DeepSums implements Iterable<[string, Sums]> {
  readonly #sums = new Map<string, Sums>();
  readonly #start: number;
  readonly #depth: number;

  /** For {@linkcode walk} with the same depth. */
  constructor({ start, depth }: { start: number; depth: number }) {
    this.#start = start;
    this.#depth = depth;
  }

  /**
   * Adds a file that lies in such a folder, and returns the bytes that this
   * takes; `undefined` for a file that has a row of its own.
   */
  add(
    { name, size, modifiedMs }: ReturnType<SummedFiles["briefAt"]>,
  ): number | undefined {
    let end = name.indexOf("/", this.#start);
    for (let depth = 1; depth < this.#depth && end >= 0; depth++) {
      end = name.indexOf("/", end + 1);
    }
    if (end < 0) return undefined;
    const path = name.slice(0, end);
    const known = this.#sums.get(path);
    const sums = known ?? noSums();
    add(sums, { files: 1, bytes: size, modifiedMs });
    if (known !== undefined) return 0;
    this.#sums.set(path, sums);
    return FOLDER_BYTES + 2 * name.length;
  }

  /** The folders by their whole names, without a slash at the end. */
  [Symbol.iterator](): Iterator<[string, Sums]> {
    return this.#sums.entries();
  }
}

/** How to walk through a tree. */
export interface WalkOptions {
  readonly sort: SortBy;
  readonly reverse: boolean;
  /** Folders below this depth are not opened; the root's content has depth 1. */
  readonly depth: number;
  /** Whether an opened folder has a row too. */
  readonly isTree: boolean;
}

/** The rows below a folder: each folder before its content. */
export function* walk(
  folder: FolderSum,
  files: SummedFiles,
  options: WalkOptions,
  depth = 1,
): Generator<ListRow, void> {
  const folders = [...folder.folders.values()].map((folder) => ({
    row: { kind: "folder" as const, folder, depth },
    ...keysOf(folder.name, folder.bytes, folder.modifiedMs),
  }));
  const leaves = folder.places.map((place) => {
    const { name, size, modifiedMs } = files.briefAt(place);
    const folderLength = folder.name.length;
    const row = { kind: "file" as const, place, depth, folderLength };
    return { row, ...keysOf(name, size, modifiedMs) };
  });
  const children = [...folders, ...leaves].sort((a, b) =>
    options.sort === "name"
      ? compareText(a.text, b.text)
      : b[options.sort] - a[options.sort] || compareText(a.text, b.text)
  );
  if (options.reverse) children.reverse();
  for (const { row } of children) {
    if (row.kind === "file") yield row;
    else {
      const isOpen = depth < options.depth;
      if (options.isTree || !isOpen) yield { ...row, isOpen };
      if (isOpen) yield* walk(row.folder, files, options, depth + 1);
    }
  }
}

function keysOf(name: string, size: number, date: number) {
  return { text: naturalKey(name), size, date };
}
