/**
 * Finds out which nodes have files. It asks many nodes at a time, each for many
 * files over one connection. It stops waiting for slow nodes once another one
 * has the wanted content.
 *
 * @module
 */

import type { Offer } from "../content/choice.ts";
import type { NodeSession } from "../transfer/session.ts";
import type { FileQuery, FoundNode } from "./file_query.ts";
import { Pipelines } from "./pipelines.ts";
import type { ListedNode } from "./nodes.ts";
import type { Peers } from "./peers.ts";
import type { WantedSums } from "./wanted_sums.ts";

/** Options of {@linkcode FileSearch}. */
export interface FileSearchOptions {
  /** The nodes to ask; some may be added between two searches. */
  readonly nodes: readonly ListedNode[];
  /**
   * SHA-256 that files must have. Only a node with that file ends the wait.
   */
  readonly wanted?: WantedSums | undefined;
  /** Content id that it must have, with the same effect. */
  readonly content?: string | undefined;
  /**
   * How long others may still answer after one has the wanted content, in
   * milliseconds; by default `queryGraceMs`.
   */
  readonly graceMs?: number | undefined;
  /** Stops the query. */
  readonly signal: AbortSignal;
}

/** Options of {@linkcode FileSearch.seek}. */
export interface SearchOptions {
  /**
   * Called for each node that has a file, until the signal is aborted. Returns
   * whether it keeps the session.
   */
  readonly onFound: (query: FileQuery, found: FoundNode) => boolean;
  /** Whether more files follow, over the same connections. */
  readonly more?: boolean;
  /** The nodes to ask, if only some. */
  readonly nodes?: readonly ListedNode[];
}

/** Finds files on nodes. Disposing waits until all requests have ended. */
export class FileSearch implements AsyncDisposable {
  readonly #peers: Peers;
  readonly #options: FileSearchOptions;
  readonly #conversations: Pipelines;
  readonly #seeks = new Set<Promise<void>>();

  constructor(peers: Peers, options: FileSearchOptions) {
    this.#peers = peers;
    this.#options = options;
    this.#conversations = new Pipelines(peers, options.signal);
  }

  /**
   * Asks all nodes for all of some files. Resolves when each node has answered
   * for each file, or when the time after the first wanted answer is over.
   */
  async seek(
    queries: readonly FileQuery[],
    { onFound, more = false, nodes = this.#options.nodes }: SearchOptions,
  ): Promise<void> {
    const { signal } = this.#options;
    const { graceMs = this.#peers.limits.queryGraceMs } = this.#options;
    const sought = queries.map((query) =>
      new SearchedNames(query, { nodeCount: nodes.length, graceMs })
    );
    const all = this.#peers.turns.each(nodes, async (node) => {
      if (signal.aborted) return;
      const uses = await Promise.all(
        sought.map((one) => this.#ask(node, one, onFound)),
      );
      if (!more && !uses.includes(true)) await this.#conversations.end(node.id);
    });
    // The error is handled here, or no longer matters.
    const settled = all.catch(() => {}).finally(() => {
      this.#seeks.delete(settled);
    });
    this.#seeks.add(settled);
    try {
      await Promise.race([
        all,
        Promise.all(sought.map(({ enough }) => enough)),
      ]);
    } finally {
      for (const one of sought) one.end();
    }
  }

  /** Asks one node for one file. Returns whether the session was kept. */
  async #ask(
    node: ListedNode,
    sought: SearchedNames,
    onFound: SearchOptions["onFound"],
  ): Promise<boolean> {
    const { signal } = this.#options;
    const conversations = this.#conversations;
    const { query } = sought;
    const found = await query.ask(node, { signal, conversations });
    if (signal.aborted) return false;
    const isOfUse = found !== undefined && onFound(query, found);
    sought.answered(
      found !== undefined && this.#isWanted(query.name, found.offer),
    );
    return isOfUse;
  }

  #isWanted(name: string, offer: Offer): boolean {
    const { wanted, content } = this.#options;
    const sha256 = wanted?.of(name);
    return (sha256 === undefined || offer.sha256 === sha256) &&
      (content === undefined || offer.content === content);
  }

  /** Gives a session with a node to the caller, who disposes of it. */
  release(id: string, session: NodeSession): void {
    this.#conversations.release(id, session);
  }

  /** Resolves when no request is pending. */
  async settled(): Promise<void> {
    await Promise.all(this.#seeks);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.settled();
    await this.#conversations[Symbol.asyncDispose]();
  }
}

/** A wanted file, and whether to wait for more nodes. */
class SearchedNames {
  readonly query: FileQuery;
  readonly #graceMs: number;
  readonly #enough = Promise.withResolvers<void>();
  /** Resolves when waiting is over. */
  readonly enough: Promise<void> = this.#enough.promise;
  #owedCount: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;

  constructor(
    query: FileQuery,
    { nodeCount, graceMs }: { nodeCount: number; graceMs: number },
  ) {
    this.query = query;
    this.#graceMs = graceMs;
    this.#owedCount = nodeCount;
  }

  /** Notes a node's answer; `isWanted` if it has the wanted content. */
  answered(isWanted: boolean): void {
    if (--this.#owedCount === 0) this.end();
    else if (isWanted && !this.#isOver) {
      this.#timer ??= setTimeout(this.#enough.resolve, this.#graceMs);
    }
  }

  /** Ends the wait. */
  end(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#enough.resolve();
  }
}
