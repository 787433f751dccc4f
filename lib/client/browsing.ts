/**
 * Asks nodes for the lists of all their files, some nodes at a time. It stops a
 * node that lists too slowly, or lists more than fits. The files listed so far
 * count, and the other nodes continue.
 *
 * @module
 */

import { isBug } from "../base/errors.ts";
import { LIMITS, type Limits } from "../base/limits.ts";
import type { ListedFile } from "../protocol/messages.ts";
import { safeName } from "../base/names.ts";
import { counted } from "../base/text.ts";
import { Turns } from "../base/turns.ts";
import type { NodeSession } from "../transfer/session.ts";
import { Catalogue, type Offerer } from "./catalogue.ts";
import { isVersion } from "./catalogue_record.ts";
import { answerOf, type ClientEvent } from "./events.ts";
import type { IncompleteList } from "./list_failures.ts";
import { ListRoom } from "./list_room.ts";
import { ListingClock, Stopped } from "./listing_clock.ts";
import { distinctNames } from "./node_names.ts";
import type { ListedNode } from "./nodes.ts";
import type { Peers } from "./peers.ts";
import { votesAs } from "./votes.ts";

/** Options of {@linkcode browseAll}. */
export interface BrowseOptions {
  /** The start of all wanted names. */
  readonly prefix: string;
  /** Whether a name is wanted. */
  readonly matches: (name: string) => boolean;
  /**
   * Whether to count an unwanted name, because the user might have meant it.
   */
  readonly leavesOut?: ((name: string) => boolean) | undefined;
  /**
   * Adds a wanted file to sums instead of keeping it, and returns the bytes
   * that they grew by; `undefined` keeps the file. Called only if a single node
   * is asked, because several may have the same file.
   */
  readonly addUp?: ((file: ListedFile) => number | undefined) | undefined;
  /**
   * Takes the wanted files of each page instead of keeping them. A slow taker
   * does not count against the node.
   */
  readonly take?:
    | ((files: readonly ListedFile[], from: TakenFrom) => Promise<void>)
    | undefined;
  /** How long all lists may take together, instead of `listingMostMs` each. */
  readonly mostMs?: number | undefined;
  /** Whether to wait for a node's first scan although another has listed. */
  readonly isPatient?: boolean | undefined;
  /** Called at the start, with an object that shows the lists so far. */
  readonly begun?: ((underway: Underway) => void) | undefined;
  /** Called for every event. */
  readonly emit: (event: ClientEvent) => void;
}

/** The node that lists files which are taken. */
export interface TakenFrom {
  readonly id: string;
  /** Its name, which distinguishes it from the other nodes. */
  readonly name: string;
}

/** The offers of all nodes, and the sessions with them. */
export interface Browsed {
  /** The offers, by name. */
  readonly catalogue: Catalogue;
  /** Sessions by node id. The caller disposes of them. */
  readonly sessions: Map<string, NodeSession>;
  /** Nodes that were reached but did not list all of their files. */
  readonly incomplete: readonly IncompleteList[];
  /** Files that were added to sums, or taken. */
  readonly addedUpCount: number;
}

/** The lists before all nodes have finished. */
export interface Underway {
  /** Files so far. */
  readonly fileCount: number;
  /** Ids of the nodes that have not listed all of their files yet. */
  readonly missing: ReadonlySet<string>;
  /** A copy of the lists so far. */
  soFar(): Browsed;
}

/** Asks all nodes for their files, some nodes at a time. */
export async function browseAll(
  peers: Peers,
  nodes: readonly ListedNode[],
  options: BrowseOptions,
): Promise<Browsed> {
  const { addUp, ...others } = options;
  const browsing = new Browsing(peers, nodes, {
    ...others,
    addUp: nodes.length === 1 ? addUp : undefined,
  });
  using _reporting = browsing.reportNowAndThen();
  options.begun?.(browsing);
  try {
    await peers.turns.each(nodes, (node) => browsing.browse(node));
  } catch (error) {
    browsing.abort(error);
    throw error;
  }
  browsing.reportLeftOut();
  await browsing.sort();
  return browsing;
}

