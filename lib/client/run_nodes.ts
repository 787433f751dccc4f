/**
 * The nodes of one run of `getFiles`: one session for each, and each as a source
 * of the running download.
 *
 * @module
 */

import type { Lanes } from "../transfer/lanes.ts";
import type { NodeSession } from "../transfer/session.ts";
import type { FileSearch } from "./file_search.ts";
import type { Candidates } from "./candidates.ts";
import { sourceOf } from "./downloading.ts";
import type { Job } from "./jobs.ts";
import type { ListedNode } from "./nodes.ts";
import type { Peers } from "./peers.ts";
import type { SaveRun } from "./save_run.ts";

/** Options of {@linkcode RunNodes}. */
export interface RunNodesOptions {
  readonly candidates: Candidates;
  readonly seeking: FileSearch;
}

/** Nodes and their sessions. Disposing closes the sessions. */
export class RunNodes implements AsyncDisposable {
  readonly #peers: Peers;
  readonly #options: RunNodesOptions;
  readonly #nodes: Map<string, ListedNode>;
  readonly #sessions = new Map<string, NodeSession>();
  #saveRun: SaveRun | null = null;
  #lanes: Lanes | undefined;
  /**
   * Whether all requests have been sent, so that the download may use the
   * sessions.
   */
  isAsked = false;

  constructor(peers: Peers, options: RunNodesOptions) {
    this.#peers = peers;
    this.#options = options;
    const { nodes } = options.candidates;
    this.#nodes = new Map(nodes.map((node) => [node.id, node]));
  }

  get byId(): ReadonlyMap<string, ListedNode> {
    return this.#nodes;
  }

  sessionOf(id: string): NodeSession | undefined {
    return this.#sessions.get(id);
  }

  /** Keeps one session for each node, and fetches from it. */
  keep(id: string, session: NodeSession): void {
    if (this.#sessions.has(id)) return;
    this.#sessions.set(id, session);
    this.#saveRun?.addSource(this.#sourceOf(id, session));
  }

  /** Further nodes that may have names in other folders. */
  async widen(
    missed: readonly { name: string }[],
  ): Promise<readonly ListedNode[]> {
    if (missed.length === 0) return [];
    const { candidates } = this.#options;
    const more = await candidates.widen(missed.map(({ name }) => name));
    for (const node of more) this.#nodes.set(node.id, node);
    return more;
  }

  /** Starts to fetch from all nodes with a session. */
  begin(saveRun: SaveRun, lanes: Lanes | undefined): void {
    this.#saveRun = saveRun;
    this.#lanes = lanes;
    for (const [id, session] of this.#sessions) {
      saveRun.addSource(this.#sourceOf(id, session));
    }
  }

  /** From now on no download uses the nodes. */
  end(): void {
    this.#saveRun = null;
  }

  /** Fetches from nodes of which no session is kept. */
  addSources(ids: Iterable<string>): void {
    for (const id of ids) {
      const node = this.#nodes.get(id)!;
      this.#saveRun?.addSource(sourceOf(this.#peers, { node }));
    }
  }

  /** Adds a node that has a file too; `of` is what to request from it. */
  addHolder(job: Job, node: string, of: string): void {
    if (this.#saveRun !== null) this.#saveRun.addHolder(job, node, of);
    else job.sources.set(node, of);
  }

  /**
   * The node as a source for the download. While the node is still asked for
   * names, the download opens its own session, because answers would wait
   * behind file bytes.
   */
  #sourceOf(id: string, session: NodeSession) {
    const node = this.#nodes.get(id)!;
    if (!this.isAsked) return sourceOf(this.#peers, { node });
    this.#options.seeking.release(id, session);
    return sourceOf(this.#peers, { node, session, lanes: this.#lanes });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions.values()) {
      await session[Symbol.asyncDispose]();
    }
  }
}
