/**
 * The server's side of a TLS handshake, no matter which side dialled.
 *
 * @module
 */

import type { Socket } from "node:net";
import {
  createSecureContext,
  type SecureContext,
  TLSSocket,
  type TLSSocketOptions,
} from "node:tls";
import type { Conn, Endpoint } from "../base/conn.ts";
import { isDisconnect, ProtocolError } from "../base/errors.ts";
import type { Identity } from "../identity/identity.ts";
import { ALPN_PROTOCOL } from "./dial.ts";
import { StreamConn } from "./stream_conn.ts";
import { guardInput } from "./tls_input.ts";

/** What is spoken over TLS. */
export interface TlsService {
  readonly secureContext: SecureContext;
  /** The name of the protocol in the handshake. */
  readonly alpn: string;
  readonly isAlpnRequired: boolean;
}

/** Both ends of a connection. */
export interface Ends {
  readonly remote: Endpoint;
  readonly local: Endpoint;
}

/**
 * Requests and messages are short, so reading 64 KiB ahead would waste memory.
 */
const READ_AHEAD_BYTES = 16 * 1024;

/** The TLS options of servers with `identity`. */
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
 * The server's side of a TLS handshake on a connected socket, no matter which
 * side dialled. Takes ownership of the socket, and destroys it if it throws.
 */
export function serverHandshake(
  socket: Socket,
  secureContext: SecureContext,
  ends: Ends,
  source?: string,
): Promise<Conn> {
  const service = { secureContext, alpn: ALPN_PROTOCOL, isAlpnRequired: true };
  return handshake(socket, service, ends, source);
}

/** The same for any protocol; `source` is the group that counts the peer. */
export async function handshake(
  socket: Socket,
  { secureContext, alpn, isAlpnRequired }: TlsService,
  ends: Ends,
  source?: string,
): Promise<Conn> {
  const tls = new TLSSocket(socket, {
    isServer: true,
    secureContext,
    ALPNProtocols: [alpn],
    allowHalfOpen: true,
    highWaterMark: READ_AHEAD_BYTES,
  } as TLSSocketOptions);
  readNoFurther(socket, () => tls.destroyed);
  guardInput(tls, ends.remote.host, source);
  // Before waiting for the handshake: the peer may end in the same turn.
  const conn = new StreamConn(tls, ends);
  try {
    await conn.secured();
    if (isAlpnRequired && tls.alpnProtocol !== alpn) throw new Error("no ALPN");
  } catch (cause) {
    tls.on("error", ignore);
    tls.destroy();
    if (isDisconnect(cause)) throw cause;
    throw foreign(alpn, { cause });
  }
  return conn;
}

/** The error for a peer that does not speak TLS for `alpn`. */
export function foreign(alpn: string, options?: ErrorOptions): ProtocolError {
  return new ProtocolError(
    "wrong_service",
    `Cannot accept TLS: the peer does not speak TLS for ${alpn}`,
    options,
  );
}

/**
 * Stops passing on bytes that `socket` has read ahead once `isOver` is true.
 * Deno 2.9.6 feeds all of them to a TLS socket. After bytes that are not TLS it
 * throws an error that nobody can catch, and the process ends.
 */
function readNoFurther(socket: Socket, isOver: () => boolean): void {
  const read = socket.read.bind(socket);
  socket.read = (size) => isOver() ? null : read(size);
}

function ignore(): void {}
