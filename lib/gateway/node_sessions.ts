/**
 * Keeps a few connections to each node open between requests: players make many
 * small requests. If there are more readers than connections, they share them.
 *
 * @module
 */

import { removeUnder } from "../base/collections.ts";
import type { ListedNode } from "../client/nodes.ts";
import type { Peers } from "../client/peers.ts";
import type { NodeSession } from "../transfer/session.ts";

/** Options of {@linkcode NodeSessions}. */
export interface NodeSessionsOptions {
  readonly peers: Peers;
  /** Connections to one node. */
  readonly mostCount: number;
  /** Connections to all nodes: above, the one unused for longest ends. */
  readonly mostOfAllCount: number;
  /** An unused connection is closed after this. */
  readonly idleMs: number;
}

/** A session, used for a while. */
export interface SessionLease {
  readonly session: NodeSession;
  /** How many leases there are of it. */
  readonly users: number;
  /** Bytes of pieces that have arrived in the session, for all of its users. */
  readonly movedBytes: number;
  /** Counts such bytes. */
  moved(bytes: number): void;
  /**
   * No answer is awaited any more, because the node stalled: the session ends as
   * soon as all of its users say so. Idempotent.
   */
  leave(): void;
  /** Gives it back. Idempotent. */
  release(): void;
}

interface Kept {
  readonly opening: Promise<NodeSession>;
  session?: NodeSession;
  users: number;
  /** Those of them that await nothing any more. */
  leftCount: number;
  movedBytes: number;
  /** Ends it; set while nobody uses it. */
  end?: (() => void) | undefined;
  timer?: ReturnType<typeof setTimeout>;
}

/** Sessions by node. Disposing ends them. */
export class NodeSessions implements AsyncDisposable {
  readonly #options: NodeSessionsOptions;
  readonly #byNode = new Map<string, Set<Kept>>();
  /** Those that nobody uses, the longest unused first. */
  readonly #unused = new Set<Kept>();

  constructor(options: NodeSessionsOptions) {
    this.#options = options;
  }

  /**
   * A session with a node: an idle one, a new one, or one that others use too.
   *
   * @throws like {@linkcode Peers.open}.
   */
  async lease(node: ListedNode): Promise<SessionLease> {
    const all = this.#byNode.get(node.id) ?? new Set();
    for (const one of all) if (one.session?.failure) this.#drop(node.id, one);
    const kept = leastUsed(all);
    const isFull = all.size >= this.#options.mostCount;
    const one = kept !== undefined && (kept.users === 0 || isFull)
      ? kept
      : this.#open(node, all);
    one.users++;
    clearTimeout(one.timer);
    this.#unused.delete(one);
    try {
      const session = await one.opening;
      return this.#leaseOf(node.id, one, session);
    } catch (error) {
      this.#drop(node.id, one);
      throw error;
    }
  }

  #open(node: ListedNode, all: Set<Kept>): Kept {
    const [longest] = this.#unused;
    if (this.#count >= this.#options.mostOfAllCount) longest?.end?.();
    const opening = this.#options.peers.open(node).then(({ session }) =>
      one.session = session
    );
    const one: Kept = { opening, users: 0, leftCount: 0, movedBytes: 0 };
    this.#byNode.set(node.id, all.add(one));
    return one;
  }

  #leaseOf(id: string, one: Kept, session: NodeSession): SessionLease {
    let isOver = false;
    let hasLeft = false;
    const endIfLeft = () => {
      if (one.leftCount < one.users) return;
      session.abort(new Error("the node stalled"));
    };
    return {
      session,
      get users() {
        return one.users;
      },
      get movedBytes() {
        return one.movedBytes;
      },
      moved: (bytes) => one.movedBytes += bytes,
      leave: () => {
        if (isOver || hasLeft) return;
        hasLeft = true;
        one.leftCount++;
        endIfLeft();
      },
      release: () => {
        if (isOver) return;
        isOver = true;
        if (hasLeft) one.leftCount--;
        if (--one.users > 0) return endIfLeft();
        const { idleMs } = this.#options;
        const end = () => {
          this.#drop(id, one);
          void session[Symbol.asyncDispose]();
        };
        if (session.failure !== null) end();
        else {
          one.end = end;
          one.timer = setTimeout(end, idleMs);
          this.#unused.add(one);
        }
      },
    };
  }

  #drop(id: string, one: Kept): void {
    clearTimeout(one.timer);
    this.#unused.delete(one);
    removeUnder(this.#byNode, id, one);
  }

  get #count(): number {
    let count = 0;
    for (const all of this.#byNode.values()) count += all.size;
    return count;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#byNode.values()].flatMap((kept) => [...kept]);
    this.#byNode.clear();
    for (const one of all) {
      const session = await one.opening.catch(() => undefined);
      clearTimeout(one.timer); // somebody may have given it back meanwhile
      session?.abort(new Error("the gateway is stopping"));
      await session?.[Symbol.asyncDispose]();
    }
  }
}

function leastUsed(all: Iterable<Kept>): Kept | undefined {
  let least: Kept | undefined;
  for (const one of all) {
    if (least === undefined || one.users < least.users) least = one;
  }
  return least;
}
