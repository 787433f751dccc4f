/**
 * Accepts connections in two ways: unencrypted ones through `Deno.listen`, and
 * TLS through `node:net` and `node:tls`. Both recover when file descriptors run
 * out.
 *
 * @module
 */

import { BlockList, createServer, type Server, type Socket } from "node:net";
import { createSecureContext } from "node:tls";
import { delay } from "@std/async/delay";
import { withoutMapping } from "../base/address.ts";
import type { Conn, Endpoint } from "../base/conn.ts";
import { describeCause, isShortage, systemErrorCode } from "../base/errors.ts";
import type { Identity } from "../identity/identity.ts";
import { DenoConn, endpointOf } from "./deno_conn.ts";
import { BACKLOG, Census, shortage, wakeServer } from "./descriptors.ts";
import { ALPN_PROTOCOL } from "./dial.ts";
import { requireNet } from "../base/permission.ts";
import { FirstBytes, left } from "./first_bytes.ts";
import {
  type Ends,
  handshake,
  secureContextOf,
  type TlsService,
} from "./server_handshake.ts";
import { StreamConn } from "./stream_conn.ts";

/** An accepted TCP connection of which no byte has been read. */
export interface RawConnection {
  /** The address of the peer. */
  readonly remote: Endpoint;
  /**
   * The group that limits count it in. By default, the group of its address.
   */
  readonly source?: string;
  /**
   * Makes it a conn. A TLS handshake begins after the first bytes of the peer,
   * and after `turn` has resolved.
   */
  open(turn?: () => Promise<void>): Promise<OpenedConnection>;
  /** Ends it at once, at any stage. Idempotent. */
  destroy(): void;
}

/** A connection that is ready for messages. */
export interface OpenedConnection {
  /** The conn. */
  readonly conn: Conn;
  /** Whether it is unencrypted and began with a tunnel key. */
  readonly isJoin: boolean;
}

/** Takes over an admitted connection. Called once, in the same turn. */
export type Welcome = (raw: RawConnection) => void;

/** Accepts connections until it is stopped. */
export interface Acceptor {
  /** The address that it listens at. */
  readonly address: Endpoint;
  /** Stops accepting. Accepted connections stay open. */
  stop(): void;
}

