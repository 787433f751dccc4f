/**
 * The files on all nodes at one moment, found by folder and by name.
 *
 * @module
 */

import { othersTurn } from "../base/waiting.ts";
import type { FileListing, FileListings } from "../client/listing.ts";
import type { ListedNode } from "../client/nodes.ts";
import type { PageEntry, PageNode } from "./page_model.ts";

// Files looked at between two turns of others: a few milliseconds.
const LOOKED_AT_ONCE = 1_000;

/** A list of all files. */
export interface Snapshot {
  readonly files: FileIndex;
  readonly nodes: readonly PageNode[];
  /** The same as the relay lists them, by id. */
  readonly listed: ReadonlyMap<string, ListedNode>;
  /** The relay's greeting. */
  readonly greeting: string;
  /** Whether all nodes listed all of their files. */
  readonly complete: boolean;
  /** Why no newer one could be made, if that was tried. */
  readonly problem?: string;
  /** When it was made, on the monotonic clock. */
  readonly at: number;
}

/** What a folder holds. */
export interface FolderContent {
  readonly entries: readonly PageEntry[];
  /** Entries in all. */
  readonly entryCount: number;
  /** Files in all, those of folders below included. */
  readonly fileCount: number;
}

/** Files by name and folder. */
export class FileIndex {
  readonly #files: FileListings;
  readonly #places: Uint32Array;

  /** Names that hide themselves are not listed. */
  constructor(files: FileListings) {
    this.#files = files;
    this.#places = Uint32Array.from(files.places());
  }

  /** Number of names. */
  get count(): number {
    return this.#places.length;
  }

  /** All files, by name. */
  *[Symbol.iterator](): Generator<FileListing, void> {
    for (const place of this.#places) yield this.#files.at(place);
  }

  /** All files in short, by name. */
  *briefs() {
    for (const place of this.#places) yield this.#files.briefAt(place);
  }

  /** The file of that name. */
  find(name: string): FileListing | undefined {
    const at = this.#firstFrom(name);
    const place = this.#places[at];
    return place !== undefined && this.#files.nameAt(place) === name
      ? this.#files.at(place)
      : undefined;
  }

  /**
   * The names under which a node has a content. It looks at all files, and
   * others have a turn meanwhile.
   */
  async namesWith(
    content: string,
    { most }: { readonly most: number },
  ): Promise<string[]> {
    const names: string[] = [];
    let count = 0;
    for (const { name, offers } of this) {
      if (offers.some((offer) => offer.content === content)) names.push(name);
      if (names.length === most) break;
      if (++count % LOOKED_AT_ONCE === 0) await othersTurn();
    }
    return names;
  }

  /** Whether there are files below a folder; its name ends in `/`. */
  hasFolder(folder: string): boolean {
    return this.#countBelow(folder) > 0;
  }

  /** Some of the entries of a folder: folders first, each part by name. */
  folder(
    folder: string,
    { skip = 0, most = Infinity }: { skip?: number; most?: number } = {},
  ): FolderContent {
    const folders: PageEntry[] = [];
    const places: number[] = [];
    for (const child of this.#childrenOf(folder)) {
      if (typeof child === "number") places.push(child);
      else folders.push(child);
    }
    const wanted = places.slice(
      Math.max(0, skip - folders.length),
      Math.max(0, skip + most - folders.length),
    );
    return {
      entries: [
        ...folders.slice(skip, skip + most),
        ...wanted.map((place) => this.#entryAt(place, folder)),
      ],
      entryCount: folders.length + places.length,
      fileCount: this.#countBelow(folder),
    };
  }

  /** All entries of a folder in the order of names, each made when it is read. */
  *entriesIn(folder: string): Generator<PageEntry, void> {
    for (const child of this.#childrenOf(folder)) {
      yield typeof child === "number" ? this.#entryAt(child, folder) : child;
    }
  }

  /** The places of the files in a folder, and entries of its folders, by name. */
  *#childrenOf(folder: string): Generator<number | PageEntry, void> {
    const [first, end] = this.#below(folder);
    for (let at = first; at < end;) {
      const place = this.#places[at]!;
      const rest = this.#files.nameAt(place).slice(folder.length);
      const slash = rest.indexOf("/");
      if (slash < 0) {
        yield place;
        at++;
        continue;
      }
      const name = rest.slice(0, slash);
      const count = this.#countBelow(`${folder}${name}/`);
      yield folderEntry(name, count);
      at += count;
    }
  }

  #entryAt(place: number, folder: string): PageEntry {
    const { name: whole, size, modifiedMs, nodes, differs } = this.#files
      .briefAt(place);
    const name = whole.slice(folder.length);
    const href = encodeSegment(name);
    return {
      ...{ name, href, size, modifiedMs, nodes, differs },
      isFolder: false,
      files: 1,
    };
  }

  /** The places below a folder: from the first, without the end. */
  #below(folder: string): [number, number] {
    if (folder === "") return [0, this.#places.length];
    // `0` follows `/`.
    const end = `${folder.slice(0, -1)}0`;
    return [this.#firstFrom(folder), this.#firstFrom(end)];
  }

  #countBelow(folder: string): number {
    const [first, end] = this.#below(folder);
    return end - first;
  }

  /** The first index whose name is not before `text`. */
  #firstFrom(text: string): number {
    let low = 0;
    let high = this.#places.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const name = this.#files.nameAt(this.#places[middle]!);
      if (compareCodePoints(name, text) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function folderEntry(name: string, files: number): PageEntry {
  const href = `${encodeSegment(name)}/`;
  return { name, href, isFolder: true, files, nodes: [], differs: false };
}

/** A component of a name in an address relative to its folder. */
export function encodeSegment(name: string): string {
  const encoded = encodeURIComponent(name);
  // `a:b` alone would be read as the scheme `a`.
  return encoded === "." || encoded === ".." ? `./${encoded}` : encoded;
}

/** The order of UTF-8, which is that of code points and not of UTF-16. */
function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const x = a.charCodeAt(at);
    const y = b.charCodeAt(at);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** Surrogates stand for the code points behind all others. */
function rank(unit: number): number {
  return unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}
