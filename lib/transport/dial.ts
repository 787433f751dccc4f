/**
 * Opens connections to relays and nodes: TCP, then TLS 1.3 pinned to the one
 * certificate that is expected there.
 *
 * @module
 */

import type { Conn, Endpoint } from "../base/conn.ts";
import { formatEndpoint } from "../base/conn.ts";
import { ProtocolError } from "../base/errors.ts";
import { certificatePem, hostnameOf } from "../identity/identity.ts";
import { LIMITS } from "../base/limits.ts";
import { whenRoom } from "../base/shortage.ts";
import { requireNet } from "../base/permission.ts";
import { DenoConn } from "./deno_conn.ts";

/** The protocol named in the TLS handshake, so that a wrong service fails early. */
export const ALPN_PROTOCOL = "relay-p2p/1";

/** Who must answer. */
export interface PeerIdentity {
  /** Its id. */
  readonly id: string;
  /** Its certificate, DER, which hashes to the id. */
  readonly certificate: Uint8Array;
}

/** Options of {@linkcode dial}. */
export interface DialOptions {
  /** Who must answer; `null` dials without encryption. */
  readonly peer: PeerIdentity | null;
  /** Milliseconds for TCP and TLS together. */
  readonly timeoutMs: number;
  /** Gives up when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Dials `endpoint` and, unless `peer` is `null`, makes sure that whoever
 * answers holds the key in the peer's certificate. The caller closes the conn.
 *
 * @throws {ProtocolError} `identity_mismatch` when it is somebody else or not
 * TLS at all, `timed_out` when nobody answered in time.
 * @throws {Deno.errors} when TCP fails; the signal's reason when aborted.
 */
export async function dial(
  endpoint: Endpoint,
  options: DialOptions,
): Promise<Conn> {
  requireNet(endpoint);
  using deadline = new DialDeadline(endpoint, options);
  const { signal } = deadline;
  const connect = () =>
    Deno.connect({ hostname: endpoint.host, port: endpoint.port, signal });
  const tcp = await deadline.guard(
    // Half of the time: the peer is not said to be silent where we are at fault.
    whenRoom(connect, {
      pauseMs: LIMITS.acceptPauseMs,
      mostMs: options.timeoutMs / 2,
      signal,
    }),
  );
  deadline.closeOnExpiry(tcp);
  try {
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

/** Options of attempts at several addresses. */
export interface DialAnyOptions extends DialOptions {
  /** Milliseconds after which the next address is tried as well. */
  readonly staggerMs: number;
}

/** Tries to connect to `endpoint`; what it gives can be closed. */
export type Attempt<Connected extends { close(): void }, Options> = (
  endpoint: Endpoint,
  options: Options,
) => Promise<Connected>;

/**
 * Makes attempts at several addresses of one peer, the next one when one fails or
 * has not answered for a while; the first to answer wins. All of it under one
 * deadline.
 *
 * @throws what the last attempt threw.
 */
export async function firstOf<
  Connected extends { close(): void },
  Options extends Omit<DialAnyOptions, "peer">,
>(
  endpoints: readonly Endpoint[],
  options: Options,
  connect: Attempt<Connected, Options>,
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
    connecting.catch(() => {}); // judged together with the others
    attempts.push(connecting);
    const failed = connecting.then(() => "won", () => "failed");
    await Promise.race([failed, pause(options.staggerMs, signal)]);
    if (winner !== undefined || options.signal?.aborted) break;
  }
  const outcomes = await Promise.allSettled(attempts);
  if (winner !== undefined) return winner;
  throw (outcomes.at(-1) as PromiseRejectedResult).reason;
}

/**
 * Opens TLS over a TCP connection that is there already, and that nobody has
 * read too much from. Takes `conn` over, and closes it where it throws.
 *
 * @throws as {@linkcode dial}.
 */
export async function secure(
  conn: DenoConn,
  options: Omit<DialOptions, "peer"> & { readonly peer: PeerIdentity },
): Promise<Conn> {
  const endpoint = conn.remote;
  using deadline = new DialDeadline(endpoint, options);
  const tcp = conn.inner as Deno.TcpConn;
  deadline.closeOnExpiry(tcp);
  try {
    return await deadline.guard(
      openTls(tcp, options.peer, { endpoint, deadline }),
    );
  } catch (error) {
    closeQuietly(tcp);
    throw error;
  }
}

/** Waits, or not so long when `signal` is aborted. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}

async function openTls(
  tcp: Deno.TcpConn,
  peer: PeerIdentity,
  { endpoint, deadline }: { endpoint: Endpoint; deadline: DialDeadline },
): Promise<Conn> {
  let tls: Deno.TlsConn | undefined;
  try {
    tls = await Deno.startTls(tcp, {
      hostname: hostnameOf(peer.id),
      caCerts: [certificatePem(peer.certificate)],
      alpnProtocols: [ALPN_PROTOCOL],
    });
    deadline.closeOnExpiry(tls); // it has taken the TCP conn over
    const { alpnProtocol } = await tls.handshake();
    if (
      alpnProtocol !== ALPN_PROTOCOL || !presented(tls, peer.certificate)
    ) throw new Deno.errors.InvalidData("not the certificate that is pinned");
    return new DenoConn(tls);
  } catch (error) {
    if (tls !== undefined) closeQuietly(tls);
    // Deno tells every failure of the handshake by this one class.
    if (!(error instanceof Deno.errors.InvalidData)) throw error;
    throw new ProtocolError(
      "identity_mismatch",
      `Cannot open TLS with ${formatEndpoint(endpoint)}: ` +
        `the program that answers there does not prove to be ${peer.id}`,
      { cause: error },
    );
  }
}

/**
 * Whether the peer presented exactly `certificate`. `caCerts` only adds to the
 * roots the process trusts already, so an authority in `DENO_CERT` or in the
 * system's store could vouch for any name. Deno tells the certificate by an
 * internal method; where it is missing nobody is trusted.
 */
function presented(tls: Deno.TlsConn, certificate: Uint8Array): boolean {
  const prototype = Object.getPrototypeOf(tls);
  const method = Object.getOwnPropertySymbols(prototype)
    .find((symbol) => symbol.description === "getPeerCertificate");
  if (method === undefined) {
    throw new TypeError(
      "Cannot verify peers: this version of Deno does not tell the certificate of a TLS connection; use Deno 2.9.6",
    );
  }
  const { raw } = prototype[method].call(tls, false) ?? {};
  return raw instanceof Uint8Array && raw.length === certificate.length &&
    raw.every((byte, index) => byte === certificate[index]);
}

/** Closes what may be closed already, by its owner or by the deadline. */
function closeQuietly(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

/**
 * One timer and one signal over the steps of a dial. The reason for which it
 * ended early replaces whatever error the interrupted step threw.
 */
class DialDeadline implements Disposable {
  readonly #abort = new AbortController();
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #outer: AbortSignal | undefined;
  readonly #onOuterAbort = () => this.#abort.abort(this.#outer?.reason);

  constructor(endpoint: Endpoint, options: DialOptions) {
    this.#outer = options.signal;
    this.#timer = setTimeout(() => {
      this.#abort.abort(
        new ProtocolError(
          "timed_out",
          `Cannot connect to ${formatEndpoint(endpoint)}: ` +
            `no answer within ${options.timeoutMs / 1000} s`,
        ),
      );
    }, options.timeoutMs);
    if (this.#outer?.aborted) this.#onOuterAbort();
    else this.#outer?.addEventListener("abort", this.#onOuterAbort);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  closeOnExpiry(conn: Deno.Conn): void {
    this.signal.addEventListener("abort", () => closeQuietly(conn));
    if (this.signal.aborted) closeQuietly(conn);
  }

  async guard<T>(step: Promise<T>): Promise<T> {
    try {
      return await step;
    } catch (error) {
      throw this.signal.aborted ? this.signal.reason : error;
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#onOuterAbort);
  }
}
