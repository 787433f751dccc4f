/**
 * Streams one file: finds its nodes, chooses the content, and yields verified
 * pieces in order as they arrive from all nodes with that content.
 *
 * @module
 */

import type { ContentGroup } from "../content/choice.ts";
import { Failure } from "../base/errors.ts";
import { type ByteRange, type Section, sectionOf } from "../content/section.ts";
import type { SourceTrouble } from "../transfer/source.ts";
import { QuerySessions } from "./query_sessions.ts";
import { FileQuery, type FoundNode } from "./file_query.ts";
import type { Candidates } from "./candidates.ts";
import { Choosing } from "./choosing.ts";
import type { ClientEvent } from "./events.ts";
import {
  claimsFalsely,
  exhausted,
  hasNotThatRange,
  notThatSha256,
} from "./failures.ts";
import { explained, lacking } from "./folders.ts";
import type { ListedNode } from "./nodes.ts";
import type { Peers } from "./peers.ts";
import { FileSearch } from "./file_search.ts";
import { GroupFailed, StreamBytes } from "./stream_bytes.ts";
import type { TransferOptions } from "./transfer_options.ts";
import { WantedSums } from "./wanted_sums.ts";
import { insteadOf } from "./wider_search.ts";

/** The options of {@linkcode Stream}. */
export type StreamOptions = TransferOptions & {
  /** The file's name, in its normal form. */
  name: string;
  /** The nodes to ask. */
  candidates: Candidates;
  /**
   * Asks one node after the other, in the order of the list, and takes the
   * first file.
   */
  oneByOne?: boolean;
  /** The wanted bytes; by default all. */
  range?: ByteRange;
};

/** The stream of one file. Disposing ends the transfer. */
export class Stream implements AsyncDisposable {
  readonly #peers: Peers;
  readonly #options: StreamOptions;
  readonly #emit: (event: ClientEvent) => void;
  #query: FileQuery;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  /** Nodes that have not been asked, if they are asked one by one. */
  readonly #unasked: ListedNode[];
  readonly #nodes: Map<string, ListedNode>;
  /** Nodes that have the file and have not failed. */
  readonly #found = new Map<string, FoundNode>();
  readonly #seeking: FileSearch;
  readonly #choosing: Choosing;
  readonly #asides: QuerySessions;
  #group: ContentGroup | null = null;
  #node: ListedNode | null = null;
  readonly #bytes: StreamBytes;
  /** Whether a content turned out not to be the one that its nodes claimed. */
  #isMistaken = false;

