/**
 * A node's end of a tunnel: dials the relay with a one-time key, waits for the
 * client, and is then the TLS server for it. Apart from the client's end,
 * because `node:net` and the server's side of TLS take long to load.
 *
 * @module
 */

import { connect, type Socket } from "node:net";
import { addressGroup, withoutMapping } from "../base/address.ts";
import type { Conn, Endpoint } from "../base/conn.ts";
import { ProtocolError } from "../base/errors.ts";
import { requireNet } from "../base/permission.ts";
import {
  CallDeadline,
  type CallDeadlineOptions,
  orAborted,
} from "../base/waiting.ts";
import { tunnelSource } from "../guard/places.ts";
import type { Identity } from "../identity/identity.ts";
import { firstOf } from "./dial.ts";
import { join, joinDeadline, type JoinOptions } from "./join.ts";
import { secureContextOf, serverHandshake } from "./server_handshake.ts";
import { StreamConn } from "./stream_conn.ts";

/**
 * The node's end: a conn to the client, with this end as the TLS server.
 * Without encryption if `identity` is `null`. The caller closes it.
 *
 * @throws {TunnelRefused} if the relay has no tunnel for this key.
 */
export async function acceptTunnel(
  options: JoinOptions & {
    readonly identity: Identity | null;
    /** The client's address, as the relay knows it. */
    readonly remote: Endpoint;
  },
): Promise<Conn> {
  const { identity, remote, timeoutMs, signal } = options;
  const conn = await firstOf(
    options.entrances,
    { timeoutMs, signal },
    connectSocket,
  );
  await join(conn, options);
  const ends = { local: conn.local, remote };
  const socket = conn.release();
  if (identity === null) return new StreamConn(socket, ends);
  using deadline = joinDeadline(options, () => socket.destroy());
  const source = tunnelSource(addressGroup(remote.host));
  return await deadline.guard(
    serverHandshake(socket, secureContextOf(identity), ends, source),
  );
}

/** A connection of `node:net`, because TLS servers need one. */
async function connectSocket(
  endpoint: Endpoint,
  options: CallDeadlineOptions,
): Promise<StreamConn> {
  options.signal?.throwIfAborted();
  requireNet(endpoint);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket: Socket = connect({
    host: endpoint.host,
    port: endpoint.port,
    noDelay: true,
    allowHalfOpen: true,
  }, resolve);
  socket.on("error", reject);
  using deadline = new CallDeadline(
    options,
    () => new ProtocolError("timed_out", "Cannot reach the relay: no answer"),
  );
  try {
    await orAborted(promise, deadline.signal);
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return new StreamConn(socket, {
    remote: endpoint,
    local: {
      host: withoutMapping(socket.localAddress ?? ""),
      port: socket.localPort ?? 0,
    },
  });
}
