/**
 * The peer client: asks the relay for the active nodes, then goes through them
 * one at a time until one delivers the file.
 *
 * @module
 */

import { isLoopback, type RelayAddress } from "./address.ts";
import { Channel } from "./channel.ts";
import { type Conn, type Endpoint, formatEndpoint } from "./conn.ts";
import { describeCause, Failure, isBug, ProtocolError } from "./errors.ts";
import { greet } from "./greeting.ts";
import type { KnownRelays } from "./known_relays.ts";
import { LIMITS, type Limits, limitsWith } from "./limits.ts";
import { DIRECTION, type MessageOf } from "./messages.ts";
import { safeName } from "./names.ts";
import { type OpenedRegistration, readRegistration } from "./registration.ts";
import {
  RelayLink,
  type RelayLinkEvent,
  type RelaySession,
} from "./relay_link.ts";
import { show } from "./text.ts";
import { type ReceivedPiece, receiveFile } from "./transfer.ts";
import { dial } from "./transport/dial.ts";

/** An active node, as the relay lists it. */
export interface ListedNode {
  /** Its place in the listing, from 1. */
  readonly number: number;
  /** Its id. */
  readonly id: string;
  /** What people call it: a stranger's words. */
  readonly name: string;
  /** Where to dial it, most useful first. */
  readonly addresses: readonly Endpoint[];
  /** Its certificate, DER, which hashes to the id. */
  readonly certificate: Uint8Array;
}

/** What the relay answered. */
export interface NodeListing {
  /** What the relay says to people: a stranger's words. */
  readonly greeting: string;
  /** Id of the relay. */
  readonly relayId: string;
  /** The nodes whose lease is alive. */
  readonly nodes: readonly ListedNode[];
}

/** What one node had to say about a file. */
export type NodeAnswer =
  /** It has the file. */
  | { readonly kind: "found"; readonly size: number }
  /** It does not. */
  | { readonly kind: "not_found" }
  /** It could not be dialled, or is not the node that was listed. */
  | { readonly kind: "unreachable"; readonly cause: string }
  /** It broke off, or refused, before the file was complete. */
  | { readonly kind: "failed"; readonly cause: string }
  /** It sent something else than it vouched for. */
  | { readonly kind: "corrupt"; readonly cause: string };

/** What a client tells on the way. */
export type ClientEvent =
  | RelayLinkEvent
  /** The relay has answered. */
  | { event: "nodes_listed"; greeting: string; nodes: readonly ListedNode[] }
  /** A node was asked. */
  | {
    event: "node_answered";
    node: ListedNode;
    address: string;
    answer: NodeAnswer;
  }
  /** The whole file has been delivered. */
  | { event: "file_received"; node: ListedNode; name: string; bytes: number };

/** Options of {@linkcode listNodes}. */
export interface ClientOptions {
  /** The relay to ask. */
  relay: RelayAddress;
  /** Goes without encryption, for whoever asks for it on both sides. */
  plaintext?: boolean;
  /** Remembers the relay between runs. */
  knownRelays?: KnownRelays;
  /** Numbers to replace in `limits.ts`. */
  limits?: Partial<Limits>;
  /** Stops when aborted. */
  signal?: AbortSignal;
  /** Told on the way. */
  onEvent?: (event: ClientEvent) => void;
}

/** Options of {@linkcode fetchFile}. */
export interface FetchOptions extends ClientOptions {
  /** The file's name, as its node shares it. */
  name: string;
  /** The nodes to ask, when they have been listed already. */
  nodes?: readonly ListedNode[];
}

/** A file that a node has, on its way. Disposing ends the transfer. */
export interface FetchedFile extends AsyncDisposable {
  /** Its name. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** The node it comes from; another one once that has failed. */
  readonly node: ListedNode;
  /**
   * The content, piece by piece and in order, each verified before it is handed
   * out and valid until the next is asked for. Goes on from the next node that
   * has the same content when one fails. To be iterated once.
   *
   * @throws {Failure} of kind `undelivered` or `corrupt` when no node is left.
   */
  pieces(): AsyncGenerator<Uint8Array<ArrayBuffer>>;
}

/**
 * The active nodes.
 *
 * @throws {Failure} of kind `relay` when the relay cannot be asked.
 */
