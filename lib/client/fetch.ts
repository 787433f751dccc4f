/**
 * Fetches one file as a stream: finds it, chooses between contents, and gives it
 * out in order while it arrives, from all nodes that have that content.
 *
 * @module
 */

import {
  type ContentGroup,
  differ,
  groupOffers,
  type Preference,
} from "../choice.ts";
import { Failure, isBug } from "../errors.ts";
import { createSha256, HASH_BYTES } from "../hash.ts";
import { Manifest, pieceBytesOf, pieceCountOf } from "../manifest.ts";
import { safeName } from "../names.ts";
import { RateLimit } from "../rate.ts";
import { show } from "../text.ts";
import {
  Download,
  type DownloadSource,
  HASHED_AT_ONCE_BYTES,
  type SourceTrouble,
} from "../transfer/download.ts";
import { type Hasher, PlainHasher, WorkerHasher } from "../transfer/hashing.ts";
import { OrderedSink } from "../transfer/ordered.ts";
import type { DescribeAnswer, NodeSession } from "../transfer/session.ts";
import { Asking, type Found } from "./asking.ts";
import type { ClientEvent, NodeAnswer } from "./events.ts";
import { Deliveries } from "./deliveries.ts";
import type { ListedNode } from "./nodes.ts";
import { type ClientOptions, Peers } from "./peers.ts";
import { Seeking } from "./seeking.ts";

/** Options that decide what is fetched, and from whom. */
export interface TransferOptions extends ClientOptions {
  /** The nodes to ask, when they have been listed already. */
  nodes?: readonly ListedNode[];
  /** The node to fetch from: its id, the start of it, or its name. */
  node?: string;
  /** What decides where nodes have different contents. */
  prefer?: Preference;
  /** SHA-256 that the file must have, 64 hexadecimal digits. */
  sha256?: string;
  /** Connections to each node. */
  connections?: number;
  /** Bytes a second to receive at most. */
  limitRate?: number;
  /** Bytes a second below which a node is put out while there is another. */
  lowestSpeed?: number;
  /** Told on the way. */
  onEvent?: (event: ClientEvent) => void;
}

/** Options of {@linkcode fetchFile}. */
export interface FetchOptions extends TransferOptions {
  /** The file's name, as its node shares it. */
  name: string;
  /** Asks one node after the other, in the order listed, and takes the first. */
  oneByOne?: boolean;
}

/** A file that is on its way. Disposing ends the transfer. */
export interface FetchedFile extends AsyncDisposable {
  /** Its name. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** A node that it comes from. */
  readonly node: ListedNode;
  /**
   * The content in order, each part verified before it is handed out and valid
   * until the next is asked for. To be iterated once.
   *
   * @throws {Failure} of kind `undelivered` or `corrupt` when no node is left.
   */
  pieces(): AsyncGenerator<Uint8Array<ArrayBuffer>>;
}

/**
 * Finds a file and starts to fetch it. The caller disposes of the result.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { fetchFile } from "./fetch.ts";
 * import { serveNode } from "../node_server.ts";
 * import { serveRelay } from "../relay_server.ts";
 *
 * const registered = Promise.withResolvers<void>();
 * await using relay = await serveRelay({ host: "127.0.0.1", port: 0 });
 * await using node = await serveNode({
 *   relay: relay.address,
 *   host: "127.0.0.1",
 *   port: 0,
 *   directory: "files/one",
 *   onEvent: ({ event }) => event === "registered" && registered.resolve(),
 * });
 * await registered.promise;
 *
 * await using file = await fetchFile({ relay: relay.address, name: "1.txt" });
 * for await (const piece of file.pieces()) {
 *   assertEquals(new TextDecoder().decode(piece), "I am Text file 1\n");
 * }
 * assertEquals(file.node.id, node.id);
 * ```
 *
 * @throws {Failure} of kind `usage` for a name that no file can have, `relay`
 * when the relay cannot be asked, `not_found` when no node has the file.
 */
export async function fetchFile(options: FetchOptions): Promise<FetchedFile> {
  const name = checkedName(options.name);
  const tell = options.onEvent ?? (() => {});
  await using stack = new AsyncDisposableStack();
  const peers = stack.use(new Peers(options, tell));
  const nodes = chosenNodes(
    options.nodes ?? (await peers.list()).nodes,
    options,
  );
  const fetch = stack.use(new Fetch(peers, { ...options, name, nodes }));
  await fetch.seek();
  stack.move(); // from here on it is the caller who disposes
  return fetch;
}

/**
 * The name in its normal form.
 *
 * @throws {Failure} of kind `usage` when no file can have it.
 */