const TELL_MS = 1_000;

class Browsing implements Browsed, Underway {
  readonly catalogue = new Catalogue();
  readonly sessions = new Map<string, NodeSession>();
  readonly incomplete: IncompleteList[] = [];
  readonly #peers: Peers;
  readonly #names: ReadonlyMap<string, string>;
  readonly #options: BrowseOptions;
  readonly #startedAt = performance.now();
  /** Nodes that are listing now. */
  readonly #listing = new Set<ListedNode>();
  readonly #clocks = new Set<ListingClock>();
  /** Nodes that have listed all of their files. */
  readonly #listed = new Map<string, ListedNode>();
  #hasListed = false;
  #takingFailed = false;
  readonly missing: Set<string>;
  readonly #nodeCount: number;
  addedUpCount = 0;
  readonly #room: ListRoom;
  /** Nodes that lost a part of their lists, because others need the room. */
  readonly #cut = new Set<string>();
  readonly #leftOut = new Set<string>();
  /** Pages that arrive without a pause would give timers no turn. */
  readonly #turns: Turns;

  constructor(
    peers: Peers,
    nodes: readonly ListedNode[],
    options: BrowseOptions,
  ) {
    this.#peers = peers;
    this.#names = distinctNames(nodes);
    this.missing = new Set(nodes.map(({ id }) => id));
    this.#nodeCount = nodes.length;
    this.#options = options;
    this.#turns = new Turns(peers.limits.turnMs);
    this.#room = new ListRoom(this.catalogue, peers.limits.listingBytes);
  }

