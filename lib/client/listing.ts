/**
 * Lists the active nodes, and the files on all of them.
 *
 * @module
 */

import { chooseContent, differ, type Offer } from "../content/choice.ts";
import { browseAll, type Browsed } from "./browsing.ts";
import type { Catalogue } from "./catalogue.ts";
import type { ClientEvent } from "./events.ts";
import type { ListedNode, NodeListing } from "./nodes.ts";
import { type ClientOptions, Peers } from "./peers.ts";

/** Options of {@linkcode listNodes}. */
export interface ListNodesOptions extends ClientOptions {
  /** Told on the way. */
  onEvent?: (event: ClientEvent) => void;
}

/** Options of {@linkcode listFiles}. */
export interface ListFilesOptions extends ListNodesOptions {
  /** Which names to list: a pattern, or all of them. */
  matches?: (name: string) => boolean;
  /** Names that are only counted, of those that do not match. */
  leavesOut?: (name: string) => boolean;
  /** What every name listed begins with. */
  prefix?: string;
  /** The nodes to ask, when they have been listed already. */
  nodes?: readonly ListedNode[];
}

/** A name, and what the nodes have under it. */
export interface FileListing {
  /** The name. */
  readonly name: string;
  /** Bytes of the content that would be fetched. */
  readonly size: number;
  /** When that was last written, in milliseconds since 1970. */
  readonly modifiedMs: number;
  /** Nodes that have a file of this name. */
  readonly nodeCount: number;
  /** Whether nodes have, or seem to have, different contents. */
  readonly differs: boolean;
  /** What each node offers. */
  readonly offers: readonly Offer[];
}

/**
 * The active nodes.
 *
 * @throws {Failure} of kind `relay` when the relay cannot be asked.
 */
export async function listNodes(
  options: ListNodesOptions,
): Promise<NodeListing> {
  await using peers = new Peers(options, options.onEvent ?? (() => {}));
  return await peers.list();
}

/**
 * The files on all active nodes, by name.
 *
 * @throws {Failure} of kind `relay` when the relay cannot be asked.
 */
export async function listFiles(
  options: ListFilesOptions,
): Promise<FileListing[]> {
  return [...await browseFiles(options)];
}

/** Files on nodes, by name. Each is made anew when it is read: there may be many. */
export class FileListings implements Iterable<FileListing> {
  readonly #catalogue: Catalogue;
  /** Nodes that were reached, and did not list all of their files. */
  readonly incomplete: readonly ListedNode[];

  /** Lists what nodes were found to offer. */
  constructor({ catalogue, incomplete }: Omit<Browsed, "sessions">) {
    this.#catalogue = catalogue;
    this.incomplete = incomplete;
  }

  /** Whether there is none. */
  get isEmpty(): boolean {
    return this.#catalogue.count === 0;
  }

  *[Symbol.iterator](): Generator<FileListing, void> {
    for (const { name, offers } of this.#catalogue) {
      yield listingOf(name, offers);
    }
  }
}

/**
 * As {@linkcode listFiles}, for more files than there should be objects.
 *
 * @throws {Failure} of kind `relay` when the relay cannot be asked.
 */
export async function browseFiles(
  options: ListFilesOptions,
): Promise<FileListings> {
  const tell = options.onEvent ?? (() => {});
  await using peers = new Peers(options, tell);
  const nodes = options.nodes ?? (await peers.list()).nodes;
  const { sessions, ...found } = await browseAll(peers, nodes, {
    prefix: options.prefix ?? "",
    matches: options.matches ?? (() => true),
    leavesOut: options.leavesOut,
    tell,
  });
  for (const session of sessions.values()) await session[Symbol.asyncDispose]();
  return new FileListings(found);
}

function listingOf(name: string, offers: readonly Offer[]): FileListing {
  const { groups } = chooseContent(offers, {}, { isFinal: true });
  const { size, modifiedMs } = groups[0]!;
  const differs = differ(groups);
  return { name, size, modifiedMs, nodeCount: offers.length, differs, offers };
}

/** By Unicode code point, so that it is the same on every machine. */
export function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
