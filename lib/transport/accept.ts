/**
 * The two ways in which connections are accepted: in the clear through
 * `Deno.listen`, with TLS through `node:net` and `node:tls`. Both survive
 * running out of file descriptors.
 *
 * @module
 */

import { BlockList, createServer, type Server, type Socket } from "node:net";
import {
  createSecureContext,
  type SecureContext,
  TLSSocket,
  type TLSSocketOptions,
} from "node:tls";
import { delay } from "@std/async/delay";
import type { Conn, Endpoint } from "../conn.ts";
import {
  describeCause,
  isDisconnect,
  ProtocolError,
  systemErrorCode,
} from "../errors.ts";
import type { Identity } from "../identity.ts";
import { JOIN_TYPE } from "../messages.ts";
import { DenoConn, endpointOf } from "./deno_conn.ts";
import { ALPN_PROTOCOL } from "./dial.ts";
import { requireNet } from "../permission.ts";
import { StreamConn } from "./stream_conn.ts";

/** A TCP connection that was accepted; not a byte of it has been read. */
export interface RawConnection {
  /** Who dialled. */
  readonly remote: Endpoint;
  /** What limits count it under; the group of its address where it is absent. */
  readonly source?: string;
  /** Makes it a conn: the TLS handshake, where there is one. */
  open(): Promise<OpenedConnection>;
  /** Ends it at once, at whatever stage. Idempotent. */
  destroy(): void;
}

/** A connection that can be talked over. */
export interface OpenedConnection {
  /** The conn. */
  readonly conn: Conn;
  /** Whether it came in the clear, with the key of a tunnel. */
  readonly isJoin: boolean;
}

/** Takes over a connection that was let in. Called once, in the same turn. */
export type Welcome = (raw: RawConnection) => void;

/** What accepts connections until it is stopped. */
export interface Acceptor {
  /** Where it listens. */
  readonly address: Endpoint;
  /** Stops accepting; what was accepted lives on. */
  stop(): void;
}

/** Options of both ways. */
export interface AcceptOptions {
  /** Address to bind and port; 0 lets the system pick. */
  readonly at: Endpoint;
  /** Pause after an accept that failed. */
  readonly acceptPauseMs: number;
  /** How often a busy acceptor proves that it still accepts. */
  readonly acceptCheckMs: number;
  /** Whether ends of tunnels may come in the clear where TLS is spoken. */
  readonly acceptsJoins?: boolean;
  /**
   * Asked for every connection, by the host it comes from, before anything is
   * made for it; `undefined` where it is not let in.
   */
  readonly admit: (host: string) => Welcome | undefined;
  /** Called when the system refused to accept for a while. */
  readonly onStall: (why: string) => void;
}

/** Accepts plain TCP. */
export function acceptPlain(options: AcceptOptions): Acceptor {
  requireNet(options.at);
  const listener = Deno.listen({
    hostname: options.at.host,
    port: options.at.port,
  });
  const stopped = new AbortController();
  const loop = async () => {
    // Not `for await`: that ends for good at the first EMFILE.
    while (!stopped.signal.aborted) {
      try {
        const tcp = await listener.accept();
        const welcome = options.admit(endpointOf(tcp.remoteAddr).host);
        if (welcome === undefined) {
          tcp.close();
          continue;
        }
        tcp.setNoDelay(true);
        const conn = new DenoConn(tcp);
        welcome({
          remote: conn.remote,
          open: () => Promise.resolve({ conn, isJoin: false }),
          destroy: () => conn.close(),
        });
      } catch (error) {
        if (stopped.signal.aborted) return;
        options.onStall(describeCause(error));
        await delay(options.acceptPauseMs, { signal: stopped.signal })
          .catch(ignore); // stopped meanwhile
      }
    }
  };
  void loop();
  return {
    address: endpointOf(listener.addr),
    stop: () => {
      if (stopped.signal.aborted) return;
      stopped.abort();
      listener.close();
    },
  };
}

/**
 * Accepts TCP for TLS 1.3 under `identity`.
 *
 * At EMFILE the listener of `node:net` falls silent for good, without an event.
 * So an acceptor that has had many connections open dials itself now and then,
 * and when that is not accepted either, it listens anew on the same port.
 */
