/**
 * Sessions for requests about files, apart from those for file bytes: one for
 * each node, opened on demand, and opened again if it has ended.
 *
 * @module
 */

import { isBug, ProtocolError } from "../base/errors.ts";
import type { NodeSession } from "../transfer/session.ts";
import type { ListedNode } from "./nodes.ts";
import type { Peers } from "./peers.ts";

/** Sends a request over a session. */
export type Ask<T> = (session: NodeSession) => Promise<T>;

/** Sessions apart from a transfer. Disposing ends them. */
export class QuerySessions implements AsyncDisposable {
  readonly #peers: Peers;
  readonly #signal: AbortSignal;
  readonly #sessions = new Map<string, Promise<NodeSession>>();

  /** `signal` ends everything. */
  constructor(peers: Peers, signal: AbortSignal) {
    this.#peers = peers;
    this.#signal = signal;
  }

  /**
   * Asks a node over `first`, or over the open session with it. If that session
   * has ended, asks again over a new one, because nodes close a connection that
   * is idle for long. Opens no session after `over` is aborted.
   *
   * @throws like {@linkcode Peers.open}, and any error of `ask`.
   */
  async ask<T>(
    node: ListedNode,
    ask: Ask<T>,
    first?: NodeSession,
    over?: AbortSignal,
  ): Promise<T> {
    const aside = this.#sessions.get(node.id);
    for (const session of [first, aside]) {
      if (session === undefined) continue;
      try {
        return await ask(await session);
      } catch (error) {
        this.#signal.throwIfAborted();
        over?.throwIfAborted();
        if (isBug(error) || isLie(error)) throw error;
      }
    }
    return await ask(await this.#after(node, aside));
  }

  /**
   * A session other than `before`: a new one, or one that another caller
   * opened.
   */
  async #after(
    node: ListedNode,
    before: Promise<NodeSession> | undefined,
  ): Promise<NodeSession> {
    const current = this.#sessions.get(node.id);
    if (current !== undefined && current !== before) return await current;
    const next = this.#open(node);
    this.#sessions.set(node.id, next);
    await end(current);
    return await next;
  }

  #open(node: ListedNode): Promise<NodeSession> {
    const opening = this.#peers.open(node, { signal: this.#signal })
      .then(({ session }) => session);
    opening.catch(() => {}); // reported to the caller
    return opening;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions.values()) await end(session);
  }
}

function isLie(error: unknown): boolean {
  return error instanceof ProtocolError && error.code === "corrupt_piece";
}

async function end(opening: Promise<NodeSession> | undefined): Promise<void> {
  const session = await opening?.catch(() => undefined);
  await session?.[Symbol.asyncDispose]();
}
