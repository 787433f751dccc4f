/**
 * The peers of a client: its relay, and the nodes that the relay lists.
 *
 * @module
 */

import type { Access } from "../access/credentials.ts";
import { type FurtherRelay, sideBySide } from "../access/further_relay.ts";
import { checkedIndexKey } from "../access/index_key.ts";
import type { RelayAddress } from "../base/address.ts";
import { formatEndpoint } from "../base/conn.ts";
import { Failure, isBug, isEnded, isNoRoom } from "../base/errors.ts";
import type { KnownRelays } from "../identity/known_relays.ts";
import { type Limits, limitsWith } from "../base/limits.ts";
import type { MessageOf } from "../protocol/messages.ts";
import {
  RelayDialer,
  type RelayDialEvent,
  type RelaySession,
} from "../uplink/relay_dialer.ts";
import {
  type RetryLimits,
  whenAdmitted,
} from "../transport/admission_retry.ts";
import { UnreachableFailure } from "../uplink/relay_failures.ts";
import type { Refused } from "../transfer/answers.ts";
import { Denied, NodeSession } from "../transfer/session.ts";
import { Grants } from "./grants.ts";
import { type ClockEvent, ClockWatch } from "../base/clock_watch.ts";
import { type HashWaitEvent, HashWaits } from "./hash_waits.ts";
import {
  type ListedNode,
  listWanted,
  type NodeListing,
  type WantedNodes,
} from "./nodes.ts";
import { KnownNodes } from "./known_nodes.ts";
import { isLost, ListBounds, whyNoList } from "./list_bounds.ts";
import { withIndexes } from "./node_indexes.ts";
import type { Lanes } from "../transfer/lanes.ts";
import { Reach, type Reached } from "./reach.ts";
import { PeerSlots } from "./peer_slots.ts";
import { Relays, type RelaysEvent } from "./relays.ts";
import { FalsePositives } from "./false_positives.ts";

/** Options that every function of the client takes. */
export interface ClientOptions {
  /** The relay to ask. */
  relay: RelayAddress;
  /**
   * Further relays, side by side: all are asked at once, and a node that any of
   * them lists is used.
   */
  relays?: readonly FurtherRelay[];
  /** Connects without encryption; the relay and the nodes must do the same. */
  plaintext?: boolean;
  /** The credentials for a private relay: a token, or a link. */
  access?: Access;
  /**
   * The key of fingerprints that the nodes have too, in place of the relay's: 32
   * bytes.
   */
  indexKey?: Uint8Array;
  /**
   * Remembers the relay between runs. If this process may write next to that
   * file, it also remembers the nodes that the relay lists.
   */
  knownRelays?: KnownRelays;
  /**
   * Whether to reach nodes through the relay if dialling fails or takes long;
   * by default yes.
   */
  tunnels?: boolean;
  /** The most bytes that may come through the relay; by default no limit. */
  maxRelayedBytes?: number;
  /** Numbers that replace those of `limits.ts`. */
  limits?: Partial<Limits>;
  /** Stops when aborted. */
  signal?: AbortSignal;
}

/** Events of reaching peers. */
export type PeersEvent =
  | RelayDialEvent
  | RelaysEvent
  | HashWaitEvent
  | ClockEvent
  /** The relay has answered. */
  | {
    event: "nodes_listed";
    greeting: string;
    nodes: readonly ListedNode[];
    /** Seconds since the relay started, while nodes may still be returning. */
    uptime?: number;
    /**
     * How many nodes the relay has, if `nodes` are only those that may have
     * what was asked for.
     */
    countOfAll?: number;
  };

/** A request for nodes. */
interface ListRequest extends WantedNodes {
  /** The whole names that each of the nodes will be asked for, if known. */
  readonly names?: readonly string[] | undefined;
  /** Whether to ask what the relay's index knows of each node. */
  readonly indexes?: boolean | undefined;
}

/** A node after its hello, with its answer about the requested file. */
export interface OpenedSession {
  /** The session. The caller disposes of it. */
  readonly session: NodeSession;
  /** The answer, if a file was requested. */
  readonly found?: MessageOf<"found"> | Refused;
}

/**
 * Talks to the relay and the nodes. Disposing waits a moment for reports to
 * arrive.
 */
export class Peers implements AsyncDisposable {
  readonly options: ClientOptions;
  readonly limits: Limits;
  /** Opens connections to nodes. */
  readonly reach: Reach;
  /** Decides which of many nodes is asked next. */
  readonly turns: PeerSlots;
  /** Bounds the waits for nodes that hash. */
  readonly hashWaits: HashWaits;
  /** Knows which nodes an index named wrongly. */
  readonly wrongHits = new FalsePositives();
  readonly #emit: (event: PeersEvent) => void;
  /** Reports when the machine has slept. */
  readonly clock: ClockWatch;
  readonly #relays: Relays;
  readonly #grants: Grants;
  /** One for each relay. */
  readonly dialers: readonly RelayDialer[];
  /** Absent if nothing is remembered. */
  readonly #known: KnownNodes | undefined;
  #isAwayReported = false;
  /** For all nodes without room together. */
  readonly #patience: RetryLimits = {};
  /** Nodes that were too slow for this command. */
  readonly #slow = new Set<string>();