export async function acceptTls(
  identity: Identity,
  options: AcceptOptions,
): Promise<Acceptor> {
  const secureContext = secureContextOf(identity);
  const census = new Census();
  const door = new Door(options, () => census.arrived());
  const onSocket = (socket: Socket) => {
    census.count(socket);
    socket.on("error", ignore); // the TLS socket tells it too
    const { remoteAddress, remotePort, localAddress, localPort } = socket;
    const welcome = door.welcomeFor(remoteAddress);
    if (remoteAddress === undefined || welcome === undefined) {
      socket.destroy(); // gone already
      return;
    }
    const ends = {
      remote: { host: remoteAddress, port: remotePort ?? 0 },
      local: { host: localAddress ?? options.at.host, port: localPort ?? 0 },
    };
    welcome({
      remote: ends.remote,
      open: async () => {
        const isJoin = options.acceptsJoins === true &&
          await firstByte(socket) === JOIN_TYPE;
        const conn = isJoin
          ? new StreamConn(socket, ends)
          : await serverHandshake(socket, secureContext, ends);
        return { conn, isJoin };
      },
      destroy: () => socket.destroy(),
    });
  };
  let server = await startServer(options.at, { door, onSocket });
  const address = addressOf(server);
  let stopped = false;
  let isDeaf = false;
  const check = async () => {
    if (!isDeaf) {
      if (!census.worthChecking()) return;
      if (await accepts(address, census, options) || stopped) return;
      options.onStall("out of file descriptors, it seems; listening anew");
      server.close();
    }
    isDeaf = true; // until listening anew has worked, at this check or the next
    server = await startServer(address, { door, onSocket });
    isDeaf = false;
    if (stopped) server.close();
  };
  const timer = setInterval(
    () => void check().catch((error) => options.onStall(describeCause(error))),
    options.acceptCheckMs,
  );
  return {
    address,
    stop: () => {
      stopped = true;
      clearInterval(timer);
      server.close();
    },
  };
}

/**
 * Says who is let in before `node:net` makes a socket: one costs 10 KiB of
 * garbage, and a flood brings thousands a second.
 */
class Door extends BlockList {
  readonly #admit: AcceptOptions["admit"];
  readonly #onArrival: () => void;
  #welcome: Welcome | undefined;

  constructor({ admit }: AcceptOptions, onArrival: () => void) {
    super();
    this.#admit = admit;
    this.#onArrival = onArrival;
  }

  /** `node:net` asks this, and makes the socket in the same turn. */
  override check(address: unknown): boolean {
    this.#onArrival();
    this.#welcome = this.#admit(String(address));
    return this.#welcome === undefined;
  }

  /** Who waits for the socket that was just made for a peer at `host`. */
  welcomeFor(host: string | undefined): Welcome | undefined {
    const welcome = this.#welcome;
    this.#welcome = undefined;
    if (welcome !== undefined || host === undefined) return welcome;
    return this.#admit(host); // a version of Deno that does not ask before
  }
}

/** Fewer connections than this do not exhaust the descriptors of a process. */
const CHECK_FROM_CONNECTIONS = 24;

/** How many sockets there are, how many there were, and when one comes. */
class Census {
  #open = 0;
  #mostOpen = 0;
  #onNext: (() => void) | null = null;
  /** Set while the process had no descriptor left even to dial itself. */
  suspect = false;

