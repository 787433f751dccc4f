/**
 * Opens every connection of a client to a node, directly or through the relay,
 * and records its path.
 *
 * @module
 */

import { isLoopback } from "../base/address.ts";
import type { ClockWatch } from "../base/clock_watch.ts";
import { Channel } from "../protocol/channel.ts";
import {
  type Conn,
  type Endpoint,
  formatEndpoint,
  type Path,
} from "../base/conn.ts";
import { isBug, isHangUp, isShortage, ProtocolError } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import { firstGiven, within } from "../base/waiting.ts";
import { openRegistration } from "../protocol/signed_record.ts";
import type { RelayDialer } from "../uplink/relay_dialer.ts";
import type { Lanes } from "../transfer/lanes.ts";
import {
  dial,
  type DialOptions,
  firstOf,
  notProven,
  pinOf,
} from "../transport/dial.ts";
import {
  type RetryLimits,
  whenAdmitted,
} from "../transport/admission_retry.ts";
import { Dials } from "./dials.ts";
import { entriesOf, type ListedNode } from "./nodes.ts";
import { Reports } from "./reports.ts";
import { RelayedEnough, TunnelPath, TunnelsUnwanted } from "./tunnel_path.ts";

/** A node that has proved its identity. */
export interface Reached {
  /** A fresh channel to it. The caller closes it. */
  readonly channel: Channel;
  /** The path of the channel. */
  readonly path: Path;
}

/** Options of {@linkcode Reach}. */
export interface ReachOptions {
  /** Connect to the relays that list the nodes, usually one. */
  readonly dialers: readonly RelayDialer[];
  /** Whether to connect without encryption. */
  readonly plaintext: boolean;
  /** Whether to use tunnels if necessary; by default yes. */
  readonly tunnels?: boolean | undefined;
  /** The most bytes that may come through the relay; by default no limit. */
  readonly maxRelayedBytes?: number | undefined;
  readonly limits: Limits;
  /**
   * Reports when the machine has slept: connections to nodes then end, because
   * a dead connection would not be noticed.
   */
  readonly clock?: Pick<ClockWatch, "wake"> | undefined;
}

/** What goes through one relay. */
interface RelayWays {
  readonly dialer: RelayDialer;
  readonly reports: Reports;
  readonly tunnels: TunnelPath | null;
}

/** Neither path led to the node. */
export class NoPath extends Error {
  override readonly name = "NoPath";
  /** The error of dialling. */
  readonly direct: unknown;
  /** The error of the tunnel. */
  readonly tunnel: unknown;

  constructor(direct: unknown, tunnel: unknown) {
    super("there is no path to the node");
    this.direct = direct;
    this.tunnel = tunnel;
  }
}

/** A node could not be dialled, or is not the one that was listed. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";

  constructor(cause: unknown) {
    super("Cannot reach node", { cause });
  }
}

/** Reaches nodes. Disposing waits a moment for reports to be sent. */
export class Reach implements AsyncDisposable {
  readonly #options: ReachOptions;
  readonly #dials: Dials;
  /** The state of each relay, by its address. */
  readonly #ways = new Map<string, RelayWays>();
  /** One for all nodes. */
  readonly #patience: RetryLimits = {};

