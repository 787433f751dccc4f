/**
 * Asks nodes about a file after it was chosen: for the hashes of its pieces,
 * and for the current version after a change.
 *
 * @module
 */

import type { Offer } from "../content/choice.ts";
import { groupUnder } from "../base/collections.ts";
import { Failure, isBug } from "../base/errors.ts";
import type { Manifest } from "../content/manifest.ts";
import type { NodeSession } from "../transfer/session.ts";
import { QuerySessions } from "./query_sessions.ts";
import { offerOf } from "./file_query.ts";
import type { Choosing } from "./choosing.ts";
import { manifestFrom, sourcesOf } from "./downloading.ts";
import { causeOf, type ClientEvent } from "./events.ts";
import {
  type Cause,
  givenUp,
  isBeingWritten,
  notDescribed,
  notThatSha256,
  wasRemoved,
} from "./failures.ts";
import type { Job } from "./jobs.ts";
import type { ListedNode } from "./nodes.ts";
import type { Peers } from "./peers.ts";

/** Options of {@linkcode Followups}. */
export interface FollowupsOptions {
  /** The nodes that may be asked, by id. */
  readonly nodes: ReadonlyMap<string, ListedNode>;
  /** The offers of all nodes under a name. */
  readonly offersOf: (name: string) => readonly Offer[];
  /** Resolves when no more offers can come. */
  readonly settled: () => Promise<void>;
  /** A session with a node, if there is one. It may have ended. */
  readonly sessionOf: (id: string) => NodeSession | undefined;
  /** Chooses between the offers. */
  readonly choosing: Choosing;
  /** Called for nodes whose connection fails. */
  readonly emit: (event: ClientEvent) => void;
  /** Stops asking. */
  readonly signal: AbortSignal;
}

/** Asks about chosen files. Disposing ends it. */
export class Followups implements AsyncDisposable {
  readonly #peers: Peers;
  readonly #options: FollowupsOptions;
  readonly #asides: QuerySessions;
  /** How often each name was asked for again. */
  readonly #againCounts = new Map<string, number>();
  /** Nodes and votes of contents that were wrong or not delivered, by name. */
  readonly #mistaken = new Map<string, Set<string>>();
  /** Nodes that claimed the SHA-256 for a content without it, by their ids. */
  readonly #liars = new Set<string>();

  constructor(peers: Peers, options: FollowupsOptions) {
    this.#peers = peers;
    this.#options = options;
    this.#asides = new QuerySessions(peers, options.signal);
  }

