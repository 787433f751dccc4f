/**
 * Opens connections to relays and nodes: TCP, then TLS 1.3 pinned to the one
 * certificate that the peer must have.
 *
 * @module
 */

import type { Conn, Endpoint } from "../base/conn.ts";
import { formatEndpoint } from "../base/conn.ts";
import { isHangUp, isShortage, ProtocolError } from "../base/errors.ts";
import { certificatePem, hostnameOf } from "../identity/identity.ts";
import { LIMITS } from "../base/limits.ts";
import { whenRoom } from "../base/shortage.ts";
import {
  CallDeadline,
  type CallDeadlineOptions,
  within,
} from "../base/waiting.ts";
import { requireNet } from "../base/permission.ts";
import { DenoConn } from "./deno_conn.ts";
import { type Pin, startPinned } from "./pinned.ts";

/**
 * The protocol name in the TLS handshake, so that a wrong service fails early.
 */
export const ALPN_PROTOCOL = "relay-p2p/1";

/** The identity that a peer must prove. */
export interface PeerIdentity {
  /** Its id. */
  readonly id: string;
  /** Its certificate, DER; the id is the hash of its key. */
  readonly certificate: Uint8Array;
}

/** Options of {@linkcode dial}. */
export interface DialOptions {
  /** The identity that the peer must prove; `null` dials without encryption. */
  readonly peer: PeerIdentity | null;
  /** Timeout for TCP and TLS together, in milliseconds. */
  readonly timeoutMs: number;
  /** Stops when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Dials `endpoint` and, unless `peer` is `null`, checks that the peer has the
 * key of the expected certificate. The caller closes the conn.
 *
 * @throws {ProtocolError} `identity_mismatch` if it is another peer or does not
 * speak TLS, `timed_out` if it does not answer in time.
 * @throws {Deno.errors} if TCP fails; the signal's reason when aborted.
 */
export async function dial(
  endpoint: Endpoint,
  options: DialOptions,
): Promise<Conn> {
  requireNet(endpoint);
  let shortage: Error | undefined;
  using deadline = dialDeadline(endpoint, options, () => shortage);
  const { signal } = deadline;
  const connect = async () => {
    const { host: hostname, port } = endpoint;
    shortage = undefined;
    try {
      return await Deno.connect({ hostname, port, signal });
    } catch (error) {
      if (isShortage(error)) shortage = error as Error;
      throw error;
    }
  };
  const tcp = await deadline.guard(
    // Half of the time at most: the rest is for the peer.
    whenRoom(connect, {
      pauseMs: LIMITS.acceptPauseMs,
      mostMs: options.timeoutMs / 2,
      signal,
    }),
  );
  deadline.onEnd(() => closeQuietly(tcp));
  try {
    signal.throwIfAborted(); // in the turn in which it connected
    tcp.setNoDelay(true);
    if (options.peer === null) return new DenoConn(tcp);
    return await deadline.guard(
      openTls(tcp, options.peer, { endpoint, deadline }),
    );
  } catch (error) {
    closeQuietly(tcp);
    throw error;
  }
}

/** Tries to connect to `endpoint`. */
export type DialAttempt<Connected extends { close(): void }, Options> = (
  endpoint: Endpoint,
  options: Options,
) => Promise<Connected>;

/**
 * Tries several addresses of one peer. Starts the next attempt when one fails,
 * or after `staggerMs`; the first success wins. One deadline applies to all of it.
 *
 * @throws the error of the last attempt.
 */
export async function firstOf<
  Connected extends { close(): void },
  Options extends Omit<DialOptions, "peer">,
>(
  endpoints: readonly Endpoint[],
  options: Options,
  connect: DialAttempt<Connected, Options>,
): Promise<Connected> {
  const [only] = endpoints;
  if (only === undefined) throw new Deno.errors.NotFound("no address");
  if (endpoints.length === 1) return await connect(only, options);
  const startedAt = performance.now();
  const others = new AbortController();
  const signal = options.signal === undefined
    ? others.signal
    : AbortSignal.any([others.signal, options.signal]);
  const attempts: Promise<Connected>[] = [];
  let winner: Connected | undefined;
  const attempt = async (endpoint: Endpoint) => {
    const spentMs = performance.now() - startedAt;
    const timeoutMs = Math.max(1, options.timeoutMs - spentMs);
    const connected = await connect(endpoint, {
      ...options,
      timeoutMs,
      signal,
    });
    if (winner !== undefined) connected.close();
    else winner = connected;
    others.abort();
    return connected;
  };
  for (const endpoint of endpoints) {
    const isLate = performance.now() - startedAt >= options.timeoutMs;
    if (isLate && attempts.length > 0) break;
    const connecting = attempt(endpoint);
    connecting.catch(() => {}); // its error is handled with the others
    attempts.push(connecting);
    const settled = connecting.then(() => {}, () => {});
    await within(settled, LIMITS.staggerMs, signal).catch(() => {}); // aborted
    if (winner !== undefined || options.signal?.aborted) break;
  }
  const outcomes = await Promise.allSettled(attempts);
  if (winner !== undefined) return winner;
  const errors = outcomes.map((outcome) =>
    (outcome as PromiseRejectedResult).reason
  );
  // A shortage comes first: another address proves nothing about the one that
  // was not dialled.
  throw errors.find(isShortage) ?? errors.find(isHangUp) ?? errors.at(-1);
}

/**
 * Starts TLS over a TCP connection of which no byte of TLS has been read. Takes
 * ownership of `conn`, and closes it if it throws.
 *
 * @throws like {@linkcode dial}.
 */
export async function secure(
  conn: DenoConn,
  options: Omit<DialOptions, "peer"> & { readonly peer: PeerIdentity },
): Promise<Conn> {
  const endpoint = conn.remote;
  using deadline = dialDeadline(endpoint, options);
  const tcp = conn.inner as Deno.TcpConn;
  deadline.onEnd(() => closeQuietly(tcp));
  try {
    return await deadline.guard(
      openTls(tcp, options.peer, { endpoint, deadline }),
    );
  } catch (error) {
    closeQuietly(tcp);
    throw error;
  }
}

/**
 * The deadline of a dial. A late dial fails with `cause()`, if there is one: the
 * peer is not blamed for a shortage on our side.
 */
export function dialDeadline(
  endpoint: Endpoint,
  options: CallDeadlineOptions,
  cause: () => Error | undefined = () => undefined,
): CallDeadline {
  return new CallDeadline(options, () =>
    cause() ?? new ProtocolError(
      "timed_out",
      `Cannot connect to ${formatEndpoint(endpoint)}: ` +
        `no answer within ${options.timeoutMs / 1000} s`,
    ));
}

async function openTls(
  tcp: Deno.TcpConn,
  peer: PeerIdentity,
  { endpoint, deadline }: { endpoint: Endpoint; deadline: CallDeadline },
): Promise<Conn> {
  try {
    const tls = await startPinned(
      tcp,
      pinOf(peer),
      (tls) => deadline.onEnd(() => closeQuietly(tls)),
    );
    return new DenoConn(tls);
  } catch (error) {
    throw notProven(error, endpoint, peer);
  }
}

/** The certificate that a peer must present. */
export function pinOf({ id, certificate }: PeerIdentity): Pin {
  return {
    hostname: hostnameOf(id),
    caCert: certificatePem(certificate),
    certificate,
    alpnProtocol: ALPN_PROTOCOL,
  };
}

/**
 * The error of a handshake; a ProtocolError if the peer did not prove its
 * identity.
 */
export function notProven(
  error: unknown,
  endpoint: Endpoint,
  { id }: PeerIdentity,
): unknown {
  // Deno reports every failed handshake with this class.
  if (!(error instanceof Deno.errors.InvalidData)) return error;
  return new ProtocolError(
    "identity_mismatch",
    `Cannot open TLS with ${formatEndpoint(endpoint)}: ` +
      `the program that answers there cannot prove that it is ${id}`,
    { cause: error },
  );
}

/** Closes a conn that its owner or the deadline may have closed already. */
function closeQuietly(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