  /** Disposing of the stream disposes of the peers too. */
  constructor(peers: Peers, options: StreamOptions) {
    const { signal } = options;
    this.#peers = peers;
    this.#options = options;
    this.#emit = options.onEvent ?? (() => {});
    this.#query = this.#queryFor(options.name);
    const { nodes } = options.candidates;
    this.#unasked = [...nodes];
    this.#nodes = new Map(nodes.map((node) => [node.id, node]));
    this.#signal = signal === undefined
      ? this.#stop.signal
      : AbortSignal.any([signal, this.#stop.signal]);
    const { sha256, content, prefer } = options;
    this.#seeking = new FileSearch(peers, {
      nodes,
      wanted: new WantedSums({ sha256 }),
      content,
      signal: this.#signal,
    });
    this.#asides = new QuerySessions(peers, this.#signal);
    this.#bytes = new StreamBytes(peers, {
      transfer: options,
      signal: this.#signal,
      asides: this.#asides,
      emit: this.#emit,
      onTrouble: (trouble) => this.#troubled(trouble),
      onMistaken: (group) => this.#blame(group),
      onUnfit: (node, cause) =>
        this.#query.answered(node, { kind: "failed", cause }),
      onError: (node, error) => this.#query.failed(node, error),
    });
    this.#choosing = new Choosing(peers, {
      criteria: { sha256, content, prefer },
      nodes,
      emit: this.#emit,
      signal: this.#signal,
    });
  }

  /** The file's whole name, which may be longer than the one asked for. */
  get name(): string {
    return this.#query.name;
  }

  #queryFor(name: string): FileQuery {
    return new FileQuery(this.#peers, { name, emit: this.#emit });
  }

  get size(): number {
    if (this.#group === null) throw new TypeError("No node has been found");
    return this.#group.size;
  }

  /** The bytes to yield of the chosen content. */
  get section(): Section {
    const { range } = this.#options;
    const section = sectionOf(range, this.size);
    if (section !== undefined) return section;
    throw hasNotThatRange(this.name, this.size);
  }

  get node(): ListedNode {
    if (this.#node === null) throw new TypeError("No node has been found");
    return this.#node;
  }

  /** Finds the nodes with the file, and the content to take. */
  async seek(): Promise<void> {
    if (this.#options.oneByOne) await this.#askNext();
    else {
      await this.#askAll();
      if (this.#found.size === 0) await this.#seekInstead();
    }
    await this.#choose();
    void this.section; // throws if there is no such part
  }

  async #askAll(): Promise<void> {
    const onFound = (_asking: FileQuery, found: FoundNode) => this.#join(found);
    await this.#seeking.seek([this.#query], { onFound });
    if (this.#found.size === 0) await this.#askWider();
  }

  /** Asks further nodes that may have the file. */
  async #askWider(): Promise<void> {
    const onFound = (_asking: FileQuery, found: FoundNode) => this.#join(found);
    const nodes = await this.#options.candidates.widen([this.name]);
    for (const node of nodes) this.#nodes.set(node.id, node);
    await this.#seeking.seek([this.#query], { onFound, nodes });
  }

  /** Finds the name of a file if no node has the requested name itself. */
  async #seekInstead(): Promise<void> {
    const instead = this.#options.anywhere
      ? await this.#instead()
      : await this.#explained();
    if (instead instanceof Failure) throw this.#failed(instead);
    this.#query = this.#queryFor(instead);
    await this.#askAll();
    if (this.#found.size === 0) throw this.#failed(this.#exhausted());
  }

  #instead(): Promise<string | Failure> {
    return insteadOf(this.#exhausted(), {
      peers: this.#peers,
      nodes: lacking(this.#options.candidates.nodes, this.#query.answers),
      name: this.name,
      ignoreCase: this.#options.ignoreCase,
      choosing: this.#choosing,
      emit: this.#emit,
      signal: this.#signal,
    });
  }

  /** Chooses among the offers of nodes that have not failed. */
  async #choose(): Promise<void> {
    for (;;) {
      if (this.#found.size === 0) throw this.#failed(this.#exhausted());
      const offers = [...this.#found.values()].map(({ offer }) => offer);
      try {
        const { group } = await this.#choosing.choose(this.name, offers);
        this.#group = group;
        this.#node = this.#found.get(group.offers[0]!.node)!.node;
        return;
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        // A node that was not asked, or is slow, may have the wanted content.
        const { oneByOne, candidates } = this.#options;
        const mayBeElsewhere = oneByOne || candidates.isByContent;
        const before = this.#found.size;
        if (mayBeElsewhere || this.#isMistaken) await this.#askTheRest();
        if (this.#found.size > before) continue;
        // A node had it, and could not deliver it.
        const isTried = this.#group !== null && error.kind === "not_found";
        throw this.#failed(isTried ? this.#exhausted() : error);
      }
    }
  }

  /** Asks the next nodes until one has the file. */
  async #askNext(): Promise<void> {
    for (let node = this.#unasked.shift(); node; node = this.#unasked.shift()) {
      const found = await this.#query.ask(node, { signal: this.#signal });
      if (found === undefined) continue;
      this.#found.set(node.id, found);
      return;
    }
  }

  /**
   * Asks the remaining nodes, when all nodes that have answered have failed.
   */
  async #askTheRest(): Promise<void> {
    const { oneByOne, candidates } = this.#options;
    if (oneByOne) return await this.#askNext();
    await this.#seeking.settled();
    if (candidates.isByContent) await this.#askWider();
  }

  /** Adds a node with the file. One that answers late takes part at once. */
  #join(found: FoundNode): boolean {
    const { node } = found;
    this.#seeking.release(node.id, found.session);
    this.#found.set(node.id, found);
    this.#bytes.join(found);
    return true;
  }

  async *pieces(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    for (;;) {
      const group = this.#group!;
      const members = group.offers.flatMap(({ node }) =>
        this.#found.get(node) ?? []
      );
      try {
        const { name, section } = this;
        const streamed = { name, section, group, members };
        const content = yield* this.#bytes.receive(streamed);
        return this.#reportReceived(content);
      } catch (error) {
        this.#options.signal?.throwIfAborted();
        if (!(error instanceof GroupFailed)) throw error;
      }
      for (const { node, session } of members) {
        this.#found.delete(node.id);
        await session[Symbol.asyncDispose]();
      }
      if (this.#found.size === 0) await this.#askTheRest();
      await this.#choose();
    }
  }

  /** The nodes of a content claimed a SHA-256 that it does not have. */
  #blame({ offers }: ContentGroup): void {
    this.#isMistaken = true;
    for (const { node: source, sha256 } of offers) {
      if (sha256 === undefined) continue;
      const cause = claimsFalsely(this.name);
      this.#troubled({ source, kind: "lied", cause, out: true });
    }
  }

  #troubled({ source, kind, cause, out }: SourceTrouble): void {
    const { node } = this.#found.get(source)!;
    this.#emit({ event: "node_trouble", node, kind, cause, out });
    const isLie = kind === "lied";
    const isFirst = this.#query.answers.get(node.id)?.kind === "found";
    if (out || (kind === "lost_file" && isFirst)) {
      this.#query.answered(node, {
        kind: isLie ? "corrupt" : "failed",
        cause,
      });
    }
  }

  #reportReceived(content: string): void {
    const from = this.#bytes.deliveries.by((id) => this.#nodes.get(id)!);
    const { name, section: { start, end } } = this;
    const bytes = end - start;
    const holders = this.#group!.offers.length;
    this.#emit({
      event: "file_received",
      name,
      bytes,
      ...(this.#options.range === undefined ? {} : { start }),
      content,
      from,
      holders,
    });
  }

  /** A failure that ends the fetch, reported for the file. */
  #failed(error: Failure): Failure {
    const from = this.#bytes.deliveries.by((id) => this.#nodes.get(id)!);
    this.#emit({ event: "file_failed", name: this.name, error, from });
    return error;
  }

  /**
   * Why no node has the file, and whether the name is a folder or a pattern.
   */
  #explained(): Promise<Failure> {
    const { nodes } = this.#options.candidates;
    return explained(this.#exhausted(), {
      peers: this.#peers,
      nodes: lacking(nodes, this.#query.answers),
      name: this.name,
      signal: this.#signal,
    });
  }

  /** Why the file cannot be fetched, when no node is left. */
  #exhausted(): Failure {
    if (this.#isMistaken) return notThatSha256(this.name);
    const { answers, found } = this.#query;
    const { unaskedCount } = this.#options.candidates;
    return exhausted(this.name, answers, found, unaskedCount);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("the fetch was disposed of"));
    await this.#seeking[Symbol.asyncDispose]();
    await this.#choosing[Symbol.asyncDispose]();
    await this.#asides[Symbol.asyncDispose]();
    for (const { session } of this.#found.values()) {
      await session[Symbol.asyncDispose]();
    }
    this.#bytes[Symbol.dispose]();
    await this.#peers[Symbol.asyncDispose]();
  }
}