  /**
   * The manifest of a file, from the first node that gives it.
   *
   * @throws {Failure} of kind `undelivered` if none does.
   */
  async describe({ name, group }: Job): Promise<Manifest> {
    const { content, size, offers } = group;
    const { nodes, sessionOf, emit, signal } = this.#options;
    const describers = offers.map(({ node: id, version }) => ({
      node: nodes.get(id)!,
      session: sessionOf(id),
      of: content ?? version,
    }));
    const causes: Cause[] = [];
    const manifest = await manifestFrom(describers, {
      ...{ name, size },
      hashWaits: this.#peers.hashWaits,
      asides: this.#asides,
      signal,
      patienceMs: this.#peers.limits.queryPatienceMs,
      onUnfit: (node, cause, code) =>
        causes.push({ node: node.name, cause, code }),
      onError: (node, error) => {
        const cause = causeOf(error);
        causes.push({ node: node.name, cause });
        if (this.#peers.isOut(node.id)) return; // reported already
        const reported = { node, cause, out: false };
        emit({ event: "node_trouble", kind: "broke_off", ...reported });
      },
    });
    if (manifest !== undefined) return manifest;
    throw notDescribed(name, causes);
  }

  /**
   * Finds what to fetch after a file has changed on its nodes: asks them again,
   * a limited number of times; then like {@linkcode Followups.besides}.
   */
  async again(job: Job): Promise<Job | Failure> {
    const found = await this.#again(job);
    return found instanceof Failure ? await this.besides(job, found) : found;
  }

  async #again(job: Job): Promise<Job | Failure> {
    const { nodes, choosing } = this.#options;
    const { name } = job;
    const count = (this.#againCounts.get(name) ?? 0) + 1;
    if (count > this.#peers.limits.refetchCount) return isBeingWritten(name);
    this.#againCounts.set(name, count);
    const ids = new Set(job.sources.keys());
    const answers = await Promise.all(
      [...ids].map((id) => this.#askAgain(nodes.get(id)!, name)),
    );
    const offers = answers.filter((answer) => typeof answer === "object");
    if (offers.length === 0) {
      return answers.includes("not_found")
        ? wasRemoved(name)
        : givenUp(name, { failure: "undelivered", part: 0 });
    }
    try {
      const { group, isVoted } = await choosing.choose(name, offers);
      const sources = sourcesOf(group);
      return { ...job, group, sources, isVoted: isVoted || job.isVoted };
    } catch (error) {
      this.#options.signal.throwIfAborted();
      if (error instanceof Failure) return error;
      throw error;
    }
  }

  /**
   * Whether all nodes that claim the SHA-256 for a content have claimed it
   * falsely before. A false node therefore causes at most one useless download,
   * even if it lies about many names.
   */
  isDisbelieved({ group }: Job): boolean {
    return this.#liars.size > 0 &&
      group.offers.every(({ node }) => this.#liars.has(node));
  }

  /**
   * Finds what to fetch after a content did not have the SHA-256 that its
   * nodes claimed: another content, first those of nodes at other addresses.
   * If there is none, waits for late answers.
   */
  async otherwise(job: Job): Promise<Job | Failure> {
    for (const { node, sha256 } of job.group.offers) {
      if (sha256 !== undefined) this.#liars.add(node);
    }
    return await this.#otherContent(job) ?? notThatSha256(job.path);
  }

  /**
   * Finds what to fetch after the nodes of a content did not deliver it, like
   * {@linkcode Followups.otherwise}, if the user gave a digest: what they claim
   * may be false, and others may have the wanted content. Otherwise returns
   * `failure`.
   */
  async besides(job: Job, failure: Failure): Promise<Job | Failure> {
    return this.#options.choosing.isPinned(job.name)
      ? await this.#otherContent(job) ?? failure
      : failure;
  }

  async #otherContent(job: Job): Promise<Job | undefined> {
    const { name, group } = job;
    const { offersOf, settled, signal } = this.#options;
    const mistaken = groupUnder(this.#mistaken, name);
    for (const { node, votesAs } of group.offers) {
      mistaken.add(node).add(votesAs);
    }
    const choose = async () => {
      const others = offersOf(name).filter(({ node }) =>
        !mistaken.has(node) && !this.#liars.has(node)
      );
      const elsewhere = others.filter(({ votesAs }) => !mistaken.has(votesAs));
      return await this.#chosenOf(job, elsewhere) ??
        await this.#chosenOf(job, others);
    };
    const found = await choose();
    if (found !== undefined) return found;
    await settled();
    signal.throwIfAborted();
    return await choose();
  }

  /** The same job from other nodes, if some of these have its content. */
  async elsewhere(
    job: Job,
    nodes: readonly ListedNode[],
  ): Promise<Job | undefined> {
    const answers = await Promise.all(
      nodes.map((node) => this.#askAgain(node, job.name)),
    );
    const offers = answers.filter((answer) => typeof answer === "object");
    return await this.#chosenOf(job, offers);
  }

  /**
   * The same job with the content chosen from these offers, if there is one.
   */
  async #chosenOf(
    job: Job,
    offers: readonly Offer[],
  ): Promise<Job | undefined> {
    if (offers.length === 0) return undefined;
    try {
      const { group } = await this.#options.choosing.choose(job.name, offers);
      return { ...job, group, sources: sourcesOf(group) };
    } catch (error) {
      this.#options.signal.throwIfAborted();
      if (error instanceof Failure) return undefined;
      throw error;
    }
  }

  /** A node's current offer under a name. */
  async #askAgain(
    node: ListedNode,
    name: string,
  ): Promise<Offer | "not_found" | "failed"> {
    try {
      return await this.#asides.ask(node, async (session) => {
        const answer = await session.find(name);
        if (answer.kind === "refused") {
          return answer.code === "not_found" ? "not_found" : "failed";
        }
        return offerOf(node.id, answer, session) ?? "failed";
      });
    } catch (error) {
      if (isBug(error)) throw error;
      return "failed"; // it was reported when the file was requested
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#asides[Symbol.asyncDispose]();
  }
}
