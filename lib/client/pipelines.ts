/**
 * Conversations that ask nodes for many files: one connection for each node,
 * with many requests in flight once the first has an answer.
 *
 * @module
 */

import { isBug, isDisconnect, ProtocolError } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import type { MessageOf } from "../protocol/messages.ts";
import type { Refused } from "../transfer/answers.ts";
import type { NodeSession } from "../transfer/session.ts";
import type { ListedNode } from "./nodes.ts";
import type { OpenedSession, Peers } from "./peers.ts";

/** A node's answer about a file, with the session that received it. */
export interface FileReply {
  /** The session. It belongs to the pipeline. */
  readonly session: NodeSession;
  /** The answer. */
  readonly found: MessageOf<"found"> | Refused | undefined;
}

/** Conversations with many nodes. Disposing ends them. */
export class Pipelines implements AsyncDisposable {
  readonly #peers: Peers;
  readonly #signal: AbortSignal;
  readonly #byNode = new Map<string, Pipeline>();

  /** `signal` ends everything. */
  constructor(peers: Peers, signal: AbortSignal) {
    this.#peers = peers;
    this.#signal = signal;
  }

  /**
   * Asks a node for a file.
   *
   * @throws like {@linkcode Peers.open}. After a final failure of a node,
   * throws the same again at once.
   */
  find(node: ListedNode, name: string): Promise<FileReply> {
    let pipeline = this.#byNode.get(node.id);
    if (pipeline === undefined) {
      const { limits } = this.#peers;
      pipeline = new Pipeline({
        limits,
        open: (find, signal) => this.#peers.open(node, { find, signal }),
        signal: this.#signal,
      });
      this.#byNode.set(node.id, pipeline);
    }
    return pipeline.find(name);
  }

  /**
   * Gives a session with a node to the caller, who disposes of it. Pending
   * requests are still answered over it.
   */
  release(id: string, session: NodeSession): void {
    const pipeline = this.#byNode.get(id);
    if (pipeline?.session === session) pipeline.release();
  }

  /** Ends the pipeline with a node. It can be asked again later. */
  async end(id: string): Promise<void> {
    const session = this.#byNode.get(id)?.release();
    this.#byNode.delete(id);
    await session?.[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#byNode.keys()].map((id) => this.end(id)));
  }
}

interface ConversationOptions {
  readonly limits: Limits;
  readonly open: (find: string, signal: AbortSignal) => Promise<OpenedSession>;
  readonly signal: AbortSignal;
}

/** The pipeline with one node. */
class Pipeline {
  readonly #options: ConversationOptions;
  #session: NodeSession | undefined;
  #isReleased = false;
  #opening: Promise<void> | null = null;
  #asked = 0;
  readonly #waiting: (() => void)[] = [];
  #failureCount = 0;
  /** Why the node is no longer asked. */
  #failure: unknown = null;
  readonly #onAbort = () => this.#session?.abort(this.#options.signal.reason);

  constructor(options: ConversationOptions) {
    this.#options = options;
    options.signal.addEventListener("abort", this.#onAbort);
  }

  /** The session, once its first request has been answered. */
  get session(): NodeSession | undefined {
    return this.#session;
  }

  /** Hands over the session, once. Opens no other. */
  release(): NodeSession | undefined {
    if (this.#isReleased) return undefined;
    this.#options.signal.removeEventListener("abort", this.#onAbort);
    this.#isReleased = true;
    return this.#session;
  }

  /** Sends requests, with at most as many in flight as a node takes. */
  async find(name: string): Promise<FileReply> {
    const { windowRequestCount } = this.#options.limits;
    if (this.#asked < windowRequestCount) this.#asked++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await this.#find(name);
    } finally {
      // The next waiting request gets this slot.
      const next = this.#waiting.shift();
      if (next === undefined) this.#asked--;
      else next();
    }
  }

  async #find(name: string): Promise<FileReply> {
    for (;;) {
      while (this.#opening !== null) await this.#opening;
      if (this.#failure !== null) throw this.#failure;
      const session = this.#session;
      if (session === undefined) return await this.#open(name);
      try {
        return { session, found: await session.find(name) };
      } catch (error) {
        this.#brokeOff(session, error);
      }
    }
  }

  /** Opens a session with its first request. */
  async #open(name: string): Promise<FileReply> {
    const { open, signal } = this.#options;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#opening = promise;
    try {
      const { session, found } = await open(name, signal);
      this.#session = session;
      return { session, found };
    } catch (error) {
      this.#failure = error;
      throw error;
    } finally {
      this.#opening = null;
      resolve();
    }
  }

  /**
   * Handles a session that failed: opens a new one, a limited number of times.
   */
  #brokeOff(session: NodeSession, error: unknown): void {
    const { signal, limits } = this.#options;
    if (signal.aborted || isBug(error)) throw error;
    if (this.#session !== session) return; // another request has handled it
    const isLast = ++this.#failureCount >= limits.sourceFailureCount;
    if (this.#isReleased || isLast || !hungUp(error)) this.#failure = error;
    else this.#session = undefined;
  }
}

/** Whether dialling the node again might help. */
function hungUp(error: unknown): boolean {
  return isDisconnect(error) ||
    (error instanceof ProtocolError && error.code === "truncated");
}
