/**
 * Asks nodes for lists of all their files, some nodes at a time. It stops a
 * node that lists too slowly, or lists more than fits. The files listed so far
 * count, and the other nodes continue.
 *
 * @module
 */

import { isBug } from "../base/errors.ts";
import { LIMITS } from "../base/limits.ts";
import type { ListedFile } from "../protocol/messages.ts";
import { safeName } from "../base/names.ts";
import { counted } from "../base/text.ts";
import { Turns } from "../base/turns.ts";
import type { NodeSession } from "../transfer/session.ts";
import { Catalogue, isVersion, type Offerer } from "./catalogue.ts";
import { answerOf, type ClientEvent } from "./events.ts";
import { ListingClock, Stopped } from "./listing_clock.ts";
import type { ListedNode } from "./nodes.ts";
import type { Peers } from "./peers.ts";
import { votesAs } from "./votes.ts";

/** Options of {@linkcode browseAll}. */
export interface BrowseOptions {
  /** What every name wanted begins with. */
  readonly prefix: string;
  /** Which names are wanted. */
  readonly matches: (name: string) => boolean;
  /** Names that a person might have meant too: they are only counted. */
  readonly leavesOut?: ((name: string) => boolean) | undefined;
  /** Told on the way. */
  readonly tell: (event: ClientEvent) => void;
}

/** What all nodes offer, and the sessions in which they said so. */
export interface Browsed {
  /** What is offered, by name. */
  readonly catalogue: Catalogue;
  /** Sessions by node id. The caller disposes of them. */
  readonly sessions: Map<string, NodeSession>;
  /** Nodes that were reached, and did not list all of their files. */
  readonly incomplete: readonly ListedNode[];
}

/** Asks all nodes for their files, some nodes at a time. */
export async function browseAll(
  peers: Peers,
  nodes: readonly ListedNode[],
  options: BrowseOptions,
): Promise<Browsed> {
  const browsing = new Browsing(peers, options);
  using _telling = browsing.tellNowAndThen(nodes);
  await peers.turns.each(nodes, (node) => browsing.browse(node));
  browsing.tellLeftOut();
  await browsing.sort();
  return browsing;
}

const TELL_MS = 1_000;

class Browsing implements Browsed {
  readonly catalogue = new Catalogue();
  readonly sessions = new Map<string, NodeSession>();
  readonly incomplete: ListedNode[] = [];
  readonly #peers: Peers;
  readonly #options: BrowseOptions;
  /** Nodes that are listing now. */
  readonly #listing = new Set<ListedNode>();
  #doneCount = 0;
  /** Bytes of the catalogue. */
  #bytes = 0;
  readonly #leftOut = new Set<string>();
  /** What comes without a pause would give timers, and others, no turn. */
  readonly #turns: Turns;

  constructor(peers: Peers, options: BrowseOptions) {
    this.#peers = peers;
    this.#options = options;
    this.#turns = new Turns(peers.limits.turnMs);
  }

  /** Takes what one node lists; what goes wrong is told, and never thrown. */
  async browse(node: ListedNode): Promise<void> {
    const { tell } = this.#options;
    this.#listing.add(node);
    try {
      await this.#list(node);
    } catch (error) {
      this.#peers.options.signal?.throwIfAborted();
      if (isBug(error)) throw error;
      const isStopped = error instanceof Stopped;
      if (this.sessions.has(node.id)) this.incomplete.push(node);
      const answer = answerOf(error);
      tell({
        event: "node_trouble",
        node,
        kind: isStopped ? "slow" : "broke_off",
        stage: answer.kind === "unreachable" ? answer.stage : "ask",
        cause: isStopped ? error.message : answer.cause,
        out: true,
      });
    } finally {
      this.#listing.delete(node);
      this.#doneCount++;
    }
  }

  async #list(node: ListedNode): Promise<void> {
    const { limits, options: { signal: person } } = this.#peers;
    using clock = new ListingClock(limits);
    const signal = person === undefined
      ? clock.signal
      : AbortSignal.any([clock.signal, person]);
    const { session } = await this.#peers.open(node, { signal })
      .catch((error) => {
        throw clock.signal.aborted ? clock.signal.reason : error;
      });
    this.sessions.set(node.id, session);
    clock.signal.addEventListener(
      "abort",
      () => session.abort(clock.signal.reason),
    );
    const from = { node: node.id, votesAs: votesAs(node.id, session) };
    const taking = { from, count: 0, bytes: 0 };
    for await (const files of session.browse(this.#options.prefix)) {
      clock.came(files);
      for (const file of files) this.#take(file, taking);
      if (this.#turns.isOver) await this.#turns.give();
    }
  }

  /** Takes one file of a node, of which `taking` counts what came before. */
  #take(
    file: ListedFile,
    taking: { readonly from: Offerer; count: number; bytes: number },
  ): void {
    const { matches, leavesOut } = this.#options;
    const { listingCount, listingBytes, listingNodeBytes } = this.#peers.limits;
    if (++taking.count > listingCount) {
      throw new Stopped(`it lists more than ${listingCount} files`);
    }
    if (!isListed(file)) return;
    if (!matches(file.name)) {
      if (leavesOut?.(file.name)) this.#leaveOut(file.name);
      return;
    }
    if (this.#bytes >= listingBytes) {
      throw new Stopped("all nodes together list more than there is room for");
    }
    const bytes = this.catalogue.add(taking.from, file);
    taking.bytes += bytes;
    this.#bytes += bytes;
    if (taking.bytes >= listingNodeBytes) {
      throw new Stopped(
        `it lists more than there is room for, after ${
          counted(taking.count, "file")
        }`,
      );
    }
  }

  /** Puts all names in order, and gives others their turn meanwhile. */
  async sort(): Promise<void> {
    for (const _ of this.catalogue.sorting()) {
      if (this.#turns.isOver) await this.#turns.give();
      this.#peers.options.signal?.throwIfAborted();
    }
  }

  #leaveOut(name: string): void {
    if (this.#leftOut.size < MOST_LEFT_OUT) this.#leftOut.add(name);
  }

  /** Tells how many names were left out. */
  tellLeftOut(): void {
    const names = this.#leftOut.size;
    if (names > 0) this.#options.tell({ event: "names_left_out", names });
  }

  /** Tells how far the listing is, until disposed of. */
  tellNowAndThen(nodes: readonly ListedNode[]): Disposable {
    const timer = setInterval(() => {
      this.#options.tell({
        event: "listing",
        files: this.catalogue.count,
        nodes: this.#doneCount,
        nodeCount: nodes.length,
        waitingFor: [...this.#listing].map(({ name }) => name),
      });
    }, TELL_MS);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }
}

// Counted, to be told; nobody needs to know more exactly.
const MOST_LEFT_OUT = 10_000;

/** Whether a node's words describe a file that there can be. */
function isListed({ name, size, version }: ListedFile): boolean {
  const verdict = safeName(name);
  return verdict.kind === "safe" && verdict.name === name &&
    size <= LIMITS.fileBytes && isVersion(version);
}
