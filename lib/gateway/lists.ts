/**
 * Keeps a list of all files on all nodes, and fetches a new one when it is
 * requested and the list is old. Only one such fetch runs at a time.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import { within } from "../base/waiting.ts";
import { isHidden } from "../content/glob.ts";
import { browseAll } from "../client/browsing.ts";
import { Candidates } from "../client/candidates.ts";
import type { ClientEvent } from "../client/events.ts";
import { FileListings } from "../client/listing.ts";
import type { ListedNode } from "../client/nodes.ts";
import { type ClientOptions, Peers } from "../client/peers.ts";
import { errorText } from "./failures.ts";
import { FileIndex, type Snapshot } from "./file_index.ts";
import { ListReaders, type SnapshotToSend } from "./list_readers.ts";
import type { PageNode } from "./page_model.ts";

/** Options of {@linkcode Lists}. */
export interface ListsOptions {
  readonly client: ClientOptions;
  /** Called for every event. */
  readonly tell: (event: ClientEvent) => void;
  /** The limits of lists. */
  readonly limits: Pick<
    Limits,
    | "gatewayListFreshMs"
    | "gatewayListPatienceMs"
    | "gatewayListStallMs"
    | "gatewayListKeptMs"
  >;
}

/** The list, as new as is needed. */
export class Lists {
  readonly #options: ListsOptions;
  /** The lists that are being read. */
  readonly readers: ListReaders;
  #snapshot: Snapshot | undefined;
  #asking:
    | { readonly since: number; readonly done: Promise<Snapshot> }
    | undefined;
  /** When each listed node last answered, by its id. */
  readonly #seenMs = new Map<string, number>();

  constructor(options: ListsOptions) {
    this.#options = options;
    this.readers = new ListReaders(options.limits);
  }

  /**
   * The list; an old one if no new one arrives in time.
   *
   * @throws {Failure} of kind `relay` if there is none, and the relay cannot be
   * asked.
   */
  async latest(): Promise<Snapshot> {
    const { limits } = this.#options;
    const old = this.#snapshot;
    if (old !== undefined && performance.now() - old.at < this.#keptMs(old)) {
      return old;
    }
    const { since, done } = this.#asking ??= this.#begin();
    if (old === undefined) return await done;
    // Requests that come later wait less: a node may stall for long.
    const patienceMs = since + limits.gatewayListPatienceMs - performance.now();
    if (patienceMs > 0) {
      const settled = done.then(() => {}, () => {});
      await within(settled, patienceMs);
    }
    return this.#snapshot ?? old;
  }

  /**
   * The list, or nothing if the first one does not come in time: a node that
   * stalls may delay that for long.
   *
   * @throws like {@linkcode latest}.
   */
  async soon(): Promise<Snapshot | undefined> {
    const latest = this.latest();
    if (this.#snapshot !== undefined) return await latest;
    const { gatewayListPatienceMs } = this.#options.limits;
    const now = performance.now();
    const until = (this.#asking?.since ?? now) + gatewayListPatienceMs;
    return await within(latest, Math.max(0, until - now));
  }

  #begin() {
    const done = this.#askNoting().finally(() => this.#asking = undefined);
    done.catch(() => {}); // thrown where it is waited for
    return { since: performance.now(), done };
  }

  /** The list, to be sent in parts. */
  async toSend(): Promise<SnapshotToSend> {
    return { snapshot: await this.latest(), readers: this.readers };
  }

  /** How old a snapshot may become: older if one before it is still read. */
  #keptMs(snapshot: Snapshot): number {
    const { gatewayListFreshMs, gatewayListKeptMs } = this.#options.limits;
    return this.readers.hasOthers(snapshot)
      ? Math.max(gatewayListFreshMs, gatewayListKeptMs)
      : gatewayListFreshMs;
  }

  /** Waits until nothing is asked for. */
  async settled(): Promise<void> {
    await this.#asking?.done.catch(() => {});
  }

  /** Asks; a failure is told with the old list, which is given meanwhile. */
  async #askNoting(): Promise<Snapshot> {
    try {
      return await this.#ask();
    } catch (error) {
      const old = this.#snapshot;
      const problem = errorText(error);
      if (old !== undefined && old.problem !== problem) {
        this.#snapshot = { ...old, problem };
      }
      throw error;
    }
  }

  async #ask(): Promise<Snapshot> {
    const { client, tell } = this.#options;
    // With the one that is made now, there are two again.
    if (this.#snapshot !== undefined) this.readers.endOthers(this.#snapshot);
    const troubles = new Map<string, string>();
    let greeting = "";
    const onEvent = (event: ClientEvent) => {
      if (event.event === "node_trouble") {
        troubles.set(event.node.id, event.cause);
      }
      if (event.event === "nodes_listed") greeting = event.greeting;
      tell(event);
    };
    await using peers = new Peers(client, onEvent);
    const sought = { kind: "matching", prefix: "" } as const;
    const candidates = await Candidates.of(peers, [sought], {});
    const { sessions, ...found } = await browseAll(peers, candidates.nodes, {
      prefix: "",
      matches: (name) => !isHidden(name),
      tell: onEvent,
    });
    const paths = new Map(
      Array.from(sessions, ([id, { path }]) => [id, path] as const),
    );
    for (const session of sessions.values()) {
      await session[Symbol.asyncDispose]();
    }
    const files = await FileIndex.of(new FileListings(found, candidates));
    const { counts } = files;
    const listed = new Map(candidates.nodes.map((node) => [node.id, node]));
    for (const id of this.#seenMs.keys()) {
      if (!listed.has(id)) this.#seenMs.delete(id);
    }
    for (const id of paths.keys()) this.#seenMs.set(id, Date.now());
    const nodeOf = ({ id, name, addresses }: ListedNode): PageNode => {
      const [address = { host: "", port: 0 }] = addresses;
      const error = troubles.get(id);
      return {
        ...{ id, name, host: address.host, port: address.port },
        path: paths.get(id) ?? "none",
        files: counts.get(id) ?? 0,
        lastSeenMs: this.#seenMs.get(id) ?? 0,
        ...error === undefined ? {} : { error },
      };
    };
    return this.#snapshot = {
      files,
      nodes: candidates.nodes.map(nodeOf),
      listed,
      greeting,
      complete: troubles.size === 0,
      at: performance.now(),
    };
  }
}
