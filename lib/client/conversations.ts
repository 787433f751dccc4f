/**
 * Conversations that ask nodes for many files: one connection per node, with
 * many questions in flight once the first has an answer.
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

/** What a node says of a file, and the session in which it says so. */
export interface Told {
  /** The session. It belongs to the conversation. */
  readonly session: NodeSession;
  /** The answer. */
  readonly found: MessageOf<"found"> | Refused | undefined;
}

/** Conversations with many nodes. Disposing ends them. */
export class Conversations implements AsyncDisposable {
  readonly #peers: Peers;
  readonly #signal: AbortSignal;
  readonly #byNode = new Map<string, Conversation>();

  /** Nobody is spoken with yet; `signal` ends everything. */
  constructor(peers: Peers, signal: AbortSignal) {
    this.#peers = peers;
    this.#signal = signal;
  }

  /**
   * Asks a node for a file.
   *
   * @throws as {@linkcode Peers.open}; a node that failed for good does so again
   * at once.
   */
  find(node: ListedNode, name: string): Promise<Told> {
    let conversation = this.#byNode.get(node.id);
    if (conversation === undefined) {
      const { limits } = this.#peers;
      conversation = new Conversation({
        limits,
        open: (find, signal) => this.#peers.open(node, { find, signal }),
        signal: this.#signal,
      });
      this.#byNode.set(node.id, conversation);
    }
    return conversation.find(name);
  }

  /**
   * Gives a session with a node away: the caller disposes of it. What was asked
   * before is still answered over it.
   */
  release(id: string, session: NodeSession): void {
    const conversation = this.#byNode.get(id);
    if (conversation?.session === session) conversation.release();
  }

  /** Ends the conversation with a node; it may be asked anew. */
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

/** The conversation with one node. */
class Conversation {
  readonly #options: ConversationOptions;
  #session: NodeSession | undefined;
  #isReleased = false;
  #opening: Promise<void> | null = null;
  #asked = 0;
  readonly #waiting: (() => void)[] = [];
  #failureCount = 0;
  /** Why nothing more is asked of the node. */
  #failure: unknown = null;
  readonly #onAbort = () => this.#session?.abort(this.#options.signal.reason);

  constructor(options: ConversationOptions) {
    this.#options = options;
    options.signal.addEventListener("abort", this.#onAbort);
  }

  /** The session, once its first question has been answered. */
  get session(): NodeSession | undefined {
    return this.#session;
  }

  /** Gives the session away, unless it was before; no other is opened. */
  release(): NodeSession | undefined {
    if (this.#isReleased) return undefined;
    this.#options.signal.removeEventListener("abort", this.#onAbort);
    this.#isReleased = true;
    return this.#session;
  }

  /** No more questions are under way than a node takes at once. */
  async find(name: string): Promise<Told> {
    const { windowRequestCount } = this.#options.limits;
    if (this.#asked < windowRequestCount) this.#asked++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await this.#find(name);
    } finally {
      // Whoever waits takes the place over.
      const next = this.#waiting.shift();
      if (next === undefined) this.#asked--;
      else next();
    }
  }

  async #find(name: string): Promise<Told> {
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

  /** Opens a session with its first question. */
  async #open(name: string): Promise<Told> {
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

  /** A session broke off: another is opened, but not for ever. */
  #brokeOff(session: NodeSession, error: unknown): void {
    const { signal, limits } = this.#options;
    if (signal.aborted || isBug(error)) throw error;
    if (this.#session !== session) return; // told by another question
    const isLast = ++this.#failureCount >= limits.sourceFailureCount;
    if (this.#isReleased || isLast || !hungUp(error)) this.#failure = error;
    else this.#session = undefined;
  }
}

/** Whether a node may be there again when it is dialled. */
function hungUp(error: unknown): boolean {
  return isDisconnect(error) ||
    (error instanceof ProtocolError && error.code === "truncated");
}