export async function listNodes(options: ClientOptions): Promise<NodeListing> {
  return await new Client(options).list();
}

/**
 * Finds a file and starts to fetch it. The caller disposes of the result.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { fetchFile } from "./client.ts";
 * import { serveNode } from "./node_server.ts";
 * import { serveRelay } from "./relay_server.ts";
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
  const verdict = safeName(options.name);
  if (verdict.kind === "refused") {
    throw new Failure("usage", {
      what: "Cannot ask for file",
      where: show(options.name),
      why: verdict.rule,
    });
  }
  const client = new Client(options);
  const nodes = options.nodes ?? (await client.list()).nodes;
  const fetch = new Fetch(client, verdict.name, nodes);
  await fetch.seek();
  return fetch;
}

/** What both functions share: options, the way to the relay, dialling. */
class Client {
  readonly options: ClientOptions;
  readonly limits: Limits;
  readonly #link: RelayLink;

  constructor(options: ClientOptions) {
    this.options = options;
    this.limits = limitsWith(options.limits);
    this.#link = new RelayLink(options.relay, {
      role: "client",
      plaintext: options.plaintext ?? false,
      knownRelays: options.knownRelays,
      limits: this.limits,
      onEvent: (event) => this.tell(event),
    });
  }

  tell(event: ClientEvent): void {
    this.options.onEvent?.(event);
  }

  async list(): Promise<NodeListing> {
    const { signal } = this.options;
    const session = await this.#link.open(signal);
    await using channel = session.channel;
    using _abort = endOnAbort(channel, signal);
    try {
      const nodes = await listAll(session, this.limits);
      const { greeting, id: relayId } = session;
      this.tell({ event: "nodes_listed", greeting, nodes });
      return { greeting, relayId, nodes };
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (error instanceof Failure || isBug(error)) throw error;
      throw new Failure("relay", {
        what: "Cannot list nodes",
        where: formatEndpoint(this.options.relay),
        why: describeCause(error),
        cause: error,
      });
    }
  }

  /** Dials the node's addresses in turn. The caller closes the channel. */
  async dial(node: ListedNode): Promise<Channel> {
    let failure: unknown = new Error("no address");
    for (const endpoint of this.addressesOf(node)) {
      try {
        return this.#channel(
          await dial(endpoint, {
            peer: this.options.plaintext ? null : node,
            timeoutMs: this.limits.connectMs,
            signal: this.options.signal,
          }),
        );
      } catch (error) {
        if (this.options.signal?.aborted || isBug(error)) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  #channel(conn: Conn): Channel {
    return new Channel(conn, {
      limits: this.limits,
      acceptsData: true,
      writeStallMs: this.limits.dataWriteStallMs,
      idleMs: this.limits.pieceStallMs,
    });
  }

  /**
   * Where to dial a node. One that gives the loopback address runs beside the
   * relay: from another machine it is found where the relay is.
   */
  addressesOf(node: ListedNode): Endpoint[] {
    const { host: relayHost } = this.options.relay;
    return node.addresses.map(({ host, port }) => ({
      host: isLoopback(host) && !isLoopback(relayHost) ? relayHost : host,
      port,
    }));
  }

  /** Tells the relay that a node seems dead; the relay finds out for itself. */
  async report(node: ListedNode): Promise<void> {
    try {
      const session = await this.#link.open(this.options.signal);
      await using channel = session.channel;
      await channel.send({ kind: "report", id: node.id });
    } catch (error) {
      // Good will only: the fetch is what matters, and has its own errors.
      if (!(error instanceof Failure || error instanceof ProtocolError)) {
        if (!this.options.signal?.aborted) throw error;
      }
    }
  }
}

/** All pages of the listing, each node once. */
async function listAll(
  { channel }: RelaySession,
  limits: Limits,
): Promise<ListedNode[]> {
  const nodes = new Map<string, ListedNode>();
  let cursor: string | undefined;
  do {
    const page = await listPage(channel, cursor);
    for (const signed of page.nodes) {
      const verdict = readRegistration(signed);
      if (verdict.kind === "opened" && nodes.size < limits.listingCount) {
        const { registration } = verdict;
        const number = nodes.get(registration.id)?.number ?? nodes.size + 1;
        nodes.set(registration.id, { ...listed(registration), number });
      }
    }
    cursor = page.nodes.length > 0 ? page.cursor : undefined;
  } while (cursor !== undefined && nodes.size < limits.listingCount);
  return [...nodes.values()];
}

