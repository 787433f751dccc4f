/**
 * Files as a tree of folders, each with the sum of what is below it. Pure.
 *
 * @module
 */

import type { FileListing } from "../../client/listing.ts";
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
export type Row =
  | { readonly kind: "file"; readonly place: number; readonly depth: number }
  | {
    readonly kind: "folder";
    readonly folder: FolderSum;
    readonly depth: number;
    /** Whether its content follows. */
    readonly isOpen: boolean;
  };

/** The files that {@linkcode sumFolders} reads. */
export interface SummedFiles {
  at(place: number): Pick<FileListing, "name" | "size" | "modifiedMs">;
}

/**
 * Sums up files. Names are cut at the slashes after the first `start` code
 * units, which all names share.
 */
export function sumFolders(
  files: SummedFiles,
  places: Iterable<number>,
  { start = 0 }: { start?: number } = {},
): FolderSum {
  const root = emptyFolder("");
  for (const place of places) {
    const { name, size, modifiedMs } = files.at(place);
    let folder = root;
    add(folder, size, modifiedMs);
    let end = name.indexOf("/", start);
    for (; end >= 0; end = name.indexOf("/", end + 1)) {
      const path = name.slice(0, end);
      const next = folder.folders.get(path) ?? emptyFolder(path);
      folder.folders.set(path, next);
      folder = next;
      add(folder, size, modifiedMs);
    }
    folder.places.push(place);
  }
  return root;
}

function emptyFolder(name: string): FolderSum {
  const sums = { files: 0, bytes: 0, modifiedMs: -Infinity };
  return { name, ...sums, folders: new Map(), places: [] };
}

function add(folder: FolderSum, size: number, modifiedMs: number): void {
  folder.files++;
  folder.bytes += size;
  folder.modifiedMs = Math.max(folder.modifiedMs, modifiedMs);
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
): Generator<Row, void> {
  const folders = [...folder.folders.values()].map((folder) => ({
    row: { kind: "folder" as const, folder, depth },
    ...keysOf(folder.name, folder.bytes, folder.modifiedMs),
  }));
  const leaves = folder.places.map((place) => {
    const { name, size, modifiedMs } = files.at(place);
    const row = { kind: "file" as const, place, depth };
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