  /** Does not dial yet. */
  constructor(options: ReachOptions) {
    this.#options = options;
    this.#dials = new Dials(options.limits);
    const { dialers, maxRelayedBytes = Infinity, tunnels } = options;
    const allowance = { leftBytes: maxRelayedBytes };
    for (const dialer of dialers) {
      const own = { ...options, dialer, allowance };
      this.#ways.set(formatEndpoint(dialer.relay), {
        dialer,
        reports: new Reports(own),
        tunnels: tunnels === false ? null : new TunnelPath(own),
      });
    }
  }

  /**
   * Opens a connection to a node, by the quicker path. Reports a node that
   * cannot be reached to the relay.
   *
   * @throws {Unreachable} if no program there proves that it is that node,
   * {RelayedEnough} if it cannot be dialled and no more bytes may be fetched
   * through the relay; the signal's reason when aborted.
   */
  async open(
    node: ListedNode,
    signal: AbortSignal | undefined,
  ): Promise<Reached> {
    const { limits, clock } = this.#options;
    const wake = clock?.wake;
    try {
      const entries = await genuine(node);
      const { conn, path } = await this.#connect(node, { entries, signal });
      const channel = channelOver(conn, limits);
      channel.endOn(wake);
      return { channel, path };
    } catch (error) {
      if (signal?.aborted || isBug(error)) throw error;
      if (error instanceof RelayedEnough) throw error;
      if (isDead(error)) {
        for (const one of entriesOf(node)) {
          this.#waysOf(one).reports.add(one.id);
        }
      }
      throw new Unreachable(error);
    }
  }

  /**
   * Opens another connection to a node that has answered at `endpoint`, over a
   * conn that a lane owns. A failure is not reported to the relay.
   *
   * @throws {ProtocolError} if it is another node, or does not answer in time.
   */
  async openInLane(
    node: ListedNode,
    { endpoint, lanes, signal }: {
      endpoint: Endpoint;
      lanes: Lanes;
      signal: AbortSignal;
    },
  ): Promise<Channel> {
    const { limits, plaintext, clock } = this.#options;
    const wake = clock?.wake;
    const conn = lanes.dial({
      hostname: endpoint.host,
      port: endpoint.port,
      pin: plaintext ? null : pinOf(node),
    });
    const close = () => conn.close();
    signal.addEventListener("abort", close);
    // Its worker may have to start first. Nothing waits for this: the first
    // connection continues. The node allows this much time too.
    const timer = setTimeout(close, limits.connectMs + limits.handshakeMs);
    try {
      if (signal.aborted) close();
      await conn.dialled.promise;
      const channel = channelOver(conn, limits);
      channel.endOn(wake);
      return channel;
    } catch (error) {
      throw notProven(error, endpoint, node);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", close);
    }
  }

  /**
   * A conn to a peer that proves to be the node, and its path. Dialling has a
   * head start; the first success wins, and the other attempt is stopped.
   */
  async #connect(
    node: ListedNode,
    { entries, signal }: {
      entries: readonly ListedNode[];
      signal: AbortSignal | undefined;
    },
  ): Promise<{ conn: Conn; path: Path }> {
    const attached = entries.filter(({ isAttached }) => isAttached);
    const isWanted = this.#options.tunnels !== false;
    const tunnels = isWanted ? attached : [];
    if (tunnels.length === 0) {
      const conn = await this.#dial(node, { entries, signal }).catch(
        (error) => {
          const isLost = signal?.aborted || isBug(error);
          if (attached.length === 0 || isLost) throw error;
          throw new NoPath(error, new TunnelsUnwanted());
        },
      );
      return { conn, path: "direct" };
    }
    const decided = new AbortController();
    const either = signal === undefined
      ? decided.signal
      : AbortSignal.any([decided.signal, signal]);
    const direct = this.#dial(node, { entries, signal: either });
    const tunnel = headStart(direct, this.#options.limits, either)
      .then(() => this.#tunnelTo(tunnels, either));
    const winner = await Promise.any([
      direct.then((conn) => ({ conn, path: "direct" as const })),
      tunnel.then((conn) => ({ conn, path: "tunnel" as const })),
    ]).catch((error: AggregateError) => {
      signal?.throwIfAborted();
      const [direct, tunnel] = error.errors;
      if (tunnel instanceof RelayedEnough) throw tunnel;
      throw new NoPath(direct, tunnel);
    });
    decided.abort(LOST);
    const loser = winner.path === "direct" ? tunnel : direct;
    loser.then((conn) => conn.close(), () => {}); // it was stopped
    return winner;
  }

  /**
   * A tunnel through one of the relays to which the node is attached. A relay
   * that is down or slow does not delay the next.
   */
  async #tunnelTo(
    attached: readonly ListedNode[],
    signal: AbortSignal,
  ): Promise<Conn> {
    const open = (entry: ListedNode, signal: AbortSignal) =>
      this.#waysOf(entry).tunnels!.open(entry, signal);
    if (attached.length === 1) return await open(attached[0]!, signal);
    const errors: unknown[] = [];
    const patienceMs = this.#options.limits.tunnelHeadStartMs;
    const conn = await firstGiven(attached, async (entry, over) => {
      try {
        const either = AbortSignal.any([signal, over]);
        const conn = await open(entry, either);
        if (over.aborted) conn.close(); // another was quicker
        return conn;
      } catch (error) {
        if (isBug(error)) throw error;
        errors.push(error);
        return undefined;
      }
    }, { patienceMs });
    signal.throwIfAborted();
    if (conn === undefined) throw errors[0];
    return conn;
  }

  #dial(
    node: ListedNode,
    { entries, signal }: {
      entries: readonly ListedNode[];
      signal: AbortSignal | undefined;
    },
  ): Promise<Conn> {
    const { plaintext, limits } = this.#options;
    const { endpoints, observed } = this.#placesOf(entries);
    const options = {
      peer: plaintext ? null : node,
      timeoutMs: limits.connectMs,
      signal,
    };
    const connect = (endpoint: Endpoint, options: DialOptions) =>
      this.#dials.dial(endpoint, {
        id: node.id,
        isObserved: observed.includes(endpoint),
      }, {
        connect: () => dial(endpoint, options),
        signal: options.signal,
      });
    // A node that claims the address of another host must not have it dialled
    // again and again.
    let wanted = endpoints;
    const open = () => {
      const dialled = firstOf(wanted, options, connect);
      wanted = observed;
      return dialled;
    };
    if (observed.length === 0) return open();
    return whenAdmitted(open, { limits, signal, patience: this.#patience });
  }

  /**
   * The addresses to dial for a node. A node that gives the loopback address
   * runs on the relay's machine, so other machines dial the relay's host.
   */
  addressesOf(node: ListedNode): Endpoint[] {
    return this.#placesOf(entriesOf(node)).endpoints;
  }

  /** All addresses, each once, and those where a relay saw the node, first. */
  #placesOf(entries: readonly ListedNode[]): {
    endpoints: Endpoint[];
    observed: Endpoint[];
  } {
    const observed = new Map<string, Endpoint>();
    const claimed = new Map<string, Endpoint>();
    for (const entry of entries) {
      const { host: relayHost } = this.#waysOf(entry).dialer.relay;
      for (const [at, { host, port }] of entry.addresses.entries()) {
        const isBeside = isLoopback(host) && !isLoopback(relayHost);
        const endpoint = { host: isBeside ? relayHost : host, port };
        // Observed addresses come first; see `nodes`.
        const isSeen = at < (entry.signed.observed?.length ?? 0);
        const key = formatEndpoint(endpoint);
        const places = isSeen ? observed : claimed;
        if (!places.has(key)) places.set(key, endpoint);
      }
    }
    const endpoints = new Map([...observed, ...claimed, ...observed]);
    return {
      endpoints: [...endpoints.values()],
      observed: [...observed.values()],
    };
  }

  /** Sends reports to one of the relays. */
  reportsTo(relay: Endpoint): Reports {
    return this.#waysOf({ relay: formatEndpoint(relay) }).reports;
  }

  /** What goes through the relay that lists a node. */
  #waysOf({ relay }: Pick<ListedNode, "relay">): RelayWays {
    const ways = relay === undefined ? undefined : this.#ways.get(relay);
    if (ways !== undefined) return ways;
    const [first] = this.#ways.values();
    return first!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      Array.from(this.#ways.values(), async ({ reports, tunnels }) => {
        await reports[Symbol.asyncDispose]();
        await tunnels?.[Symbol.asyncDispose]();
      }),
    );
  }
}

