/**
 * HTTP/1.1 for browsers, players and download tools: connections stay open,
 * bodies of answers are streamed as quickly as the client reads. It limits
 * connections, the time and size of heads, and the bodies of requests. When all
 * connections are in use, a waiting one is closed for a new one.
 *
 * The server of `/metrics`, by contrast, answers once and closes.
 *
 * @module
 */

import { addressGroup } from "../base/address.ts";
import type { Endpoint } from "../base/conn.ts";
import type { Limits } from "../base/limits.ts";
import { GroupSizes, placeToEvict } from "../guard/eviction.ts";
import { HandshakeOrder } from "../guard/handshake_order.ts";
import { DescriptorRoom } from "../guard/room.ts";
import {
  type AcceptOptions,
  acceptPlain,
  acceptWebTls,
  type RawConnection,
} from "../transport/accept.ts";
import { HandshakeTurns } from "../transport/handshake_turns.ts";
import { WebConnection } from "./web_connection.ts";
import type { WebOptions } from "./web_types.ts";

export type { WebOptions, WebRequest } from "./web_types.ts";

/** A running server. Disposing stops it. */
export interface WebServer extends AsyncDisposable {
  /** The address that it listens at. */
  readonly address: Endpoint;
}

/**
 * Starts to answer. The caller disposes of it, which ends open connections.
 *
 * @throws {Deno.errors} if the address cannot be bound.
 */
export async function serveWeb(options: WebOptions): Promise<WebServer> {
  const { at, limits } = options;
  const connections = new Set<WebConnection>();
  const now = () => performance.now();
  const turns = new HandshakeTurns(new HandshakeOrder(limits), limits, now);
  const welcome = (raw: RawConnection) => {
    const connection = new WebConnection(raw, options, turns);
    connections.add(connection);
    void connection.done.then(() => connections.delete(connection));
  };
  const room = new DescriptorRoom(limits);
  const mostNow = () =>
    Math.min(limits.webConnectionCount, room.countAt(now()));
  const end = (loser: WebConnection) => {
    loser.end();
    connections.delete(loser);
  };
  const accepting: AcceptOptions = {
    at,
    acceptPauseMs: limits.acceptPauseMs,
    acceptCheckMs: limits.acceptCheckMs,
    onStall: () => {}, // the engine's connections report it too
    // Nodes are dialled with the descriptors that this frees.
    onShortage: () => {
      room.short(connections.size, now());
      while (connections.size > mostNow()) {
        const loser = firstWaiting(connections);
        if (loser === undefined) break;
        end(loser);
      }
    },
    admit: (host) => {
      if (connections.size < mostNow()) return welcome;
      const loser = loserAmong(connections, { ...limits, host });
      if (loser === undefined) return undefined;
      end(loser);
      return welcome;
    },
  };
  const acceptor = options.tls === undefined
    ? acceptPlain(accepting)
    : await acceptWebTls(options.tls, accepting);
  return {
    address: acceptor.address,
    [Symbol.asyncDispose]: async () => {
      acceptor.stop();
      const open = [...connections];
      for (const connection of open) connection.end();
      await Promise.all(open.map(({ done }) => done));
      turns[Symbol.dispose]();
    },
  };
}

/** The connection without a request that has waited longest. */
function firstWaiting(
  connections: Iterable<WebConnection>,
): WebConnection | undefined {
  const places = [...connections].filter(({ phase }) => phase === "waiting");
  const sizes = new GroupSizes(places);
  return placeToEvict(places, {
    sizeOf: ({ group }) => sizes.of(group),
    order: (one, other) => one.precedes(other) ? -1 : 0,
  });
}

/**
 * The connection to close for a new one from `host`. First choice: among the
 * addresses with most connections, the one that has waited longest for a
 * request or for its client to read. Second: the one that has waited longest of
 * the address with most connections, if that address keeps more than the new
 * one has. Third: one of the new address itself whose client does not read, or
 * whose request nobody has answered for a while. An answer that has begun is
 * waited for as long as an unused connection.
 */
function loserAmong(
  connections: Iterable<WebConnection>,
  { webStalledMs, webOwnStalledMs, webOwnUnansweredMs, webIdleMs, host }:
    & Limits
    & { host: string },
): WebConnection | undefined {
  const now = performance.now();
  const group = addressGroup(host);
  const all = [...connections].map((connection) => ({
    connection,
    group: connection.group,
  }));
  type Place = typeof all[number];
  const isIn = (
    { connection }: Place,
    phase: WebConnection["phase"],
    ms: number,
  ) => connection.phase === phase && now - connection.since >= ms;
  const first = (places: readonly Place[], own?: number) => {
    const sizes = new GroupSizes(places);
    return placeToEvict(places, {
      ...own !== undefined && { own },
      sizeOf: (place) => sizes.of(place.group),
      order: (one, other) => one.connection.precedes(other.connection) ? -1 : 0,
    })?.connection;
  };
  const idle = all.filter((one) =>
    one.connection.phase === "waiting" || isIn(one, "writing", webStalledMs)
  );
  const own = all.filter((one) => one.group === group);
  return first(idle) ?? first(all, own.length) ??
    first(own.filter((one) =>
      isIn(one, "writing", webOwnStalledMs) ||
      isIn(
        one,
        "answering",
        one.connection.hasBegun ? webIdleMs : webOwnUnansweredMs,
      )
    ));
}