async function listPage(
  channel: Channel,
  cursor: string | undefined,
): Promise<MessageOf<"nodes">> {
  await channel.send({
    kind: "list",
    ...(cursor === undefined ? {} : { cursor }),
  });
  const answer = await channel.receive(DIRECTION.relayToClient);
  if (answer?.kind === "nodes") return answer;
  throw new ProtocolError(
    answer === null ? "truncated" : "wrong_phase",
    answer === null
      ? "the relay hung up"
      : answer.kind === "refused"
      ? `the relay refused: ${show(answer.text)} (${show(answer.code)})`
      : "the relay answered something else",
  );
}

function listed(
  { id, name, addresses, certificate }: OpenedRegistration,
): Omit<ListedNode, "number"> {
  return { id, name, addresses, certificate };
}

/** A node that has the file, with the channel it said so on. */
interface Source {
  readonly node: ListedNode;
  readonly channel: Channel;
  readonly found: MessageOf<"found">;
}

const REQUEST = 1; // one request at a time on each channel

/** One file on its way, from one node after the other. */
class Fetch implements FetchedFile {
  readonly name: string;
  readonly #client: Client;
  readonly #left: ListedNode[];
  /** The last word of each node that was asked. */
  readonly #answers = new Map<string, NodeAnswer>();
  readonly #found = new Set<string>();
  readonly #reports: Promise<void>[] = [];
  /** Hashes of the pieces handed out: another node must have the same. */
  readonly #delivered: string[] = [];
  #size: number | null = null;
  #source: Source | null = null;

  constructor(client: Client, name: string, nodes: readonly ListedNode[]) {
    this.#client = client;
    this.name = name;
    this.#left = [...nodes];
  }

  get size(): number {
    return this.#current.found.size;
  }

  get node(): ListedNode {
    return this.#current.node;
  }

  get #current(): Source {
    if (this.#source === null) throw new TypeError("No node has been found");
    return this.#source;
  }

  /** Goes on to the next node that has the file. */
  async seek(): Promise<void> {
    for (;;) {
      const node = this.#left.shift();
      if (node === undefined) throw this.#exhausted();
      const source = await this.#ask(node);
      if (source !== undefined) {
        this.#source = source;
        return;
      }
    }
  }

