/**
 * Keeps a list of all files on all nodes, and fetches a new one when it is
 * requested and the list is old. Only one such fetch runs at a time.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import { within } from "../base/waiting.ts";
import type { ClientEvent } from "../client/events.ts";
import type { ClientOptions } from "../client/peers.ts";
import { errorText } from "./failures.ts";
import type { Snapshot } from "./file_index.ts";
import { askAll } from "./list_run.ts";
import { ListReaders, type SnapshotToSend } from "./list_readers.ts";

/** Options of {@linkcode Lists}. */
export interface ListsOptions {
  readonly client: ClientOptions;
  /** Called for every event. */
  readonly emit: (event: ClientEvent) => void;
  /** The limits of lists. */
  readonly limits: Limits;
}

/** A list that is being made. */
interface ListQuery {
  readonly since: number;
  readonly done: Promise<Snapshot>;
  /** The first list of the files so far, until then. */
  readonly early: Promise<Snapshot>;
}

/** The list, as new as is needed. */
export class Lists {
  readonly #options: ListsOptions;
  /** The lists that are being read. */
  readonly readers: ListReaders;
  #snapshot: Snapshot | undefined;
  #query: ListQuery | undefined;
  /** Whether a list was made of what all nodes listed. */
  #hasWhole = false;
  /** When each listed node last answered, by its id. */
  readonly #seenMs = new Map<string, number>();

  constructor(options: ListsOptions) {
    this.#options = options;
    this.readers = new ListReaders(options.limits);
  }

  /**
   * The list; an old one, or the files so far, if no new one arrives in time.
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
    const { since, done, early } = this.#query ??= this.#begin();
    if (old === undefined) return await Promise.race([done, early]);
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
    const until = (this.#query?.since ?? now) + gatewayListPatienceMs;
    return await within(latest, Math.max(0, until - now));
  }

  /**
   * Like {@linkcode latest}, for programs that treat files that are not listed
   * as deleted: waits longer for the first list to be whole.
   *
   * @throws like {@linkcode latest}.
   */
  async whole(): Promise<Snapshot> {
    const snapshot = await this.latest();
    const query = this.#query;
    if (this.#hasWhole || query === undefined) return snapshot;
    const { gatewayWholeListMs } = this.#options.limits;
    const leftMs = query.since + gatewayWholeListMs - performance.now();
    if (leftMs > 0) await within(query.done, leftMs);
    return this.#snapshot ?? snapshot;
  }

  #begin(): ListQuery {
    const { promise: early, resolve } = Promise.withResolvers<Snapshot>();
    const done = this.#askNoting(resolve).finally(() =>
      this.#query = undefined
    );
    done.catch(() => {}); // thrown where it is waited for
    return { since: performance.now(), done, early };
  }

  /** The list, to be sent in parts; `isWhole` as in {@linkcode whole}. */
  async toSend({ isWhole = false } = {}): Promise<SnapshotToSend> {
    const snapshot = await (isWhole ? this.whole() : this.latest());
    return { snapshot, readers: this.readers };
  }

  /** How old a snapshot may become: older if one before it is still read. */
  #keptMs(snapshot: Snapshot): number {
    const { gatewayListFreshMs, gatewayListKeptMs } = this.#options.limits;
    return this.readers.hasOthers(snapshot)
      ? Math.max(gatewayListFreshMs, gatewayListKeptMs)
      : gatewayListFreshMs;
  }

  /** Waits until no list is being made. */
  async settled(): Promise<void> {
    await this.#query?.done.catch(() => {});
  }

  /**
   * Asks for a new list. Until it succeeds, the old list is given, with the
   * failure.
   */
  async #askNoting(publish: (early: Snapshot) => void): Promise<Snapshot> {
    try {
      const snapshot = await this.#ask(publish);
      this.#hasWhole = true;
      return snapshot;
    } catch (error) {
      const old = this.#snapshot;
      const problem = errorText(error);
      if (old !== undefined && old.problem !== problem) {
        this.#snapshot = { ...old, problem };
      }
      throw error;
    }
  }

  async #ask(publish: (early: Snapshot) => void): Promise<Snapshot> {
    const { client, emit, limits } = this.#options;
    // With the one that is made now, there are two again.
    if (this.#snapshot !== undefined) this.readers.endOthers(this.#snapshot);
    return this.#snapshot = await askAll({
      ...{ client, emit, seenMs: this.#seenMs },
      before: this.#snapshot,
      patienceMs: limits.gatewayListPatienceMs,
      early: (snapshot) => {
        // Readers of two lists before would keep three.
        const now = this.#snapshot;
        if (now !== undefined && this.readers.hasOthers(now)) return;
        this.#snapshot = snapshot;
        publish(snapshot);
      },
    });
  }
}
