/**
 * The files on all nodes at one moment, found by folder and by name.
 *
 * @module
 */

import { firstNotBefore, putLast } from "../base/collections.ts";
import { othersTurn } from "../base/waiting.ts";
import type { FileListing, FileListings } from "../client/listing.ts";
import type { ListedNode } from "../client/nodes.ts";
import type { PageEntry, PageNode } from "./page_model.ts";

// Names looked at between two turns of others: a few milliseconds.
const LOOKED_AT_ONCE = 1_000;
// The same if only their contents are compared.
const COMPARED_AT_ONCE = 10_000;
// Folders whose entries are remembered: 4 bytes a file, 8 a folder.
const MOST_FOLDERS = 1_000;

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
  /** Nodes that have not listed all of their files yet. */
  readonly missing?: ReadonlySet<string>;
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

/** The entries of a folder, as indexes into the order of names. */
interface FolderPlaces {
  /** The first name below each folder, and the first one after it, in turn. */
  readonly folders: Uint32Array;
  /** The files. */
  readonly files: Uint32Array;
}

/** Files by name and folder. */
export class FileIndex {
  /** The same, by place. */
  readonly listings: FileListings;
  readonly #places: Uint32Array;
  readonly #folders = new Map<string, Promise<FolderPlaces>>();
  /** How many files each node has, by its id. */
  readonly counts: ReadonlyMap<string, number>;

  private constructor(
    files: FileListings,
    { places, counts }: {
      places: Uint32Array;
      counts: ReadonlyMap<string, number>;
    },
  ) {
    this.listings = files;
    this.#places = places;
    this.counts = counts;
  }

  /** The index of such files. Gives others a turn while it is made. */
  static async of(files: FileListings): Promise<FileIndex> {
    const places: number[] = [];
    const counts = new Map<string, number>();
    for (const place of files.places()) {
      if (places.push(place) % LOOKED_AT_ONCE === 0) await othersTurn();
      const { nodes } = files.briefAt(place);
      for (const id of nodes) counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    return new FileIndex(files, { places: Uint32Array.from(places), counts });
  }

  /** Number of names. */
  get count(): number {
    return this.#places.length;
  }

  /** All files, by name. */
  *[Symbol.iterator](): Generator<FileListing, void> {
    for (const place of this.#places) yield this.listings.at(place);
  }

  /** All files in short, by name. */
  *briefs() {
    for (const place of this.#places) yield this.listings.briefAt(place);
  }

  /** The file of that name. */
  find(name: string): FileListing | undefined {
    const at = this.#firstFrom(name);
    const place = this.#places[at];
    return place !== undefined && this.listings.nameAt(place) === name
      ? this.listings.at(place)
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
    const wanted = Uint8Array.fromHex(content);
    const names: string[] = [];
    let count = 0;
    for (const place of this.#places) {
      if (++count % COMPARED_AT_ONCE === 0) await othersTurn();
      if (!this.listings.hasContentAt(place, wanted)) continue;
      const { name, offers } = this.listings.at(place);
      if (offers.some((offer) => offer.content === content)) names.push(name);
      if (names.length === most) break;
    }
    return names;
  }

  /** Whether there are files below a folder; its name ends in `/`. */
  hasFolder(folder: string): boolean {
    const [first, end] = this.#below(folder);
    return first < end;
  }

  /**
   * Some of the entries of a folder: folders first, each part by name. Gives
   * others a turn during the search.
   */
  async folder(
    folder: string,
    { skip = 0, most = Infinity }: { skip?: number; most?: number } = {},
  ): Promise<FolderContent> {
    const [first, end] = this.#below(folder);
    const { folders, files } = await this.#placesIn(folder);
    const folderCount = folders.length / 2;
    const entries: PageEntry[] = [];
    const last = Math.min(skip + most, folderCount + files.length);
    for (let n = skip; n < last; n++) {
      entries.push(
        n < folderCount
          ? this.#folderAt(folders[2 * n]!, folders[2 * n + 1]!, folder)
          : this.#entryAt(this.#places[files[n - folderCount]!]!, folder),
      );
    }
    return {
      entries,
      entryCount: folderCount + files.length,
      fileCount: end - first,
    };
  }

  /** The entries of a folder, which many requests may want. */
  #placesIn(folder: string): Promise<FolderPlaces> {
    const places = this.#folders.get(folder) ?? this.#walk(folder);
    putLast(this.#folders, [folder, places], MOST_FOLDERS);
    return places;
  }

  async #walk(folder: string): Promise<FolderPlaces> {
    const folders: number[] = [];
    const files: number[] = [];
    let count = 0;
    for (const [at, after] of this.#childrenOf(folder)) {
      if (++count % LOOKED_AT_ONCE === 0) await othersTurn();
      if (after === undefined) files.push(at);
      else folders.push(at, after);
    }
    return {
      folders: Uint32Array.from(folders),
      files: Uint32Array.from(files),
    };
  }

  /** All entries of a folder in the order of names, each made when it is read. */
  *entriesIn(folder: string): Generator<PageEntry, void> {
    for (const [at, after] of this.#childrenOf(folder)) {
      yield after === undefined
        ? this.#entryAt(this.#places[at]!, folder)
        : this.#folderAt(at, after, folder);
    }
  }

  /** Files one by one, and folders, each with the index of its end. */
  *#childrenOf(folder: string): Generator<[at: number, after?: number], void> {
    const [first, end] = this.#below(folder);
    for (let at = first; at < end;) {
      const after = this.#entryEnd(at, { folder, end });
      yield after === undefined ? [at] : [at, after];
      at = after ?? at + 1;
    }
  }

  /**
   * Where the folder ends whose first name is at `at`; `undefined` if that is a
   * file. Most folders are small, so steps grow from there: to search among all
   * names would take longer for each.
   */
  #entryEnd(
    at: number,
    { folder, end }: { folder: string; end: number },
  ): number | undefined {
    const name = this.#nameAt(at);
    const slash = name.indexOf("/", folder.length);
    if (slash < 0) return undefined;
    const prefix = name.slice(0, slash + 1);
    let step = 1;
    while (at + step < end && this.#nameAt(at + step).startsWith(prefix)) {
      step *= 2;
    }
    return firstNotBefore(
      at + (step >> 1) + 1,
      Math.min(at + step, end),
      (place) => this.#nameAt(place).startsWith(prefix),
    );
  }

  #nameAt(at: number): string {
    return this.listings.nameAt(this.#places[at]!);
  }

  #folderAt(at: number, after: number, folder: string): PageEntry {
    const name = this.#nameAt(at);
    const base = name.slice(folder.length, name.indexOf("/", folder.length));
    return folderEntry(base, after - at);
  }

  #entryAt(place: number, folder: string): PageEntry {
    const { name: whole, size, modifiedMs, nodes, differs } = this.listings
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

  /** The first index whose name is not before `text`. */
  #firstFrom(text: string): number {
    return firstNotBefore(
      0,
      this.#places.length,
      (at) => compareCodePoints(this.#nameAt(at), text) < 0,
    );
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