export function checkedName(name: string): string {
  const verdict = safeName(name);
  if (verdict.kind === "safe") return verdict.name;
  throw new Failure("usage", {
    what: "Cannot ask for file",
    where: show(name),
    why: verdict.rule,
  });
}

/**
 * The nodes that `options.node` means.
 *
 * @throws {Failure} of kind `not_found` when none does.
 */
export function chosenNodes(
  nodes: readonly ListedNode[],
  { node: wanted }: TransferOptions,
): readonly ListedNode[] {
  if (wanted === undefined) return nodes;
  const chosen = nodes.filter(({ id, name }) =>
    name === wanted || (wanted.length >= 6 && id.startsWith(wanted))
  );
  if (chosen.length > 0) return chosen;
  throw new Failure("not_found", {
    what: "Cannot ask node",
    where: show(wanted),
    why: "no active node has that name or id",
    remedy: "see the command nodes",
  });
}

// Below this a worker takes longer to start than to be of use.
const WORKER_FROM_BYTES = 16 * 1024 * 1024;

/** What hashes best for files of these sizes. */
export function hasherFor(sizes: readonly number[]): Hasher {
  const bytes = sizes.reduce(
    (sum, size) => size > HASHED_AT_ONCE_BYTES ? sum + size : sum,
    0,
  );
  return bytes >= WORKER_FROM_BYTES ? new WorkerHasher() : new PlainHasher();
}

type Wanted = FetchOptions & { nodes: readonly ListedNode[] };

/** A transfer that runs: late nodes with the same content may join it. */
interface Running {
  readonly content: string | undefined;
  readonly download: Download;
  readonly file: number;
}

/** One file on its way. */
class Fetch implements FetchedFile {
  readonly name: string;
  readonly #peers: Peers;
  readonly #options: Wanted;
  readonly #tell: (event: ClientEvent) => void;
  readonly #asking: Asking;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  /** Nodes that have not been asked, where they are asked one by one. */
  readonly #unasked: ListedNode[];
  readonly #nodes: ReadonlyMap<string, ListedNode>;
  /** Nodes that have the file and have not failed. */
  readonly #found = new Map<string, Found>();
  readonly #deliveries = new Deliveries();
  readonly #seeking: Seeking;
  #group: ContentGroup | null = null;
  #node: ListedNode | null = null;
  #running: Running | null = null;
  /** Hashes of the pieces given out: another node must have the same. */
  #delivered: Uint8Array = new Uint8Array();
  #hasher: Hasher | null = null;

