/**
 * Finds the other holders of one content: asks the relay again and again, and
 * offers some of those that it names as sources of a download.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import type { Limits } from "../base/limits.ts";
import type { NodeSession } from "../transfer/session.ts";
import { type DownloadSource, SourceExhausted } from "../transfer/source.ts";
import type { ListedHolder } from "../uplink/listed_holders.ts";
import { groupOf } from "./holder_group.ts";
import { requestPauseMs, SwarmConnections } from "./swarm_connections.ts";

/** A holder as a source. Its id differs for each content. */
export interface HolderSource {
  /** The holder as the relay lists it. If it has dialled us, only these fields are known. */
  readonly holder: Pick<ListedHolder, "id" | "addresses">;
  readonly source: DownloadSource;
}

/** Options of {@linkcode HolderSearch}. */
export interface HolderSearchOptions {
  readonly content: string;
  /** This client's id as a holder. */
  readonly id: string;
  readonly limits: Limits;
  /** Asks the relay. */
  readonly request: (signal: AbortSignal) => Promise<readonly ListedHolder[]>;
  /** Opens a session with another holder. */
  readonly dial: (
    holder: ListedHolder,
    signal: AbortSignal,
  ) => Promise<NodeSession>;
  readonly onSource: (found: HolderSource) => void;
  /**
   * Called repeatedly with holders that may be offered pieces: those with a
   * connection, and once this client has all pieces, those that the relay
   * names.
   */
  readonly onMet: (holder: ListedHolder) => void;
  /** Whether this client serves only holders to which it offers pieces. */
  readonly mustOffer: () => boolean;
  /** Returns a number from 0 to below 1. */
  readonly random: () => number;
}

/** Looks for the holders of one content. */
export class HolderSearch {
  readonly #options: HolderSearchOptions;
  readonly #connections: SwarmConnections;
  /** Holders that lied, or sent none of the pieces that they promised. */
  readonly #useless = new Set<string>();
  readonly #linked = new Map<string, ListedHolder>();
  /** What ends each connection. */
  readonly #ends = new Map<string, AbortController>();
  #isComplete = false;
  /** Ends the pause before the next request. */
  #hurry = new AbortController();

  constructor(options: HolderSearchOptions) {
    const { id, limits: numbers, random } = options;
    this.#options = options;
    this.#connections = new SwarmConnections({ id, numbers, random });
  }

  /** All of the content is here: nobody is dialled for it any more. */
  completed(): void {
    if (this.#isComplete) return;
    this.#isComplete = true;
    this.#connections.completed();
    this.#hurry.abort();
  }

  /** Whether there is a connection to a holder. */
  isConnected(id: string): boolean {
    return this.#linked.has(id);
  }

  /**
   * Searches until `signal` is aborted. A client that has all of the content
   * searches only if it must offer its pieces.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { limits, mustOffer } = this.#options;
    const startedAt = performance.now();
    while (!signal.aborted) {
      try {
        if (!this.#isComplete || mustOffer()) await this.#look(signal);
        const pauseMs = requestPauseMs(performance.now() - startedAt, limits);
        await this.#pause(pauseMs, signal);
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { request, onSource, onMet } = this.#options;
    const holders = await request(signal);
    const byId = new Map(holders.map((holder) => [holder.id, holder]));
    for (const id of this.#useless) byId.delete(id);
    this.#connections.learned(
      byId.values().map((holder) => ({
        id: holder.id,
        group: groupOf(holder),
      })),
    );
    for (const id of this.#connections.toDial(performance.now())) {
      const holder = byId.get(id)!;
      onSource({ holder, source: this.#sourceOf(holder) });
    }
    const idle = this.#connections.toEnd(performance.now());
    if (idle !== undefined) {
      this.#ends.get(idle)?.abort(new Error("it sent nothing"));
    }
    const met = this.#isComplete ? byId : this.#linked;
    for (const holder of met.values()) onMet(holder);
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const hurry = this.#hurry.signal;
    await delay(ms, { signal: AbortSignal.any([signal, hurry]) })
      .catch(() => {});
    if (hurry.aborted) this.#hurry = new AbortController();
  }

  #sourceOf(holder: ListedHolder): DownloadSource {
    const { content } = this.#options;
    const end = new AbortController();
    this.#ends.set(holder.id, end);
    return {
      id: `${holder.id} ${content}`,
      isHolder: true,
      content,
      open: async (signal) => {
        try {
          end.signal.throwIfAborted();
          const session = await this.#options.dial(holder, signal);
          session.endOn(end.signal);
          this.#linked.set(holder.id, holder);
          this.#options.onMet(holder);
          return session;
        } catch (error) {
          signal.throwIfAborted();
          // It rests for a while, and another is dialled.
          throw new SourceExhausted("it cannot be dialled", { cause: error });
        }
      },
      received: () => this.#connections.brought(holder.id, performance.now()),
      ended: ({ mayReturn }) => {
        this.#ends.delete(holder.id);
        if (!mayReturn && !end.signal.aborted) this.#useless.add(holder.id);
        this.#linked.delete(holder.id);
        this.#connections.closed(holder.id, performance.now());
      },
    };
  }
}
