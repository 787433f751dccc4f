/**
 * HTTP/1.1 for browsers, players and download tools: connections stay open,
 * bodies of answers are streamed as quickly as the client reads. It limits
 * connections, the time and size of heads, and the bodies of requests. When all
 * connections are in use, one that waits gives way.
 *
 * Unlike the server of `/metrics`, which answers once and closes.
 *
 * @module
 */

import type { Endpoint } from "../base/conn.ts";
import {
  type AcceptOptions,
  acceptPlain,
  acceptWebTls,
  type RawConnection,
} from "../transport/accept.ts";
import { WebConnection } from "./web_connection.ts";
import type { WebLimits, WebOptions } from "./web_types.ts";

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
  const welcome = (raw: RawConnection) => {
    const connection = new WebConnection(raw, options);
    connections.add(connection);
    void connection.done.then(() => connections.delete(connection));
  };
  const accepting: AcceptOptions = {
    at,
    acceptPauseMs: limits.acceptPauseMs,
    acceptCheckMs: limits.acceptCheckMs,
    onStall: () => {}, // the engine's connections report it too
    admit: () => {
      if (connections.size < limits.webConnectionCount) return welcome;
      const loser = loserAmong(connections, limits);
      if (loser === undefined) return undefined;
      loser.end();
      connections.delete(loser);
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
    },
  };
}

/**
 * The connection to give up: the one that has waited longest for a request, or
 * else for its client to read.
 */
function loserAmong(
  connections: Iterable<WebConnection>,
  { webStalledMs }: WebLimits,
): WebConnection | undefined {
  const now = performance.now();
  let loser: WebConnection | undefined;
  for (const one of connections) {
    const isLost = one.phase === "waiting" ||
      one.phase === "writing" && now - one.since >= webStalledMs;
    if (isLost && (loser === undefined || one.precedes(loser))) loser = one;
  }
  return loser;
}