  /**
   * Takes the list of one node. Errors are reported as events, and never
   * thrown.
   */
  async browse(node: ListedNode): Promise<void> {
    this.#listing.add(node);
    try {
      await this.#list(node);
      this.#listed.set(node.id, node);
      if (this.#cut.has(node.id)) throw new Stopped(CUT);
    } catch (error) {
      this.#peers.options.signal?.throwIfAborted();
      if (isBug(error) || this.#takingFailed) throw error;
      this.#fail(node, error);
    } finally {
      this.#listing.delete(node);
      this.missing.delete(node.id);
    }
  }

  /** A node did not list all of its files, or not all of them are kept. */
  #fail(node: ListedNode, error: unknown): void {
    const isStopped = error instanceof Stopped;
    if (this.sessions.has(node.id)) this.incomplete.push({ node, error });
    // The end of its sessions is not reported then.
    if (isStopped) this.#peers.putOut(node.id);
    const answer = answerOf(error);
    this.#options.emit({
      event: "node_trouble",
      node,
      kind: isStopped ? "slow" : "broke_off",
      stage: answer.kind === "unreachable" ? answer.stage : "ask",
      cause: isStopped ? error.message : answer.cause,
      out: true,
    });
  }

  async #list(node: ListedNode): Promise<void> {
    const { signal: person } = this.#peers.options;
    using clock = new ListingClock(this.#clockLimits());
    if (this.#hasListed) clock.hurry();
    this.#clocks.add(clock);
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
    const { prefix } = this.#options;
    for await (const files of session.browse(prefix, () => clock.works())) {
      clock.arrived(files);
      const { take } = this.#options;
      const page = take && [];
      for (const file of files) this.#take(file, taking, page);
      if (page !== undefined && page.length > 0) {
        const name = this.#names.get(node.id)!;
        await clock.hold(this.#hand(take!(page, { id: node.id, name })));
      }
      if (this.#turns.isOver) await this.#turns.give();
    }
    this.#hurryOthers();
  }

  /** Notes if taking files fails: then the node is not the cause. */
  async #hand(taking: Promise<void>): Promise<void> {
    try {
      await taking;
    } catch (error) {
      this.#takingFailed = true;
      throw error;
    }
  }

  /** A node has listed: the wait for the scans of others is limited from now on. */
  #hurryOthers(): void {
    if (this.#hasListed || this.#options.isPatient) return;
    this.#hasListed = true;
    for (const clock of this.#clocks) clock.hurry();
  }

  #clockLimits(): Limits {
    const { limits } = this.#peers;
    const { mostMs } = this.#options;
    if (mostMs === undefined) return limits;
    const left = this.#startedAt + mostMs - performance.now();
    return { ...limits, listingMostMs: Math.max(left, 0) };
  }

  /** Takes one file of a node; `taking` counts those before it. */
  #take(
    file: ListedFile,
    taking: { readonly from: Offerer; count: number; bytes: number },
    page: ListedFile[] | undefined,
  ): void {
    const { matches, leavesOut } = this.#options;
    const { listingCount, listingNodeBytes } = this.#peers.limits;
    if (++taking.count > listingCount) {
      throw new Stopped(`it lists more than ${listingCount} files`);
    }
    if (!isListed(file)) return;
    if (!matches(file.name)) {
      if (leavesOut?.(file.name)) this.#leaveOut(file.name);
      return;
    }
    if (page !== undefined) {
      page.push(file);
      this.addedUpCount++;
      return;
    }
    taking.bytes += this.#keep(file, taking.from);
    if (taking.bytes >= listingNodeBytes) {
      throw new Stopped(
        `it lists more than there is room for, after ${
          counted(taking.count, "file")
        }`,
      );
    }
  }

  /** Adds a file to the catalogue or to sums; returns its bytes. */
  #keep(file: ListedFile, from: Offerer): number {
    for (const id of this.#room.makeFor(from)) {
      if (this.#cut.has(id)) continue;
      this.#cut.add(id);
      const node = this.#listed.get(id);
      if (node !== undefined) this.#fail(node, new Stopped(CUT));
    }
    const sumBytes = this.#options.addUp?.(file);
    if (sumBytes === undefined) return this.#room.add(from, file);
    this.addedUpCount++;
    this.#room.count(from, sumBytes);
    return sumBytes;
  }

  get fileCount(): number {
    return this.catalogue.count;
  }

  soFar(): Browsed {
    return {
      catalogue: this.catalogue.copy(),
      sessions: new Map(this.sessions),
      incomplete: [...this.incomplete],
      addedUpCount: this.addedUpCount,
    };
  }

  /** Ends all sessions, because no caller receives them. */
  abort(reason: unknown): void {
    const error = reason instanceof Error ? reason : new Error("aborted");
    for (const session of this.sessions.values()) session.abort(error);
  }

  /** Sorts all names, with turns for others. */
  async sort(): Promise<void> {
    for (const _ of this.catalogue.sorting()) {
      if (this.#turns.isOver) await this.#turns.give();
      this.#peers.options.signal?.throwIfAborted();
    }
  }

  #leaveOut(name: string): void {
    if (this.#leftOut.size < MOST_LEFT_OUT) this.#leftOut.add(name);
  }

  /** Reports how many names were left out. */
  reportLeftOut(): void {
    const names = this.#leftOut.size;
    if (names > 0) this.#options.emit({ event: "names_left_out", names });
  }

  /** Reports the progress of the listing until disposed of. */
  reportNowAndThen(): Disposable {
    const timer = setInterval(() => {
      this.#options.emit({
        event: "listing",
        files: this.catalogue.count + this.addedUpCount,
        nodes: this.#nodeCount - this.missing.size,
        nodeCount: this.#nodeCount,
        waitingFor: Array.from(this.#listing, ({ id }) => this.#names.get(id)!),
      });
    }, TELL_MS);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }
}

const CUT =
  "all nodes together list more than there is room for, and it lists most";

// The count stops here; nobody needs a more exact number.
const MOST_LEFT_OUT = 10_000;

/** Whether a node's entry describes a possible file. */
function isListed({ name, size, version }: ListedFile): boolean {
  const verdict = safeName(name);
  return verdict.kind === "safe" && verdict.name === name &&
    size <= LIMITS.fileBytes && isVersion(version);
}