/** Options of {@linkcode acceptPlain} and {@linkcode acceptTls}. */
export interface AcceptOptions {
  /** Address to bind and port; 0 lets the system pick. */
  readonly at: Endpoint;
  /** Pause after a failed accept. */
  readonly acceptPauseMs: number;
  /** How often an acceptor checks that it still accepts. */
  readonly acceptCheckMs: number;
  /** Whether tunnel ends may connect to a TLS port without encryption. */
  readonly acceptsJoins?: boolean;
  /**
   * Called for every connection with the host of the peer, before any resource
   * is used for it; `undefined` refuses the connection.
   */
  readonly admit: (host: string) => Welcome | undefined;
  /** Called when the system refuses to accept for a while. */
  readonly onStall: (why: string) => void;
  /** Called when the process has no file descriptor left. */
  readonly onShortage?: () => void;
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
    // Not `for await`, which ends at the first EMFILE.
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
        if (isShortage(error)) options.onShortage?.();
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
 * Accepts TCP and expects TLS 1.3 with `identity`.
 *
 * At EMFILE the listener of `node:net` stops for good, without an event. It is
 * therefore restarted each time a connection ends, and regularly. Connections
 * that arrive in the meantime wait in the system and are accepted afterwards.
 */
export function acceptTls(
  identity: Identity,
  options: AcceptOptions,
): Promise<Acceptor> {
  return acceptService({
    secureContext: secureContextOf(identity),
    alpn: ALPN_PROTOCOL,
    isAlpnRequired: true,
  }, options);
}

/** A certificate that browsers trust, and its key, both as PEM. */
export interface WebCertificate {
  /** The certificate, and those that it depends on. */
  readonly certificate: string;
  /** Its private key, without a password. */
  readonly key: string;
}

/**
 * Accepts TCP and expects TLS for HTTP/1.1, from browsers and download tools.
 *
 * @throws {Error} if the certificate and the key are not a pair.
 */
export function acceptWebTls(
  { certificate: cert, key }: WebCertificate,
  options: AcceptOptions,
): Promise<Acceptor> {
  const minVersion = "TLSv1.2";
  return acceptService({
    secureContext: createSecureContext({ cert, key, minVersion }),
    alpn: "http/1.1",
    isAlpnRequired: false, // wget sends no protocol name
  }, options);
}

async function acceptService(
  service: TlsService,
  options: AcceptOptions,
): Promise<Acceptor> {
  const census = new Census();
  const door = new Door(options);
  const onClose = () => {
    census.leave();
    wakeServer(server);
  };
  const terms = { ...service, acceptsJoins: options.acceptsJoins === true };
  const onSocket = (socket: Socket) => {
    census.enter();
    socket.on("close", onClose);
    socket.on("error", ignore); // the TLS socket reports it too
    const { remoteAddress, remotePort, localAddress, localPort } = socket;
    const welcome = door.welcomeFor(remoteAddress);
    if (remoteAddress === undefined || welcome === undefined) {
      socket.destroy(); // gone already
      return;
    }
    const ends = {
      remote: { host: withoutMapping(remoteAddress), port: remotePort ?? 0 },
      local: {
        host: withoutMapping(localAddress ?? options.at.host),
        port: localPort ?? 0,
      },
    };
    welcome(new RawTls(socket, ends, terms));
  };
  const server = await startServer(options.at, { door, onSocket });
  const address = addressOf(server);
  const check = async () => {
    wakeServer(server);
    const why = census.worthChecking() ? await shortage(address) : undefined;
    census.isSuspect = why !== undefined;
    if (why === undefined) return;
    options.onStall(why);
    options.onShortage?.();
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

/** Options that all connections of a listener share. */
interface Terms extends TlsService {
  readonly acceptsJoins: boolean;
}

/** A connection accepted by `node:net`. */
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

  async open(turn?: () => Promise<void>): Promise<OpenedConnection> {
    if (await this.#begin(turn) === "join") {
      const conn = new StreamConn(this.#socket, this.#ends);
      return { conn, isJoin: true };
    }
    // TLS over a destroyed socket would wait forever.
    if (this.#socket.destroyed) throw left();
    const conn = await handshake(this.#socket, this.#terms, this.#ends);
    return { conn, isJoin: false };
  }

  /** Waits for its first bytes, and for the turn of a handshake. */
  async #begin(turn?: () => Promise<void>): Promise<"client hello" | "join"> {
    using first = new FirstBytes(this.#socket, this.#terms);
    const kind = await first.kind();
    if (kind === "client hello" && turn !== undefined) {
      await first.during(turn());
    }
    return kind;
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

/**
 * Decides about admission before `node:net` makes a socket. A socket costs 10
 * KiB of garbage, and a flood causes thousands a second.
 */
class Door extends BlockList {
  readonly #admit: AcceptOptions["admit"];
  #welcome: Welcome | undefined;

  constructor({ admit }: AcceptOptions) {
    super();
    this.#admit = admit;
  }

  /** `node:net` calls this, and makes the socket in the same turn. */
  override check(address: unknown): boolean {
    this.#welcome = this.#admit(withoutMapping(String(address)));
    return this.#welcome === undefined;
  }

  /** The handler for the socket that was just made for a peer at `host`. */
  welcomeFor(host: string | undefined): Welcome | undefined {
    const welcome = this.#welcome;
    this.#welcome = undefined;
    if (welcome !== undefined || host === undefined) return welcome;
    // A version of Deno that does not call `check`.
    return this.#admit(withoutMapping(host));
  }
}

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
    // Deno turns EADDRNOTAVAIL into this.
    const isForeign = systemErrorCode(error) === "EINVAL";
    reject(isForeign ? new Deno.errors.AddrNotAvailable(error.message) : error);
  });
  server.listen({ host: at.host, port: at.port, backlog: BACKLOG }, resolve);
  await promise;
  server.on("error", ignore); // a failed accept: it is restarted
  return server;
}

function addressOf(server: Server): Endpoint {
  const address = server.address();
  if (address === null || typeof address === "string") {
    throw new TypeError("Cannot listen: the socket has no TCP address");
  }
  return { host: address.address, port: address.port };
}

function ignore(): void {}