  constructor(peers: Peers, options: Wanted) {
    const { signal } = options;
    this.name = options.name;
    this.#peers = peers;
    this.#options = options;
    this.#tell = options.onEvent ?? (() => {});
    this.#asking = new Asking(peers, { name: this.name, tell: this.#tell });
    this.#unasked = [...options.nodes];
    this.#nodes = new Map(options.nodes.map((node) => [node.id, node]));
    this.#signal = signal === undefined
      ? this.#stop.signal
      : AbortSignal.any([signal, this.#stop.signal]);
    const { nodes, sha256 } = options;
    this.#seeking = new Seeking(peers, { nodes, sha256, signal: this.#signal });
  }

  get size(): number {
    if (this.#group === null) throw new TypeError("No node has been found");
    return this.#group.size;
  }

  get node(): ListedNode {
    if (this.#node === null) throw new TypeError("No node has been found");
    return this.#node;
  }

  /** Finds out who has the file, and which content to take. */
  async seek(): Promise<void> {
    if (this.#options.oneByOne) await this.#askNext();
    else await this.#seeking.seek(this.#asking, (found) => this.#join(found));
    const groups = this.#groups();
    if (differ(groups)) {
      this.#tell({ event: "contents_differ", name: this.name, groups });
    }
    this.#choose(groups[0]);
  }

  #choose(group: ContentGroup | undefined): void {
    const node = group && this.#found.get(group.offers[0]!.node)?.node;
    if (group === undefined || node === undefined) throw this.#exhausted();
    this.#group = group;
    this.#node = node;
  }

  /** Asks the next nodes until one has it. */
  async #askNext(): Promise<void> {
    for (let node = this.#unasked.shift(); node; node = this.#unasked.shift()) {
      const found = await this.#asking.ask(node, this.#signal);
      if (found === undefined) continue;
      this.#found.set(node.id, found);
      return;
    }
  }

  /** Notes who has it; one that answers late takes part at once. */
  #join(found: Found): void {
    const { node, session, offer } = found;
    this.#found.set(node.id, found);
    const running = this.#running;
    if (running?.content === undefined || offer.content !== running.content) {
      return;
    }
    running.download.addHolder(running.file, node.id, running.content);
    running.download.addSource(this.#sourceOf(node, session));
  }

  #sourceOf(node: ListedNode, session: NodeSession): DownloadSource {
    return {
      id: node.id,
      session,
      open: async (signal) =>
        (await this.#peers.open(node, { signal })).session,
    };
  }

  /** What the nodes offer, by content, the one to take first. */
  #groups(): ContentGroup[] {
    const { sha256, prefer = "most-nodes" } = this.#options;
    const wanted = sha256?.toLowerCase();
    const offers = [...this.#found.values()].map(({ offer }) => offer)
      .filter((offer) => wanted === undefined || offer.sha256 === wanted);
    return groupOffers(offers, prefer);
  }

  async *pieces(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const wanted = this.#options.sha256?.toLowerCase();
    if (wanted === undefined) return yield* this.#unpinned();
    const hash = createSha256();
    let given = 0;
    for await (const bytes of this.#unpinned()) {
      hash.update(bytes);
      given += bytes.length;
      // What it is shows at the end: that is never given out of another file.
      if (given === this.size) this.#require(wanted, hash.digest("hex"));
      yield bytes;
    }
    if (given === 0) this.#require(wanted, hash.digest("hex"));
  }

  #require(wanted: string, found: string): void {
    if (found !== wanted) throw notThatSha256(this.name);
  }

  /** The content in order, whatever its SHA-256. */
  async *#unpinned(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    for (;;) {
      const group = this.#group!;
      const members = group.offers.flatMap(({ node }) =>
        this.#found.get(node) ?? []
      );
      try {
        const content = yield* this.#receive(group, members);
        return this.#tellReceived(content);
      } catch (error) {
        this.#options.signal?.throwIfAborted();
        if (!(error instanceof GroupFailed)) throw error;
      }
      for (const { node, session } of members) {
        this.#found.delete(node.id);
        await session[Symbol.asyncDispose]();
      }
      if (this.#options.oneByOne && this.#found.size === 0) {
        await this.#askNext();
      }
      this.#choose(this.#groups()[0]);
    }
  }

  /** Gives out one content from where the last one broke off; its id. */
  async *#receive(
    group: ContentGroup,
    members: readonly Found[],
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, string> {
    const manifest = await this.#manifestOf(group, members);
    const count = this.#delivered.length / HASH_BYTES;
    const pieceBytes = pieceBytesOf(group.size);
    const download = this.#startDownload(group.size);
    const sink = new OrderedSink({
      pieceBytes,
      first: count,
      onConsumed: (piece) => download.consumed(file, piece),
    });
    const file = download.addFile({
      name: this.name,
      size: group.size,
      content: group.content,
      manifest,
      sources: new Map(
        group.offers.map((
          { node, content, version },
        ) => [node, content ?? version]),
      ),
      have: Array.from({ length: count }, (_, piece) => piece),
      inOrder: true,
      sink,
    });
    for (const { node, session } of members) {
      download.addSource(this.#sourceOf(node, session));
    }
    this.#running = { content: group.content, download, file };
    download.close();
    const running = download.run().then(
      () => sink.fail(new GroupFailed()), // of no effect once all has come
      (error) => sink.fail(error),
    );
    let end = count;
    try {
      for await (const { first, bytes } of sink.parts()) {
        yield bytes;
        end = first + Math.ceil(bytes.length / pieceBytes);
      }
      return new Manifest(group.size, download.hashesOf(file)).contentId;
    } finally {
      this.#delivered = download.hashesOf(file).slice(0, end * HASH_BYTES);
      this.#running = null;
      sink.cancel();
      download.stop();
      await running;
    }
  }

  #startDownload(size: number): Download {
    const { connections = 1, limitRate, lowestSpeed } = this.#options;
    const { limits } = this.#peers;
    return new Download({
      limits,
      hasher: this.#hasher ??= hasherFor([size]),
      connections,
      rate: limitRate === undefined ? undefined : new RateLimit(limitRate),
      lowestBytesPerSecond: lowestSpeed ?? limits.lowestBytesPerSecond,
      signal: this.#signal,
      onBytes: (arrived) => this.#deliveries.add(arrived),
      onFinished: () => {},
      onFailed: () => {}, // the sink hears it
      onTrouble: (trouble) => this.#troubled(trouble),
    });
  }