  /** Does not dial yet. */
  constructor(options: ClientOptions, emit: (event: PeersEvent) => void) {
    this.options = options;
    this.limits = limitsWith(options.limits);
    checkedIndexKey(options.indexKey);
    this.#emit = emit;
    const { limits } = this;
    this.hashWaits = new HashWaits(limits, emit);
    this.turns = new PeerSlots({
      count: limits.queriedNodeCount,
      mostCount: limits.queriedNodeMostCount,
      patienceMs: limits.queryPatienceMs,
    });
    const { knownRelays, access = {}, tunnels, maxRelayedBytes } = options;
    const plaintext = options.plaintext ?? false;
    // Without encryption the relay cannot prove its id. A link is for one file,
    // and its relay is a stranger's choice.
    const isKept = !plaintext && access.link === undefined;
    const remembering = isKept ? knownRelays : undefined;
    const first = { address: options.relay };
    const dialers = sideBySide(first, options.relays, limits).map((relay, n) =>
      new RelayDialer(relay.address, {
        role: "client",
        plaintext,
        access: n === 0 ? access : accessOf(relay, access),
        knownRelays: remembering,
        limits,
        onEvent: emit,
      })
    );
    this.dialers = dialers;
    this.#known = remembering && new KnownNodes(remembering, { limits });
    // Nothing may throw after this: it has a timer.
    this.clock = new ClockWatch({ limits, onGap: emit });
    this.#relays = new Relays(dialers, {
      limits,
      emit,
      signal: options.signal,
    });
    this.#grants = new Grants({
      renewMs: limits.grantRenewMs,
      list: async () => (await this.#list()).nodes,
    });
    this.reach = new Reach({
      dialers,
      plaintext,
      tunnels,
      maxRelayedBytes,
      limits,
      clock: this.clock,
    });
  }

  /** Connects to the relay: to one that answers, if there are several. */
  get dialer(): RelayDialer {
    return this.#relays.first;
  }

  /**
   * Asks the relay for the active nodes. If no relay answers, those that they
   * listed before count as active.
   *
   * @throws {Failure} of kind `relay` if it cannot be asked.
   */
  async list(
    { known = [], ...request }: ListRequest & {
      /** Nodes that were listed before: they stay in the list. */
      readonly known?: readonly ListedNode[];
    } = {},
  ): Promise<NodeListing> {
    const listing = await this.#list(request)
      .catch((error) => this.#listKnown(error));
    const ids = new Set(known.map(({ id }) => id));
    const others = listing.nodes.filter(({ id }) => !ids.has(id));
    const nodes = [
      ...known,
      ...others.map((node, n) => ({ ...node, number: known.length + n + 1 })),
    ];
    const { relayId: _, ...reported } = { ...listing, nodes };
    this.#emit({ event: "nodes_listed", ...reported });
    return { ...listing, nodes };
  }

  /** Opens a session with the relay. The caller closes its channel. */
  askRelay(): Promise<RelaySession> {
    return this.dialer.open(this.options.signal);
  }

  /**
   * Nodes of relays that had not answered when the list was taken. Waits for
   * these relays.
   */
  late(): Promise<readonly ListedNode[]> {
    return this.#relays.late();
  }

  async #list(request: ListRequest = {}): Promise<NodeListing> {
    return await this.#relays.list((dialer, over) =>
      this.#listAt(dialer, { request, over })
    );
  }

  /** The nodes that were listed before; throws the error if there are none. */
  async #listKnown(error: unknown): Promise<NodeListing> {
    if (!(error instanceof UnreachableFailure)) throw error;
    const known = await this.#known?.of(this.dialers);
    if (known === undefined) throw error;
    const { relayId, nodes, endedCount: ended, seconds } = known;
    if (!this.#isAwayReported && nodes.length + ended > 0) {
      this.#isAwayReported = true;
      const count = nodes.length;
      this.#emit({ event: "relays_away", error, nodes: count, ended, seconds });
    }
    if (nodes.length === 0) throw error;
    return { greeting: "", relayId, nodes };
  }

  /** Aborted when the client ends, or with `signal`. */
  #endedBy(signal: AbortSignal | undefined): AbortSignal {
    const ends = [this.options.signal, signal];
    return AbortSignal.any(ends.filter((one) => one !== undefined));
  }

  /** A relay without room for one more closes the connection after hello. */
  async #listAt(
    dialer: RelayDialer,
    { request, over }: { request: ListRequest; over: AbortSignal | undefined },
  ): Promise<NodeListing> {
    const signal = this.#endedBy(over);
    const { limits } = this;
    let isAnswered = false;
    const list = async () => {
      const session = await dialer.open(signal);
      await using channel = session.channel;
      using _end = channel.endOn(signal);
      using bounds = new ListBounds(channel, limits);
      try {
        return await this.#listOver(session, { dialer, request, bounds });
      } finally {
        isAnswered = bounds.hasBegun;
      }
    };
    const isTurnedAway = (error: unknown) => !isAnswered && isEnded(error);
    try {
      return await whenAdmitted(list, { limits, signal, isTurnedAway });
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof Failure || isBug(error)) throw error;
      throw new (isLost(error) ? UnreachableFailure : Failure)("relay", {
        what: "Cannot list nodes",
        where: formatEndpoint(dialer.relay),
        why: whyNoList(error),
        cause: error,
      });
    }
  }

  async #listOver(
    { channel, greeting, id: relayId, hello }: RelaySession,
    { dialer, request, bounds }: {
      dialer: RelayDialer;
      request: ListRequest;
      bounds: ListBounds;
    },
  ): Promise<NodeListing> {
    const { sender, names, indexes = false } = request;
    const { relay, access } = dialer;
    const { limits, options: { indexKey } } = this;
    const most = limits.listingCount;
    const where = formatEndpoint(relay);
    const listing = { relayId, most, access, where, bounds, indexKey, limits };
    const { unindexedCount, ...listed } = await listWanted(
      channel,
      request,
      listing,
    );
    this.#known?.learn(dialer, {
      ...{ relayId, nodes: listed.nodes },
      isWhole: sender === undefined && !("countOfAll" in listed),
    });
    if (names !== undefined && unindexedCount !== undefined) {
      const { nodes } = listed;
      this.wrongHits.expect({ relay, names, nodes, unindexedCount });
    }
    const nodes = indexes
      ? await withIndexes(listed.nodes, { channel, limits, bounds })
      : listed.nodes;
    const young = hello.uptime === undefined ? {} : { uptime: hello.uptime };
    return { greeting, relayId, ...listed, nodes, ...young };
  }

  /** Notes that a node was too slow, and excludes it. */
  putOut(id: string): void {
    this.#slow.add(id);
  }

  /** Whether a node was too slow: then the end of its sessions is no event. */
  isOut(id: string): boolean {
    return this.#slow.has(id) || this.hashWaits.isOut(id);
  }

  /**
   * Reaches a node and says hello, again if the node has no room.
   *
   * @throws {Unreachable} if no program there proves that it is that node.
   * @throws {TooSlow} if it is excluded, because it hashed for too long.
   */
  async open(
    node: ListedNode,
    options: { find?: string; signal?: AbortSignal | undefined } = {},
  ): Promise<OpenedSession> {
    const signal = options.signal ?? this.options.signal;
    this.hashWaits.signalOf(node).throwIfAborted();
    const grants = await this.#grants.all(node);
    const open = async (grant: string | undefined) => {
      const reached = await this.reach.open(node, signal);
      return await this.#greet(node, reached, { ...options, signal, grant });
    };
    // A node proves its id before hello, unless there is no encryption.
    const isTurnedAway = this.options.plaintext ? isNoRoom : isEnded;
    const patience = this.#patience;
    const retry = { limits: this.limits, patience, signal, isTurnedAway };
    for (let n = 0;; n++) {
      try {
        return await whenAdmitted(() => open(grants[n]), retry);
      } catch (error) {
        // The grant of one relay may be wrong, and that of another good.
        if (!(error instanceof Denied) || n >= grants.length - 1) throw error;
      }
    }
  }

  /**
   * Says hello to a node over another connection, which a lane owns, in
   * addition to a direct session with it.
   *
   * @throws {Error} of any kind if that fails.
   */
  async openInLane(
    node: ListedNode,
    { session, lanes, signal }: {
      session: NodeSession;
      lanes: Lanes;
      signal: AbortSignal;
    },
  ): Promise<NodeSession> {
    const grant = await this.#grants.of(node);
    const endpoint = session.remote;
    const channel = await this.reach.openInLane(node, {
      endpoint,
      lanes,
      signal,
    });
    const reached = { channel, path: session.path };
    return (await this.#greet(node, reached, { signal, grant })).session;
  }

  async #greet(
    node: ListedNode,
    { channel, path }: Reached,
    { find, signal, grant }: {
      find?: string;
      signal: AbortSignal | undefined;
      grant: string | undefined;
    },
  ): Promise<OpenedSession> {
    const out = this.hashWaits.signalOf(node);
    const ended = this.#endedBy(out);
    using _end = channel.endOn(signal);
    using _out = channel.endOn(out);
    try {
      const asked = find === undefined ? {} : { find };
      const shown = grant === undefined ? {} : { grant };
      const opened = await NodeSession.open(channel, {
        id: node.id,
        path,
        findWorks: this.hashWaits.findWorks(node),
        ...asked,
        ...shown,
      });
      opened.session.endOn(ended);
      return opened;
    } catch (error) {
      channel.conn.close();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.clock[Symbol.dispose]();
    await this.#relays[Symbol.asyncDispose]();
    await this.#known?.keep();
    for (const { relay, id } of this.wrongHits.all()) {
      this.reach.reportsTo(relay).addWrong(id);
    }
    await this.reach[Symbol.asyncDispose]();
  }
}

/** The credentials for a further relay: those of the link, if there is one. */
function accessOf({ token, pass }: FurtherRelay, { link }: Access): Access {
  return link === undefined ? { token } : { token, link: { ...link, pass } };
}
