/**
 * The client's end of a tunnel: dials the relay with a one-time key, waits for
 * the other end, and then talks TLS directly to that end. Only the key travels
 * in the clear. A node's end is in `accept_tunnel.ts`.
 *
 * @module
 */

import { type Conn, type Endpoint, writeAll } from "../base/conn.ts";
import { ProtocolError } from "../base/errors.ts";
import { readFrame } from "../protocol/frame.ts";
import {
  decodeMessage,
  DIRECTION,
  encodeMessage,
} from "../protocol/messages.ts";
import { LIMITS } from "../base/limits.ts";
import { CallDeadline, type CallDeadlineOptions } from "../base/waiting.ts";
import type { DenoConn } from "./deno_conn.ts";
import { dial, firstOf, type PeerIdentity, secure } from "./dial.ts";

/** Options of {@linkcode dialTunnel} and of `acceptTunnel`. */
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

/** Sends the key, and waits for the other side. Closes `conn` if it throws. */
export async function join(conn: Conn, options: JoinOptions): Promise<void> {
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
export function joinDeadline(
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
