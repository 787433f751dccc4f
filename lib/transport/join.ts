/**
 * Both ends of a tunnel: dials the relay with a one-time key, waits for the
 * other end, and then talks TLS directly to that end. Only the key travels in
 * the clear.
 *
 * @module
 */

import { connect, type Socket } from "node:net";
import { withoutMapping } from "../base/address.ts";
import { type Conn, type Endpoint, writeAll } from "../base/conn.ts";
import { ProtocolError } from "../base/errors.ts";
import { readFrame } from "../protocol/frame.ts";
import type { Identity } from "../identity/identity.ts";
import {
  decodeMessage,
  DIRECTION,
  encodeMessage,
} from "../protocol/messages.ts";
import { LIMITS } from "../base/limits.ts";
import {
  CallDeadline,
  type CallDeadlineOptions,
  orAborted,
} from "../base/waiting.ts";
import { secureContextOf, serverHandshake } from "./server_handshake.ts";
import type { DenoConn } from "./deno_conn.ts";
import { dial, firstOf, type PeerIdentity, secure } from "./dial.ts";
import { requireNet } from "../base/permission.ts";
import { StreamConn } from "./stream_conn.ts";

/** Options of {@linkcode dialTunnel} and {@linkcode acceptTunnel}. */
export interface JoinOptions {
  /** The ports for tunnels at the relay, most useful first. */
  readonly entrances: readonly Endpoint[];
  /** This side's one-time key. */
  readonly key: string;
  /** Timeout in milliseconds for TCP, and the same again for the rest. */
  readonly timeoutMs: number;
  /** Stops when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** The relay refused the tunnel, or the other side did not join. */
export class TunnelRefused extends Error {
  override readonly name = "TunnelRefused";
  /** The relay's code, which is stable. */
  readonly code: string;
  /** The relay's words. Escape them before display. */
  readonly text: string;

  constructor(code: string, text = "no tunnel") {
    super(`no tunnel: ${code}`);
    this.code = code;
    this.text = text;
  }
}

/**
 * The client's end: a conn to the node that proves to be `peer`. If that is
 * `null`, the conn is not encrypted. The caller closes it.
 *
 * @throws {TunnelRefused} if the relay has no tunnel for this key.
 * @throws like `dial`.
 */
export async function dialTunnel(
  options: JoinOptions & { readonly peer: PeerIdentity | null },
): Promise<Conn> {
  const { peer, timeoutMs, signal } = options;
  const conn = await firstOf(
    options.entrances,
    { peer: null, timeoutMs, signal },
    dial,
  ) as DenoConn;
  await join(conn, options);
  if (peer === null) return conn;
  return await secure(conn, { peer, timeoutMs, signal });
}

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
  return await deadline.guard(
    serverHandshake(socket, secureContextOf(identity), ends),
  );
}

/** Sends the key, and waits for the other side. Closes `conn` if it throws. */
async function join(conn: Conn, options: JoinOptions): Promise<void> {
  using deadline = joinDeadline(options, () => conn.close());
  try {
    await deadline.guard(showKey(conn, options.key));
  } catch (error) {
    conn.close();
    throw error;
  }
}

async function showKey(conn: Conn, key: string): Promise<void> {
  await writeAll(conn, encodeMessage({ kind: "join", key }));
  const frame = await readFrame(conn, LIMITS.frameBeforeHelloBytes);
  if (frame === null) throw new TunnelRefused("hung_up");
  const answer = decodeMessage(frame, DIRECTION.fromTunnel);
  if (answer.kind === "refused") {
    throw new TunnelRefused(answer.code, answer.text);
  }
  if (answer.kind === "unknown") throw new TunnelRefused("unknown");
}

/** A deadline for a step that `end` makes reject. */
function joinDeadline(
  options: CallDeadlineOptions,
  end: () => void,
): CallDeadline {
  const deadline = new CallDeadline(options, () =>
    new ProtocolError(
      "timed_out",
      "Cannot join the tunnel: the other side did not join in time",
    ));
  deadline.onEnd(end);
  return deadline;
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
