/**
 * Lists the active nodes, and the files on all of them.
 *
 * @module
 */

import { chooseContent, differ, type Offer } from "../content/choice.ts";
import { browseAll, type Browsed, type BrowseOptions } from "./browsing.ts";
import { Candidates } from "./candidates.ts";
import type { Catalogue } from "./catalogue.ts";
import type { ClientEvent } from "./events.ts";
import type { IncompleteList } from "./list_failures.ts";
import type { ListedNode, NodeListing } from "./nodes.ts";
import { type ClientOptions, Peers } from "./peers.ts";
import type { TransferOptions, WantedNames } from "./transfer_options.ts";

/** Options of {@linkcode listNodes}. */
export interface ListNodesOptions extends ClientOptions {
  /** Called for every event. */
  onEvent?: (event: ClientEvent) => void;
}

/** Options of {@linkcode listFiles}. */
export interface ListFilesOptions
  extends
    ListNodesOptions,
    WantedNames,
    Pick<TransferOptions, "nodes" | "node" | "askAll" | "ignoreCase"> {
  /**
   * Adds a file to sums instead of listing it, and returns by how many bytes
   * the sums grew; if it returns `undefined`, the file is listed. Called only
   * if a single node is asked.
   */
  addUp?: (
    file: Pick<FileListing, "name" | "size" | "modifiedMs">,
  ) => number | undefined;
}

/** A name, with what the nodes have under it. */
export interface FileListing {
  /** The name. */
  readonly name: string;
  /** Bytes of the content that would be fetched. */
  readonly size: number;
  /** When that content was last written, in milliseconds since 1970. */
  readonly modifiedMs: number;
  /** Its content id, if it is known. */
  readonly content?: string;
  /** Nodes with a file of this name. */
  readonly nodeCount: number;
  /** Whether nodes have, or may have, different contents. */
  readonly differs: boolean;
  /** The offer of each node. */
  readonly offers: readonly Offer[];
}

/** Options of {@linkcode browseFiles}. */
export interface BrowseFilesOptions
  extends ListFilesOptions, Pick<BrowseOptions, "take"> {}

/** The parts of a file's listing that a table shows. */
export interface FileBrief {
  readonly name: string;
  readonly size: number;
  readonly modifiedMs: number;
  /** The ids of the nodes with a file of this name. */
  readonly nodes: readonly string[];
  readonly differs: boolean;
}

/**
 * Lists the active nodes.
 *
 * @throws {Failure} of kind `relay` if the relay cannot be asked.
 */
export async function listNodes(
  options: ListNodesOptions & {
    /** Whether to ask what the relay's index knows of each node. */
    readonly indexes?: boolean;
  },
): Promise<NodeListing> {
  await using peers = new Peers(options, options.onEvent ?? (() => {}));
  return await peers.list({ indexes: options.indexes });
}

/**
 * Lists the files on all active nodes, by name.
 *
 * @throws {Failure} of kind `relay` if the relay cannot be asked.
 */
export async function listFiles(
  options: ListFilesOptions,
): Promise<FileListing[]> {
  return [...await browseFiles(options)];
}

/**
 * Files on nodes, by name. Each object is made when it is read, because there
 * may be many.
 */
export class FileListings implements Iterable<FileListing> {
  readonly #catalogue: Catalogue;
  readonly #addedUpCount: number;
  /** Nodes that were reached but did not list all of their files. */
  readonly incomplete: readonly IncompleteList[];
  /** The nodes that were asked. */
  readonly nodes: readonly ListedNode[];
  /** Nodes that were not asked, because their indexes lack such names. */
  readonly unaskedCount: number;

  /** Wraps the offers of nodes. */
  constructor(
    { catalogue, incomplete, addedUpCount }: Omit<Browsed, "sessions">,
    { nodes, unaskedCount }: Candidates,
  ) {
    this.nodes = nodes;
    this.unaskedCount = unaskedCount;
    this.#catalogue = catalogue;
    this.#addedUpCount = addedUpCount;
    this.incomplete = incomplete;
  }

  /** Whether there are no files, neither listed nor in sums. */
  get isEmpty(): boolean {
    return this.#catalogue.count + this.#addedUpCount === 0;
  }

  *[Symbol.iterator](): Generator<FileListing, void> {
    for (const place of this.places()) yield this.at(place);
  }

  /** A number for each name, in the order of names. */
  places(): Iterable<number> {
    return this.#catalogue.places();
  }

  /** The name at a place. */
  nameAt(place: number): string {
    return this.#catalogue.nameAt(place);
  }

  /**
   * Adds the files in other listings of some nodes, by their ids, and sorts. Pauses
   * now and then.
   */
  *adding(
    other: FileListings | undefined,
    nodes: ReadonlySet<string>,
  ): Generator<void, void> {
    if (other !== undefined) {
      yield* this.#catalogue.addingFrom(other.#catalogue, nodes);
    }
    yield* this.#catalogue.sorting();
  }

  /** Whether one of the offers at a place has a content, given as bytes. */
  hasContentAt(place: number, content: Uint8Array): boolean {
    return this.#catalogue.hasContentAt(place, content);
  }

  /** A number for each name, numbers in names by their values. */
  naturalPlaces(): Uint32Array {
    return this.#catalogue.naturalPlaces();
  }

  /** The parts of the listing at a place that a table shows. */
  briefAt(place: number): FileBrief {
    const sole = this.#catalogue.soleAt(place);
    if (sole !== undefined) {
      const { name, size, modifiedMs, node } = sole;
      return { name, size, modifiedMs, nodes: [node], differs: false };
    }
    const { name, size, modifiedMs, differs, offers } = this.at(place);
    const nodes = offers.map(({ node }) => node);
    return { name, size, modifiedMs, nodes, differs };
  }

  /** The file at a place. */
  at(place: number): FileListing {
    const { name, offers } = this.#catalogue.entryAt(place);
    return listingOf(name, offers);
  }
}

/**
 * Like {@linkcode listFiles}, for so many files that objects would take too
 * much memory.
 *
 * @throws {Failure} of kind `relay` if the relay cannot be asked.
 */
export async function browseFiles(
  options: BrowseFilesOptions,
): Promise<FileListings> {
  const emit = options.onEvent ?? (() => {});
  await using peers = new Peers(options, emit);
  const { prefix = "", pattern } = options;
  const sought = { kind: "matching", prefix, pattern } as const;
  const candidates = await Candidates.of(peers, [sought], options);
  const { sessions, ...found } = await browseAll(peers, candidates.nodes, {
    prefix,
    matches: options.matches ?? (() => true),
    leavesOut: options.leavesOut,
    addUp: options.addUp,
    take: options.take,
    emit,
  });
  for (const session of sessions.values()) await session[Symbol.asyncDispose]();
  return new FileListings(found, candidates);
}

function listingOf(name: string, offers: readonly Offer[]): FileListing {
  const { groups } = chooseContent(offers, {}, { isFinal: true });
  const { size, modifiedMs, content } = groups[0]!;
  return {
    name,
    size,
    modifiedMs,
    ...(content === undefined ? {} : { content }),
    nodeCount: offers.length,
    differs: differ(groups),
    offers,
  };
}

/**
 * Compares by Unicode code point, so that the order is the same on every
 * machine.
 */
export function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