  #troubled({ source, kind, cause, out }: SourceTrouble): void {
    const { node } = this.#found.get(source)!;
    this.#tell({ event: "node_trouble", node, kind, cause, out });
    const isLie = kind === "lied";
    if (out) {
      this.#asking.answered(node, {
        kind: isLie ? "corrupt" : "failed",
        cause,
      });
    }
  }

  /**
   * What the pieces of a content must hash to, where it has several and its id
   * is known; else, and after another content broke off, what a node says.
   */
  async #manifestOf(
    group: ContentGroup,
    members: readonly Found[],
  ): Promise<Manifest | undefined> {
    const isCut = pieceCountOf(group.size) > 1;
    const mustAgree = this.#delivered.length > 0;
    if (!isCut || (group.content === undefined && !mustAgree)) return undefined;
    for (const { node, session, offer } of members) {
      try {
        const answer = await session.describe(group.content ?? offer.version);
        const cause = this.#whyNot(group, answer);
        if (answer.kind === "described" && cause === undefined) {
          return answer.manifest;
        }
        this.#asking.answered(node, { kind: "failed", cause: cause! });
      } catch (error) {
        this.#options.signal?.throwIfAborted();
        if (isBug(error)) throw error;
        this.#asking.failed(node, error);
      }
    }
    throw new GroupFailed();
  }

  /** Why the manifest in a node's answer cannot be taken, if so. */
  #whyNot(group: ContentGroup, answer: DescribeAnswer): string | undefined {
    if (answer.kind === "refused") return `it refused: ${show(answer.text)}`;
    const { size, hashes } = answer.manifest;
    return size === group.size && beginsWith(hashes, this.#delivered)
      ? undefined
      : "it has another content";
  }

  #tellReceived(content: string): void {
    const from = this.#deliveries.by((id) => this.#nodes.get(id)!);
    const { name, size: bytes } = this;
    this.#tell({ event: "file_received", name, bytes, content, from });
  }

  /** Why the file cannot be had, once no node is left. */
  #exhausted(): Failure {
    const { answers, found } = this.#asking;
    const isPinned = this.#options.sha256 !== undefined && this.#found.size > 0;
    return isPinned
      ? new Failure("not_found", {
        what: "Cannot find file",
        where: show(this.name),
        why: "no node has it with that SHA-256",
        remedy: "see the command ls",
      })
      : exhausted(this.name, answers, found);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("the fetch was disposed of"));
    await this.#seeking.settled();
    for (const { session } of this.#found.values()) {
      await session[Symbol.asyncDispose]();
    }
    this.#hasher?.[Symbol.dispose]();
    await this.#peers[Symbol.asyncDispose]();
  }
}

/** A file is not the one whose SHA-256 a node said it has. */
export function notThatSha256(where: string): Failure {
  return new Failure("corrupt", {
    what: "Cannot verify file",
    where: show(where),
    why: "it does not have the SHA-256 that was asked for",
    remedy: "the node that says so is wrong; choose another with --node",
  });
}

/** No node of a group can deliver: another content may. */
class GroupFailed extends Error {
  override readonly name = "GroupFailed";
}

function beginsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  return bytes.length >= start.length &&
    start.every((byte, at) => byte === bytes[at]);
}

/** Why a file cannot be had, from what the nodes answered. */
export function exhausted(
  name: string,
  answers: ReadonlyMap<string, NodeAnswer>,
  found: ReadonlySet<string>,
): Failure {
  const where = show(name);
  const asked = answers.size;
  const count = (kind: NodeAnswer["kind"]) =>
    [...answers.values()].filter((answer) => answer.kind === kind).length;
  if (asked === 0) {
    return new Failure("not_found", {
      what: "Cannot find file",
      where,
      why: "no peer node is active",
      remedy: "start one with peer_node.ts",
    });
  }
  if (count("corrupt") > 0) {
    return new Failure("corrupt", {
      what: "Cannot verify file",
      where,
      why: `${
        count("corrupt")
      } of ${asked} nodes sent something else than they vouched for`,
      remedy: "look at those nodes",
    });
  }
  if (found.size > 0) {
    return new Failure("undelivered", {
      what: "Cannot fetch file",
      where,
      why: `${found.size} of ${asked} nodes have it, none could deliver it`,
      remedy: "run again to resume",
    });
  }
  const silent = asked - count("not_found");
  return new Failure("not_found", {
    what: "Cannot find file",
    where,
    why: silent === asked
      ? `none of ${asked} nodes could be asked`
      : `none of ${asked} nodes has it` +
        (silent === 0 ? "" : `, ${silent} of them could not be asked`),
    remedy: silent === 0 ? "check the name" : "see that the nodes are running",
  });
}
