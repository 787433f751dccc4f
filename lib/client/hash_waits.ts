/**
 * How long a client waits for nodes that only say that they hash a file: one
 * account for each node, over a whole run. A node that is too slow is excluded.
 *
 * @module
 */

import { LIMITS, type Limits } from "../base/limits.ts";
import type { DescribeAnswer } from "../transfer/answers.ts";
import type { NodeSession } from "../transfer/session.ts";
import type { ListedNode } from "./nodes.ts";

/** A node was still hashing when its time was over. */
export class TooSlow extends Error {
  override readonly name = "TooSlow";
}

/**
 * What other nodes do about a file: `none` can give it, some may give it
 * (`pending`), or one has `answered`.
 */
export type Others = "none" | "pending" | "answered";

/** Events of these waits. */
export type HashWaitEvent =
  /** A node is awaited that hashes a file. */
  | {
    event: "node_hashing";
    node: ListedNode;
    name: string;
    /** Bytes of the file, as the node claims. */
    bytes: number;
  }
  /** A node failed during the fetch; `out` if it is excluded. */
  | {
    event: "node_trouble";
    node: ListedNode;
    kind: "broke_off" | "lied" | "slow" | "lost_file";
    /** How far it got, if it was not sending files yet. */
    stage?: "connect" | "handshake" | "ask";
    cause: string;
    out: boolean;
  };

/** A request to describe a file. */
export interface HashRequest {
  /** The content id or version to describe. */
  readonly of: string;
  /** The file's name, for people. */
  readonly name: string;
  /** Bytes of the file, as the node claims. */
  readonly bytes: number;
  /** What other nodes do about it; checked again at each `working`. */
  readonly others: () => Others;
}

/** The account of one node. Times are in milliseconds; starts no timer. */
export class HashAccount {
  readonly #limits: Limits;
  #allowedMs: number;
  #spentMs = 0;
  /** The same while no other node could answer. */
  #allowedAloneMs: number;
  #spentAloneMs = 0;
  /** The time before its first answer, while there was no other node. */
  #spentFindingMs = 0;
  /** The time up to which its waits have been counted. */
  #countedTo = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#allowedMs = limits.hashingMs;
    this.#allowedAloneMs = limits.hashingAloneMs;
  }

  /** A file of `bytes` bytes is requested. */
  expect(bytes: number): void {
    const { hashingBytesPerSecond, hashingAloneBytesPerSecond } = this.#limits;
    this.#allowedMs += bytes / hashingBytesPerSecond * 1_000;
    this.#allowedAloneMs += bytes / hashingAloneBytesPerSecond * 1_000;
  }

  /**
   * The node says at `now` that it works on a request that was sent at
   * `askedAt`. Returns whether its time is over.
   *
   * Requests that wait at once share their time. While no other node could
   * answer in its place, it has more.
   */
  works(
    now: number,
    { askedAt, others }: { askedAt: number; others: Others },
  ): boolean {
    const ms = this.#count(now, askedAt);
    if (others === "none") {
      this.#spentAloneMs += ms;
      return this.#spentAloneMs > this.#allowedAloneMs;
    }
    this.#spentMs += ms;
    const mostMs = others === "answered"
      ? Math.min(this.#allowedMs, this.#limits.hashingMostMs)
      : this.#allowedMs;
    return this.#spentMs > mostMs;
  }

  /**
   * The same for a node that has not answered yet, if there is no other: the
   * sizes of the files that it hashes are not known.
   */
  worksOnFind(now: number, askedAt: number): boolean {
    this.#spentFindingMs += this.#count(now, askedAt);
    return this.#spentFindingMs > this.#limits.hashingFindMs;
  }

  #count(now: number, askedAt: number): number {
    const silentMs = now - Math.max(askedAt, this.#countedTo);
    this.#countedTo = now;
    // Longer silence ends the conversation, unless other answers arrived.
    return Math.min(silentMs, LIMITS.pieceStallMs);
  }

  /** Milliseconds that counted. */
  get spentMs(): number {
    return this.#spentMs + this.#spentAloneMs + this.#spentFindingMs;
  }
}

/** A node, and the reason for its exclusion. */
interface Waited {
  readonly node: ListedNode;
  readonly account: HashAccount;
  readonly out: AbortController;
  /** When the user was notified that the client waits for it. */
  reportedAt: number;
}

/** The accounts of all nodes of a run. */
export class HashWaits {
  readonly #limits: Limits;
  readonly #emit: (event: HashWaitEvent) => void;
  readonly #byNode = new Map<string, Waited>();

  /**
   * Emits events when the client waits for a node, and when the node is
   * excluded.
   */
  constructor(
    limits: Limits,
    emit: (event: HashWaitEvent) => void,
  ) {
    this.#limits = limits;
    this.#emit = emit;
  }

  /** Aborted with {@linkcode TooSlow} when the node is excluded. */
  signalOf(node: ListedNode): AbortSignal {
    return this.#of(node).out.signal;
  }

  /** Whether the node of that id is excluded. */
  isOut(id: string): boolean {
    return this.#byNode.get(id)?.out.signal.aborted ?? false;
  }

  /**
   * Asks a node to describe a file.
   *
   * @throws {TooSlow} if its time is over, and like `session.describe`.
   */
  async describe(
    node: ListedNode,
    session: NodeSession,
    { of, name, bytes, others }: HashRequest,
  ): Promise<DescribeAnswer> {
    const waited = this.#of(node);
    waited.out.signal.throwIfAborted();
    waited.account.expect(bytes);
    const askedAt = performance.now();
    const timer = setTimeout(
      () => this.#reportHashing(waited, { name, bytes }),
      this.#limits.hashingReportMs,
    );
    try {
      return await session.describe(
        of,
        () => this.#works(waited, { askedAt, others: others() }),
      );
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Records that a node hashes files before it answers, because of a grant. If
   * another node has answered, that one counts. A single node gets
   * `hashingFindMs`, because the sizes of these files are not known.
   */
  findWorks(node: ListedNode): (askedAt: number) => void {
    const waited = this.#of(node);
    return (askedAt) => {
      const { account, out } = waited;
      if (this.#byNode.size > 1) {
        this.#works(waited, { askedAt, others: "answered" });
      } else if (
        !out.signal.aborted && account.worksOnFind(performance.now(), askedAt)
      ) this.#putOut(waited);
    };
  }

  #works(waited: Waited, word: { askedAt: number; others: Others }): void {
    const { account, out } = waited;
    if (out.signal.aborted || !account.works(performance.now(), word)) return;
    this.#putOut(waited);
  }

  #putOut({ node, account, out }: Waited): void {
    const seconds = Math.round(account.spentMs / 1_000);
    const cause = `it was still hashing after ${seconds} s`;
    this.#emit({
      event: "node_trouble",
      node,
      kind: "slow",
      stage: "ask",
      cause,
      out: true,
    });
    out.abort(new TooSlow(cause));
  }

  /** Reports which node the user waits for, but not for each of its files. */
  #reportHashing(
    waited: Waited,
    { name, bytes }: { name: string; bytes: number },
  ): void {
    const now = performance.now();
    if (now - waited.reportedAt < this.#limits.hashingMs) return;
    waited.reportedAt = now;
    this.#emit({ event: "node_hashing", node: waited.node, name, bytes });
  }

  #of(node: ListedNode): Waited {
    let waited = this.#byNode.get(node.id);
    if (waited === undefined) {
      const account = new HashAccount(this.#limits);
      const out = new AbortController();
      waited = { node, account, out, reportedAt: -Infinity };
      this.#byNode.set(node.id, waited);
    }
    return waited;
  }
}
