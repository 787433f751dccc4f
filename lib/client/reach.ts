/**
 * Opens every connection of a client to a node, directly or through the relay,
 * and records its path.
 *
 * @module
 */

import { isLoopback } from "../base/address.ts";
import type { ClockWatch } from "../base/clock_watch.ts";
import { Channel } from "../protocol/channel.ts";
import type { Conn, Endpoint, Path } from "../base/conn.ts";
import { isBug, isHangUp, isShortage, ProtocolError } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import { within } from "../base/waiting.ts";
import { openRegistration } from "../protocol/signed_record.ts";
import type { RelayDialer } from "../uplink/relay_dialer.ts";
import type { Lanes } from "../transfer/lanes.ts";
import {
  dial,
  type DialAnyOptions,
  firstOf,
  notProven,
  pinOf,
} from "../transport/dial.ts";
import { type Patience, whenLetIn } from "../transport/turned_away.ts";
import { Dials } from "./dials.ts";
import type { ListedNode } from "./nodes.ts";
import { Reports } from "./reports.ts";
import { RelayedEnough, TunnelsUnwanted, TunnelWay } from "./tunnel_way.ts";

/** A node that has proved its identity. */
export interface Reached {
  /** A fresh channel to it. The caller closes it. */
  readonly channel: Channel;
  /** The path of the channel. */
  readonly path: Path;
}

/** Options of {@linkcode Reach}. */
export interface ReachOptions {
  /** Connects to the relay that lists the nodes. */
  readonly dialer: RelayDialer;
  /** Whether to connect without encryption. */
  readonly plaintext: boolean;
  /** Whether to use tunnels if necessary; by default yes. */
  readonly tunnels?: boolean | undefined;
  /** The most bytes that may come through the relay; by default no limit. */
  readonly maxRelayedBytes?: number | undefined;
  readonly limits: Limits;
  /**
   * Tells when the machine has slept: connections to nodes then end, because
   * dead ones give no sign of it.
   */
  readonly clock?: Pick<ClockWatch, "wake"> | undefined;
}

/** Neither path led to the node. */
export class NoPath extends Error {
  override readonly name = "NoPath";
  /** The error of dialling. */
  readonly direct: unknown;
  /** The error of the tunnel. */
  readonly tunnel: unknown;

  constructor(direct: unknown, tunnel: unknown) {
    super("no path leads to the node");
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
  readonly #reports: Reports;
  readonly #tunnels: TunnelWay | null;
  /** One for all nodes. */
  readonly #patience: Patience = {};

  /** Does not dial yet. */
  constructor(options: ReachOptions) {
    this.#options = options;
    this.#dials = new Dials(options.limits);
    this.#reports = new Reports(options);
    this.#tunnels = options.tunnels === false ? null : new TunnelWay(options);
  }

  /**
   * Opens a connection to a node, by the quicker path. Reports a node that
   * cannot be reached to the relay.
   *
   * @throws {Unreachable} if nobody there proves to be that node,
   * {RelayedEnough} if it cannot be dialled and no more bytes may come through
   * the relay; the signal's reason when aborted.
   */
  async open(
    node: ListedNode,
    signal: AbortSignal | undefined,
  ): Promise<Reached> {
    const { limits, clock } = this.#options;
    const wake = clock?.wake;
    try {
      const verdict = await openRegistration(node.signed);
      if (verdict.kind === "refused") {
        throw new ProtocolError(
          "bad_message",
          "the relay lists what no node signed",
        );
      }
      const { conn, path } = await this.#connect(node, signal);
      const channel = channelOver(conn, limits);
      channel.endOn(wake);
      return { channel, path };
    } catch (error) {
      if (signal?.aborted || isBug(error)) throw error;
      if (error instanceof RelayedEnough) throw error;
      if (isDead(error)) this.#reports.add(node.id);
      throw new Unreachable(error);
    }
  }

  /**
   * Opens another connection to a node that has answered at `endpoint`, over a
   * conn that a lane owns. Nobody hears of it if that fails.
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
    // Its worker may start first, and nothing waits for it: the first connection
    // goes on. As long as the node lets it.
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
    signal: AbortSignal | undefined,
  ): Promise<{ conn: Conn; path: Path }> {
    const tunnels = node.isAttached ? this.#tunnels : null;
    if (tunnels === null) {
      const conn = await this.#dial(node, signal).catch((error) => {
        if (!node.isAttached || signal?.aborted || isBug(error)) throw error;
        throw new NoPath(error, new TunnelsUnwanted());
      });
      return { conn, path: "direct" };
    }
    const decided = new AbortController();
    const either = signal === undefined
      ? decided.signal
      : AbortSignal.any([decided.signal, signal]);
    const direct = this.#dial(node, either);
    const tunnel = headStart(direct, this.#options.limits, either)
      .then(() => tunnels.open(node, either));
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

  #dial(node: ListedNode, signal: AbortSignal | undefined): Promise<Conn> {
    const { plaintext, limits } = this.#options;
    const endpoints = this.addressesOf(node);
    // Those come first; see `nodes`.
    const observed = endpoints.slice(0, node.signed.observed?.length ?? 0);
    const options = {
      peer: plaintext ? null : node,
      timeoutMs: limits.connectMs,
      staggerMs: STAGGER_MS,
      signal,
    };
    const connect = (endpoint: Endpoint, options: DialAnyOptions) =>
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
    return whenLetIn(open, { limits, signal, patience: this.#patience });
  }

  /**
   * The addresses to dial for a node. A node that gives the loopback address
   * runs beside the relay, so from another machine it is at the relay's host.
   */
  addressesOf(node: ListedNode): Endpoint[] {
    const { host: relayHost } = this.#options.dialer.relay;
    return node.addresses.map(({ host, port }) => ({
      host: isLoopback(host) && !isLoopback(relayHost) ? relayHost : host,
      port,
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reports[Symbol.asyncDispose]();
    await this.#tunnels?.[Symbol.asyncDispose]();
  }
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
 * Whether the node seems dead: neither did this process lack file descriptors,
 * nor did somebody answer there who has no room for another connection.
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

// An address that does not answer at once must not delay the others.
const STAGGER_MS = 250;
// One record can hold several small files; large pieces are read directly to
// their place.
const READ_AHEAD_BYTES = 64 * 1024;
