/**
 * Asks all nodes for their files, and makes a list of them. A node that takes
 * long delays only its own files: meanwhile lists are made of the files so far.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { showWhole } from "../base/text.ts";
import { othersTurn } from "../base/waiting.ts";
import { browseAll, type Browsed, type Underway } from "../client/browsing.ts";
import { Candidates } from "../client/candidates.ts";
import type { ClientEvent } from "../client/events.ts";
import { FileListings } from "../client/listing.ts";
import { distinctNames } from "../client/node_names.ts";
import type { ListedNode } from "../client/nodes.ts";
import { type ClientOptions, Peers } from "../client/peers.ts";
import { isHidden } from "../content/glob.ts";
import { FileIndex, type Snapshot } from "./file_index.ts";
import type { PageNode } from "./page_model.ts";

/** Options of {@linkcode askAll}. */
export interface ListRunOptions {
  readonly client: ClientOptions;
  /** Called for every event. */
  readonly emit: (event: ClientEvent) => void;
  /** When each listed node last answered, by its id. Brought up to date. */
  readonly seenMs: Map<string, number>;
  /**
   * The previous list: a node keeps its files from there until it has listed
   * again.
   */
  readonly before: Snapshot | undefined;
  /** The first list of the files so far is made after this. */
  readonly patienceMs: number;
  /** Takes lists of the files so far. */
  readonly early: (snapshot: Snapshot) => void;
}

// How soon to look again if nothing has arrived.
const LOOK_MS = 250;

const STILL_LISTING = "it has not listed all of its files yet";

/**
 * Asks all nodes.
 *
 * @throws {Failure} of kind `relay` if the relay cannot be asked.
 */
export async function askAll(options: ListRunOptions): Promise<Snapshot> {
  const run = new ListRun(options);
  using stack = new DisposableStack();
  const over = new AbortController();
  stack.defer(() => over.abort());
  const { client } = options;
  await using peers = new Peers(client, run.onEvent);
  const sought = { kind: "matching", prefix: "" } as const;
  const candidates = await Candidates.of(peers, [sought], {});
  const found = await browseAll(peers, candidates.nodes, {
    prefix: "",
    matches: (name) => !isHidden(name),
    emit: run.onEvent,
    begun: (underway) =>
      void run.reportEarly(underway, candidates, over.signal),
  });
  over.abort();
  const snapshot = await run.snapshotOf(found, candidates, new Set());
  for (const session of found.sessions.values()) {
    await session[Symbol.asyncDispose]();
  }
  return snapshot;
}

/** One list under way. */
class ListRun {
  readonly #options: ListRunOptions;
  readonly #troubles = new Map<string, string>();
  #greeting = "";
  /** The last list. */
  #before: Snapshot | undefined;

  constructor(options: ListRunOptions) {
    this.#options = options;
    this.#before = options.before;
  }

  readonly onEvent = (event: ClientEvent): void => {
    if (event.event === "node_trouble") {
      this.#troubles.set(event.node.id, event.cause);
    }
    if (event.event === "nodes_listed") this.#greeting = event.greeting;
    this.#options.emit(event);
  };

  /**
   * Makes lists of the files so far until `over`, each after twice the time. Never
   * rejects.
   */
  async reportEarly(
    underway: Underway,
    candidates: Candidates,
    over: AbortSignal,
  ): Promise<void> {
    let nextMs = this.#options.patienceMs;
    let waitMs = nextMs;
    let known = "0 0";
    try {
      for (;;) {
        await delay(waitMs, { signal: over });
        waitMs = Math.min(nextMs, LOOK_MS);
        const { fileCount } = underway;
        const missing = new Set(underway.missing);
        const news = `${missing.size} ${fileCount}`;
        const isNothing = fileCount === 0 &&
          missing.size === candidates.nodes.length;
        if (isNothing || news === known) continue;
        known = news;
        const found = underway.soFar();
        const snapshot = await this.snapshotOf(found, candidates, missing);
        over.throwIfAborted();
        this.#before = snapshot;
        this.#options.early(snapshot);
        waitMs = nextMs *= 2;
      }
    } catch (error) {
      if (!over.aborted) throw error;
    }
  }

  /** A list; `missing` are the nodes that have not listed all. */
  async snapshotOf(
    { sessions, ...found }: Browsed,
    candidates: Candidates,
    missing: ReadonlySet<string>,
  ): Promise<Snapshot> {
    const listings = new FileListings(found, candidates);
    if (missing.size > 0) await this.#addBefore(listings, missing);
    const files = await FileIndex.of(listings);
    const { seenMs } = this.#options;
    const listed = new Map(candidates.nodes.map((node) => [node.id, node]));
    for (const id of seenMs.keys()) if (!listed.has(id)) seenMs.delete(id);
    for (const id of sessions.keys()) seenMs.set(id, Date.now());
    const names = distinctNames(candidates.nodes);
    const nodeOf = ({ id, addresses }: ListedNode): PageNode => {
      const name = showWhole(names.get(id)!);
      const [address = { host: "", port: 0 }] = addresses;
      const error = missing.has(id) ? STILL_LISTING : this.#troubles.get(id);
      return {
        ...{ id, name, host: address.host, port: address.port },
        path: sessions.get(id)?.path ?? "none",
        files: files.counts.get(id) ?? 0,
        lastSeenMs: seenMs.get(id) ?? 0,
        ...error === undefined ? {} : { error },
      };
    };
    return {
      files,
      nodes: candidates.nodes.map(nodeOf),
      listed,
      greeting: this.#greeting,
      complete: this.#troubles.size === 0 && missing.size === 0,
      missing,
      at: performance.now(),
    };
  }

  /** Adds what nodes listed before, and sorts; others have their turns. */
  async #addBefore(
    listings: FileListings,
    missing: ReadonlySet<string>,
  ): Promise<void> {
    const before = this.#before?.files;
    const steps = listings.adding(before?.listings, missing);
    for (const _ of steps) await othersTurn();
  }
}
