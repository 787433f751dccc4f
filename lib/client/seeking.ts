/**
 * Finds out which nodes have files: asks many of them at a time, and does not
 * wait for those that are slow to answer once another has what is wanted.
 *
 * @module
 */

import type { Offer } from "../choice.ts";
import { type Asking, eachOf, type Found } from "./asking.ts";
import type { ListedNode } from "./nodes.ts";
import type { Peers } from "./peers.ts";

/** Options of {@linkcode Seeking}. */
export interface SeekingOptions {
  /** The nodes to ask. */
  readonly nodes: readonly ListedNode[];
  /** SHA-256 that a file must have: only a node that has that is waited on. */
  readonly sha256?: string | undefined;
  /** Content id that it must have, in the same way. */
  readonly content?: string | undefined;
  /** Stops asking. */
  readonly signal: AbortSignal;
}

/** Seeks files on nodes, of which each is asked one thing at a time. */
export class Seeking {
  readonly #peers: Peers;
  readonly #options: SeekingOptions;
  /** What each node was asked last. */
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #seeks = new Set<Promise<void>>();

  /** Nobody has been asked yet. */
  constructor(peers: Peers, options: SeekingOptions) {
    this.#peers = peers;
    this.#options = options;
  }

  /**
   * Asks all nodes for one file. Resolves when all have answered, or shortly
   * after one has what is wanted; `onFound` is told of those that answer later
   * as well, until the signal is aborted.
   */
  async seek(
    asking: Asking,
    onFound: (found: Found) => void | Promise<void>,
  ): Promise<void> {
    const { nodes, signal } = this.#options;
    const { askingCount, askingGraceMs } = this.#peers.limits;
    const { promise: enough, resolve } = Promise.withResolvers<void>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const all = eachOf(nodes, askingCount, async (node) => {
      if (signal.aborted) return;
      const found = await this.#inTurn(node, () => asking.ask(node, signal));
      if (found === undefined) return;
      await onFound(found);
      if (this.#isWanted(found.offer)) {
        timer ??= setTimeout(resolve, askingGraceMs);
      }
    });
    // Judged here, or too late to be.
    const settled = all.catch(() => {}).finally(() => {
      this.#seeks.delete(settled);
    });
    this.#seeks.add(settled);
    try {
      await Promise.race([all, enough]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** A node that owes an answer is not asked for more before. */
  #inTurn<T>({ id }: ListedNode, ask: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(id) ?? Promise.resolve();
    const turn = before.then(ask);
    this.#turns.set(id, turn.catch(() => {}));
    return turn;
  }

  #isWanted(offer: Offer): boolean {
    const { sha256, content } = this.#options;
    return (sha256 === undefined || offer.sha256 === sha256.toLowerCase()) &&
      (content === undefined || offer.content === content);
  }

  /** Resolves when nobody is being asked any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#seeks);
  }
}
