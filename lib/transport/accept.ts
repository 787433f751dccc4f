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
import type { Conn, Endpoint } from "../base/conn.ts";
import {
  describeCause,
  isDisconnect,
  ProtocolError,
  systemErrorCode,
} from "../base/errors.ts";
import type { Identity } from "../identity/identity.ts";
import { JOIN_TYPE } from "../protocol/messages.ts";
import { DenoConn, endpointOf } from "./deno_conn.ts";
import { ALPN_PROTOCOL } from "./dial.ts";
import { requireNet } from "../base/permission.ts";
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
  /** How often an acceptor makes sure that it still accepts. */
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
 * So it is roused whenever a connection has ended, and now and then. Connections
 * that came meanwhile wait in the system, and are accepted then.
 */
export async function acceptTls(
  identity: Identity,
  options: AcceptOptions,
): Promise<Acceptor> {
  const secureContext = secureContextOf(identity);
  const census = new Census();
  const door = new Door(options);
  const onClose = () => {
    census.leave();
    rouse(server);
  };
  const terms = { secureContext, acceptsJoins: options.acceptsJoins === true };
  const onSocket = (socket: Socket) => {
    census.enter();
    socket.on("close", onClose);
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
    welcome(new RawTls(socket, ends, terms));
  };
  const server = await startServer(options.at, { door, onSocket });
  const address = addressOf(server);
  const check = async () => {
    rouse(server);
    const why = census.worthChecking() ? await shortage(address) : undefined;
    census.isSuspect = why !== undefined;
    if (why !== undefined) options.onStall(why);
  };
  const timer = setInterval(() => void check(), options.acceptCheckMs);
  return {
    address,
    stop: () => {
      clearInterval(timer);
      server.close();
    },
  };
}

/** What all connections of a listener are opened with. */
interface Terms {
  readonly secureContext: SecureContext;
  readonly acceptsJoins: boolean;
}

/** Both ends of a connection. */
interface Ends {
  readonly remote: Endpoint;
  readonly local: Endpoint;
}

/** A connection that came by `node:net`. */
class RawTls implements RawConnection {
  readonly #socket: Socket;
  readonly #ends: Ends;
  readonly #terms: Terms;

  constructor(socket: Socket, ends: Ends, terms: Terms) {
    this.#socket = socket;
    this.#ends = ends;
    this.#terms = terms;
  }

  get remote(): Endpoint {
    return this.#ends.remote;
  }

  async open(): Promise<OpenedConnection> {
    const { acceptsJoins, secureContext } = this.#terms;
    const isJoin = acceptsJoins && await firstByte(this.#socket) === JOIN_TYPE;
    const conn = isJoin
      ? new StreamConn(this.#socket, this.#ends)
      : await serverHandshake(this.#socket, secureContext, this.#ends);
    return { conn, isJoin };
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

/**
 * Says who is let in before `node:net` makes a socket: one costs 10 KiB of
 * garbage, and a flood brings thousands a second.
 */
class Door extends BlockList {
  readonly #admit: AcceptOptions["admit"];
  #welcome: Welcome | undefined;

  constructor({ admit }: AcceptOptions) {
    super();
    this.#admit = admit;
  }

  /** `node:net` asks this, and makes the socket in the same turn. */
  override check(address: unknown): boolean {
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

/** How many sockets there are, and how many there were since the last look. */
class Census {
  #open = 0;
  #mostOpen = 0;
  /** Set while the process has no descriptor left to dial itself with. */
  isSuspect = false;

  enter(): void {
    this.#mostOpen = Math.max(this.#mostOpen, ++this.#open);
  }

  leave(): void {
    this.#open--;
  }

  worthChecking(): boolean {
    const most = this.#mostOpen;
    this.#mostOpen = this.#open;
    return this.isSuspect || most >= CHECK_FROM_CONNECTIONS;
  }
}

/** What a listener of `node:net` is in Deno. */
interface ListenerHandle {
  listen?(backlog: number): number;
}

/**
 * Has a listener accept again that stopped at EMFILE; changes nothing for one
 * that accepts. Nothing public of `node:net` does that: to close it and listen
 * anew would refuse all that wait, and whoever comes in between.
 */
function rouse(server: Server): void {
  if (!server.listening) return;
  const { _handle: handle } = server as { _handle?: ListenerHandle | null };
  handle?.listen?.(BACKLOG);
}

/**
 * Why this process cannot open another socket, if that is so. It dials itself
 * to find out: that is what it may do in any case.
 */
async function shortage(address: Endpoint): Promise<string | undefined> {
  const hostname = LOOPBACK_OF.get(address.host) ?? address.host;
  try {
    requireNet({ host: hostname, port: address.port });
    using _probe = await Deno.connect({ hostname, port: address.port });
    return undefined;
  } catch (error) {
    const isShort = systemErrorCode(error) === "EMFILE";
    return isShort ? describeCause(error) : undefined;
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
  server.on("error", ignore); // a failed accept; it is roused
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
  ends: Ends,
): Promise<Conn> {
  const tls = new TLSSocket(socket, {
    isServer: true,
    secureContext,
    ALPNProtocols: [ALPN_PROTOCOL],
    allowHalfOpen: true,
    highWaterMark: READ_AHEAD_BYTES,
  } as TLSSocketOptions);
  readNoFurther(socket, () => tls.destroyed);
  // Before the handshake is awaited: the peer may end in the same turn.
  const conn = new StreamConn(tls, ends);
  try {
    await conn.secured();
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

/**
 * Gives nothing more of what `socket` has read ahead once `isOver`. Deno 2.9.6
 * feeds a TLS socket with all of it, and after a part that is not TLS it throws
 * where nobody can catch it, which ends the process.
 */
function readNoFurther(socket: Socket, isOver: () => boolean): void {
  const read = socket.read.bind(socket);
  socket.read = (size) => isOver() ? null : read(size);
}

function ignore(): void {}
