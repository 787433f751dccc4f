/**
 * What there is: the active nodes, and the files on all of them.
 *
 * @module
 */

import { chooseContent, differ, type Offer } from "../choice.ts";
import { isBug } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { ListedFile } from "../messages.ts";
import { safeName } from "../names.ts";
import type { NodeSession } from "../transfer/session.ts";
import { answerOf, type ClientEvent } from "./events.ts";
import type { ListedNode, NodeListing } from "./nodes.ts";
import { type ClientOptions, Peers } from "./peers.ts";
import { votesAs } from "./votes.ts";

/** Options of {@linkcode listNodes}. */
export interface ListNodesOptions extends ClientOptions {
  /** Told on the way. */
  onEvent?: (event: ClientEvent) => void;
}

/** Options of {@linkcode listFiles}. */
export interface ListFilesOptions extends ListNodesOptions {
  /** Which names to list: a pattern, or all of them. */
  matches?: (name: string) => boolean;
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
  const tell = options.onEvent ?? (() => {});
  await using peers = new Peers(options, tell);
  const nodes = options.nodes ?? (await peers.list()).nodes;
  const { offers, sessions } = await browseAll(peers, nodes, {
    prefix: options.prefix ?? "",
    matches: options.matches ?? (() => true),
    tell,
  });
  for (const session of sessions.values()) await session[Symbol.asyncDispose]();
  const names = [...offers.keys()].sort(compareNames);
  return names.map((name) => listingOf(name, offers.get(name)!));
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

/** What all nodes offer, and the sessions in which they said so. */
export interface Browsed {
  /** Offers by name. */
  readonly offers: Map<string, Offer[]>;
  /** Sessions by node id. The caller disposes of them. */
  readonly sessions: Map<string, NodeSession>;
}

/** Asks all nodes for their files, some nodes at a time. */
export async function browseAll(
  peers: Peers,
  nodes: readonly ListedNode[],
  { prefix, matches, tell }: {
    prefix: string;
    matches: (name: string) => boolean;
    tell: (event: ClientEvent) => void;
  },
): Promise<Browsed> {
  const browsed: Browsed = { offers: new Map(), sessions: new Map() };
  const { listingCount } = peers.limits;
  await peers.turns.each(nodes, async (node) => {
    try {
      const { session } = await peers.open(node);
      browsed.sessions.set(node.id, session);
      const from = { node: node.id, votesAs: votesAs(node.id, session) };
      let count = 0;
      for await (const files of session.browse(prefix)) {
        for (const file of files) {
          if (++count > listingCount) return;
          if (isListed(file) && matches(file.name)) {
            addOffer(browsed.offers, from, file);
          }
        }
      }
    } catch (error) {
      peers.options.signal?.throwIfAborted();
      if (isBug(error)) throw error;
      const answer = answerOf(error);
      tell({
        event: "node_trouble",
        node,
        kind: "broke_off",
        stage: answer.kind === "unreachable" ? answer.stage : "ask",
        cause: answer.cause,
        out: true,
      });
    }
  });
  return browsed;
}

/** Whether a node's words describe a file that there can be. */
function isListed({ name, size }: ListedFile): boolean {
  const verdict = safeName(name);
  return verdict.kind === "safe" && verdict.name === name &&
    size <= LIMITS.fileBytes;
}

function addOffer(
  offers: Map<string, Offer[]>,
  from: Pick<Offer, "node" | "votesAs">,
  { name, size, modifiedMs, version, content }: ListedFile,
): void {
  const offer = { ...from, size, modifiedMs, version, content };
  const others = offers.get(name);
  if (others === undefined) offers.set(name, [offer]);
  else if (others.every(({ node }) => node !== from.node)) others.push(offer);
}