  count(socket: Socket): void {
    this.#mostOpen = Math.max(this.#mostOpen, ++this.#open);
    socket.once("close", () => this.#open--);
    this.arrived();
  }

  arrived(): void {
    this.#onNext?.();
  }

  worthChecking(): boolean {
    const most = this.#mostOpen;
    this.#mostOpen = this.#open;
    return this.suspect || most >= CHECK_FROM_CONNECTIONS;
  }

  next(): Promise<void> {
    return new Promise((resolve) => this.#onNext = resolve);
  }
}

/** Whether a connection to this process's own listener is still accepted. */
async function accepts(
  address: Endpoint,
  census: Census,
  options: AcceptOptions,
): Promise<boolean> {
  const hostname = LOOPBACK_OF.get(address.host) ?? address.host;
  const deadline = AbortSignal.timeout(options.acceptCheckMs / 2);
  const next = census.next();
  try {
    requireNet({ host: hostname, port: address.port });
    using _probe = await Deno.connect({
      hostname,
      port: address.port,
      signal: deadline,
    });
    const expired = Promise.withResolvers<"expired">();
    deadline.addEventListener("abort", () => expired.resolve("expired"));
    return await Promise.race([next, expired.promise]) !== "expired";
  } catch (error) {
    census.suspect = systemErrorCode(error) === "EMFILE";
    // Not allowed to dial, or no descriptor to dial with: nothing is known.
    return error !== deadline.reason;
  }
}

const LOOPBACK_OF: ReadonlyMap<string, string> = new Map([
  ["0.0.0.0", "127.0.0.1"],
  ["::", "::1"],
]);

/**
 * Connections that wait to be accepted: what a flood brings while the process
 * is busy with something else. The system may have a lower limit.
 */
const BACKLOG = 4096;

/** Requests and messages are short: nobody needs 64 KiB of what comes next. */
const READ_AHEAD_BYTES = 16 * 1024;

async function startServer(
  at: Endpoint,
  { door, onSocket }: { door: Door; onSocket: (socket: Socket) => void },
): Promise<Server> {
  requireNet(at);
  const server = createServer({
    noDelay: true,
    allowHalfOpen: true,
    blockList: door,
  }, onSocket);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", (error) => {
    // What Deno makes of EADDRNOTAVAIL.
    const isForeign = systemErrorCode(error) === "EINVAL";
    reject(isForeign ? new Deno.errors.AddrNotAvailable(error.message) : error);
  });
  server.listen({ host: at.host, port: at.port, backlog: BACKLOG }, resolve);
  await promise;
  server.on("error", ignore); // a failed accept; the check above finds it
  return server;
}

function addressOf(server: Server): Endpoint {
  const address = server.address();
  if (address === null || typeof address === "string") {
    throw new TypeError("Cannot listen: the socket has no TCP address");
  }
  return { host: address.address, port: address.port };
}

/**
 * The first byte that comes, which stays to be read again: a TLS record begins
 * with another than any of our frames.
 *
 * @throws {Deno.errors.ConnectionReset} when the connection ends before it.
 */
async function firstByte(socket: Socket): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const events = ["readable", "end", "error", "close"];
  for (const event of events) socket.on(event, resolve);
  await promise;
  for (const event of events) socket.off(event, resolve);
  const bytes = socket.read() as Uint8Array | null;
  // TLS over one that is gone would wait for ever.
  const first = socket.destroyed ? undefined : bytes?.[0];
  if (first === undefined) {
    throw new Deno.errors.ConnectionReset("the peer left");
  }
  socket.unshift(bytes);
  return first;
}

/** What TLS servers under `identity` are made with. */
export function secureContextOf(identity: Identity): SecureContext {
  let context = CONTEXTS.get(identity);
  if (context === undefined) {
    context = createSecureContext({
      cert: identity.certificatePem,
      key: identity.privateKeyPem,
      minVersion: "TLSv1.3",
    });
    CONTEXTS.set(identity, context);
  }
  return context;
}

const CONTEXTS = new WeakMap<Identity, SecureContext>();

/**
 * The server's side of a TLS handshake on a connected socket, whoever dialled.
 * Takes the socket over, and destroys it where it throws.
 */
export async function serverHandshake(
  socket: Socket,
  secureContext: SecureContext,
  ends: { remote: Endpoint; local: Endpoint },
): Promise<Conn> {
  const tls = new TLSSocket(socket, {
    isServer: true,
    secureContext,
    ALPNProtocols: [ALPN_PROTOCOL],
    allowHalfOpen: true,
    highWaterMark: READ_AHEAD_BYTES,
  } as TLSSocketOptions);
  // Before the handshake is awaited: the peer may end in the same turn.
  const conn = new StreamConn(tls, ends);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  tls.once("secure", resolve);
  tls.once("error", reject);
  const gone = new Deno.errors.ConnectionReset("the peer left");
  tls.once("end", () => reject(gone));
  tls.once("close", () => reject(gone));
  try {
    await promise;
    if (tls.alpnProtocol !== ALPN_PROTOCOL) throw new Error("no ALPN");
  } catch (cause) {
    tls.on("error", ignore);
    tls.destroy();
    if (isDisconnect(cause)) throw cause;
    throw new ProtocolError(
      "wrong_service",
      `Cannot accept TLS: the peer does not speak TLS for ${ALPN_PROTOCOL}`,
      { cause },
    );
  }
  return conn;
}

function ignore(): void {}