  /** Asks one node whether it has the file. */
  async #ask(node: ListedNode): Promise<Source | undefined> {
    const client = this.#client;
    let channel: Channel;
    try {
      channel = await client.dial(node);
    } catch (error) {
      client.options.signal?.throwIfAborted();
      if (isBug(error)) throw error;
      this.#reports.push(client.report(node));
      const cause = describeNodeFailure(error);
      this.#answered(node, { kind: "unreachable", cause });
      return undefined;
    }
    try {
      using _abort = endOnAbort(channel, client.options.signal);
      const answer = await find(channel, node, this.name);
      if (answer.kind === "found") {
        this.#answered(node, { kind: "found", size: answer.size });
        return { node, channel, found: answer };
      }
      this.#answered(
        node,
        answer.code === "not_found"
          ? { kind: "not_found" }
          : { kind: "failed", cause: `it refused: ${show(answer.text)}` },
      );
    } catch (error) {
      client.options.signal?.throwIfAborted();
      if (isBug(error)) throw error;
      this.#answered(node, answerOf(error));
    }
    await channel.close();
    return undefined;
  }

  async *pieces(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const { signal } = this.#client.options;
    for (;;) {
      const { node, channel } = this.#current;
      try {
        using _abort = endOnAbort(channel, signal);
        for await (const piece of this.#receive()) {
          this.#delivered.push(piece.sha256);
          yield piece.bytes;
        }
        const { name, size: bytes } = this;
        this.#client.tell({ event: "file_received", node, name, bytes });
        return;
      } catch (error) {
        signal?.throwIfAborted();
        if (isBug(error)) throw error;
        this.#answered(node, answerOf(error));
      }
      await channel.close();
      await this.seek();
    }
  }

  /**
   * The pieces of the current node that have not been handed out yet. Those
   * that have been must be the same here, or this is another file.
   */
  async *#receive(): AsyncGenerator<ReceivedPiece> {
    const { channel, found } = this.#current;
    const { size, version } = found;
    this.#size ??= size;
    if (size !== this.#size) throw new NodeFailed("it has another content");
    const request = REQUEST;
    await channel.send({ kind: "read", request, name: this.name, version });
    for await (const piece of receiveFile(channel, { request, size })) {
      if (piece.kind === "refused") {
        throw new NodeFailed(`it stopped: ${show(piece.text)}`);
      }
      const delivered = this.#delivered[piece.index];
      if (delivered === undefined) yield piece;
      else if (delivered !== piece.sha256) {
        throw new NodeFailed("it has another content");
      }
    }
  }

  #answered(node: ListedNode, answer: NodeAnswer): void {
    const [endpoint] = this.#client.addressesOf(node);
    const address = endpoint === undefined ? "" : formatEndpoint(endpoint);
    this.#answers.set(node.id, answer);
    if (answer.kind === "found") this.#found.add(node.id);
    this.#client.tell({ event: "node_answered", node, address, answer });
  }

  /** Why the file cannot be had, once no node is left. */
  #exhausted(): Failure {
    const where = show(this.name);
    const asked = this.#answers.size;
    const count = (kind: NodeAnswer["kind"]) =>
      [...this.#answers.values()].filter((answer) => answer.kind === kind)
        .length;
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
    if (this.#found.size > 0) {
      return new Failure("undelivered", {
        what: "Cannot fetch file",
        where,
        why:
          `${this.#found.size} of ${asked} nodes have it, none could deliver it`,
        remedy: "try again",
      });
    }
    const silent = asked - count("not_found");
    return new Failure("not_found", {
      what: "Cannot find file",
      where,
      why: `none of ${asked} nodes has it` +
        (silent === 0 ? "" : `, ${silent} of them could not be asked`),
      remedy: "check the name",
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#source?.channel.close();
    await Promise.all(this.#reports);
  }
}

/** A node cannot deliver what it announced. */
class NodeFailed extends Error {
  override readonly name = "NodeFailed";
}

/** Greets a node and asks it for a file, in one round trip. */
async function find(
  channel: Channel,
  node: ListedNode,
  name: string,
): Promise<MessageOf<"found"> | MessageOf<"refused">> {
  const request = REQUEST;
  const outcome = await greet(
    channel,
    { role: "client" },
    { kind: "find", request, name },
  );
  if (outcome.kind === "refused") {
    throw new NodeFailed(`it refused: ${show(outcome.text)}`);
  }
  if (outcome.hello.role !== "node" || outcome.hello.id !== node.id) {
    throw new NodeFailed("it is not the node that was listed");
  }
  const answer = await channel.receive(DIRECTION.nodeToClient);
  if (answer === null) throw new NodeFailed("it hung up");
  if (answer.kind === "piece" || answer.request !== request) {
    throw new NodeFailed("it answered something else");
  }
  if (answer.kind === "found" && answer.size > LIMITS.fileBytes) {
    throw new NodeFailed("it claims a size that no file can have");
  }
  return answer;
}

/** What an error says of the node it came from. */
function answerOf(error: unknown): NodeAnswer {
  if (error instanceof NodeFailed) {
    return { kind: "failed", cause: error.message };
  }
  const isLie = error instanceof ProtocolError &&
    error.code === "corrupt_piece";
  return {
    kind: isLie ? "corrupt" : "failed",
    cause: describeNodeFailure(error),
  };
}

function describeNodeFailure(error: unknown): string {
  if (!(error instanceof ProtocolError)) return describeCause(error);
  switch (error.code) {
    case "identity_mismatch":
      return "whoever answers there is not the node that was listed";
    case "timed_out":
    case "idle":
      return "no answer in time";
    default:
      return error.message;
  }
}

/** Ends the channel when `signal` is aborted, until disposed of. */
function endOnAbort(
  channel: Channel,
  signal: AbortSignal | undefined,
): Disposable {
  const end = () => channel.abort(signal?.reason);
  signal?.addEventListener("abort", end);
  if (signal?.aborted) end();
  return {
    [Symbol.dispose]: () => signal?.removeEventListener("abort", end),
  };
}
