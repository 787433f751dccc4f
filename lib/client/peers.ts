/**
 * The peers of a client: its relay, and the nodes that the relay lists.
 *
 * @module
 */

import { isLoopback, type RelayAddress } from "../address.ts";
import { Channel } from "../channel.ts";
import { type Endpoint, formatEndpoint } from "../conn.ts";
import { describeCause, Failure, isBug, ProtocolError } from "../errors.ts";
import type { KnownRelays } from "../known_relays.ts";
import { type Limits, limitsWith } from "../limits.ts";
import { DIRECTION, type MessageOf, type SignedRecord } from "../messages.ts";
import { openRegistration, readRegistration } from "../registration.ts";
import { RelayLink, type RelayLinkEvent } from "../relay_link.ts";
import { show } from "../text.ts";
import { NodeSession, type Refused } from "../transfer/session.ts";
import { dialAny } from "../transport/dial.ts";

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
  /** The node's own words that the rest was read from, and its signature. */
  readonly signed: SignedRecord;
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

/** Options that every function of the client takes. */
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
}

/** What reaching peers tells. */
export type PeersEvent =
  | RelayLinkEvent
  /** The relay has answered. */
  | { event: "nodes_listed"; greeting: string; nodes: readonly ListedNode[] };

/** A node that has said hello, and what it said of the file asked for. */
export interface OpenedSession {
  /** The conversation. The caller disposes of it. */
  readonly session: NodeSession;
  /** The answer, where a file was asked for. */
  readonly found?: MessageOf<"found"> | Refused;
}

/** A node could not be dialled, or is not the one that was listed. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";

  constructor(cause: unknown) {
    super("Cannot reach node", { cause });
  }
}

/** Reaches relay and nodes. Disposing waits, shortly, for reports to arrive. */
export class Peers implements AsyncDisposable {
  readonly options: ClientOptions;
  readonly limits: Limits;
  readonly #tell: (event: PeersEvent) => void;
  readonly #link: RelayLink;
  readonly #reports = new Map<string, Promise<void>>();

  /** Nothing is dialled yet. */
  constructor(options: ClientOptions, tell: (event: PeersEvent) => void) {
    this.options = options;
    this.limits = limitsWith(options.limits);
    this.#tell = tell;
    this.#link = new RelayLink(options.relay, {
      role: "client",
      plaintext: options.plaintext ?? false,
      knownRelays: options.knownRelays,
      limits: this.limits,
      onEvent: tell,
    });
  }

  /**
   * Asks the relay for the active nodes.
   *
   * @throws {Failure} of kind `relay` when it cannot be asked.
   */
  async list(): Promise<NodeListing> {
    const { signal } = this.options;
    const session = await this.#link.open(signal);
    await using channel = session.channel;
    using _end = channel.endOn(signal);
    try {
      const nodes = await this.#listAll(channel, session.id);
      const { greeting, id: relayId } = session;
      this.#tell({ event: "nodes_listed", greeting, nodes });
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

  /** All pages, each node once; a page that brings nobody new is the last. */
  async #listAll(channel: Channel, relayId: string): Promise<ListedNode[]> {
    const nodes = new Map<string, ListedNode>();
    let cursor: string | undefined;
    for (;;) {
      const page = await listPage(channel, cursor);
      const before = nodes.size;
      for (const signed of page.nodes) {
        const node = listedNode(signed, relayId, nodes.size + 1);
        if (node !== undefined && !nodes.has(node.id)) nodes.set(node.id, node);
        if (nodes.size >= this.limits.listingCount) return [...nodes.values()];
      }
      cursor = page.cursor;
      if (cursor === undefined || nodes.size === before) {
        return [...nodes.values()];
      }
    }
  }

  /**
   * Dials a node at whichever of its addresses answers first, and greets it; a
   * node that cannot be reached is reported to the relay.
   *
   * @throws {Unreachable} when nobody answers who proves to be that node.
   */
  async open(
    node: ListedNode,
    options: { find?: string; signal?: AbortSignal | undefined } = {},
  ): Promise<OpenedSession> {
    const signal = options.signal ?? this.options.signal;
    const channel = await this.#dial(node, signal);
    using _end = channel.endOn(signal);
    try {
      const { find } = options;
      const asked = find === undefined ? {} : { find };
      const opened = await NodeSession.open(channel, { id: node.id, ...asked });
      opened.session.endOn(this.options.signal);
      return opened;
    } catch (error) {
      channel.conn.close();
      throw error;
    }
  }

  async #dial(
    node: ListedNode,
    signal: AbortSignal | undefined,
  ): Promise<Channel> {
    try {
      const verdict = await openRegistration(node.signed);
      if (verdict.kind === "refused") {
        throw new ProtocolError(
          "bad_message",
          "the relay lists what no node signed",
        );
      }
      const conn = await dialAny(this.addressesOf(node), {
        peer: this.options.plaintext ? null : node,
        timeoutMs: this.limits.connectMs,
        staggerMs: STAGGER_MS,
        signal,
      });
      return new Channel(conn, {
        limits: this.limits,
        acceptsData: true,
        writeStallMs: this.limits.dataWriteStallMs,
        idleMs: this.limits.pieceStallMs,
        readAheadBytes: READ_AHEAD_BYTES,
      });
    } catch (error) {
      if (signal?.aborted || isBug(error)) throw error;
      this.#report(node);
      throw new Unreachable(error);
    }
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
  #report(node: ListedNode): void {
    if (this.#reports.has(node.id)) return;
    this.#reports.set(node.id, this.#sendReport(node));
  }

  async #sendReport({ id }: ListedNode): Promise<void> {
    try {
      const deadline = AbortSignal.timeout(this.limits.withdrawMs);
      const session = await this.#link.open(deadline);
      await using channel = session.channel;
      using _end = channel.endOn(deadline);
      await channel.send({ kind: "report", id });
    } catch (error) {
      // Good will only; what the person asked for has errors of its own.
      if (isBug(error)) throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#reports.values());
  }
}

// An address that does not answer at once must not hold up the others.
const STAGGER_MS = 250;
// Several small files come in one record; large pieces are read to their place.
const READ_AHEAD_BYTES = 64 * 1024;

/** A node of a listing, if it is one: the signature is checked before dialling. */
function listedNode(
  signed: SignedRecord,
  relayId: string,
  number: number,
): ListedNode | undefined {
  const verdict = readRegistration(signed);
  if (verdict.kind === "refused") return undefined;
  const { id, name, addresses, certificate, purpose, relay } =
    verdict.registration;
  if (purpose !== "register" || relay !== relayId) return undefined;
  return { number, id, name, addresses, certificate, signed };
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