/**
 * The entries of a node that it signed.
 *
 * @throws {ProtocolError} if it signed none.
 */
async function genuine(node: ListedNode): Promise<ListedNode[]> {
  const entries: ListedNode[] = [];
  for (const entry of entriesOf(node)) {
    const verdict = await openRegistration(entry.signed);
    if (verdict.kind !== "refused") entries.push(entry);
  }
  if (entries.length > 0) return entries;
  throw new ProtocolError(
    "bad_message",
    "the relay lists an entry that no node signed",
  );
}

/** The channel of a client over a conn to a node. */
function channelOver(conn: Conn, limits: Limits): Channel {
  return new Channel(conn, {
    limits,
    acceptsData: true,
    writeStallMs: limits.dataWriteStallMs,
    idleMs: limits.pieceStallMs,
    readAheadBytes: READ_AHEAD_BYTES,
  });
}

/**
 * Whether the node seems dead: not if this process lacked file descriptors,
 * and not if a program answered there that had no room for another connection.
 */
function isDead(error: unknown): boolean {
  const cause = error instanceof NoPath ? error.direct : error;
  return !isShortage(cause) && !isHangUp(cause);
}

const LOST = new DOMException("The other path was quicker", "AbortError");

/** Waits until dialling has failed, or its head start is over. */
async function headStart(
  direct: Promise<Conn>,
  { tunnelHeadStartMs }: Limits,
  signal: AbortSignal,
): Promise<void> {
  const failed = new Promise<void>((resolve) => direct.catch(() => resolve()));
  await within(failed, tunnelHeadStartMs, signal);
}

// One record can hold several small files; large pieces are read directly to
// their place.
const READ_AHEAD_BYTES = 64 * 1024;
