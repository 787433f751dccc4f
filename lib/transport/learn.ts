/**
 * Dials a server whose certificate is not known yet. TLS proves that the server
 * has the key of the certificate that it presents; the caller compares the id
 * with the one it expects before it sends anything.
 *
 * @module
 */

import type { TLSSocket } from "node:tls";
import { type CallDeadlineOptions, orAborted } from "../base/waiting.ts";
import { withoutMapping } from "../base/address.ts";
import { type Conn, type Endpoint, formatEndpoint } from "../base/conn.ts";
import { ProtocolError, systemErrorCode } from "../base/errors.ts";
import { ALPN_PROTOCOL, dialDeadline } from "./dial.ts";
import { requireNet } from "../base/permission.ts";
import { StreamConn } from "./stream_conn.ts";

/** A server that has the key of its certificate. */
export interface Learned {
  /** Its certificate, DER. */
  readonly certificate: Uint8Array;
  /** The conn on which it proved that. The caller closes it. */
  readonly conn: Conn;
}

/**
 * Returns the certificate (DER) of the server at `endpoint`, and closes the
 * connection.
 *
 * @throws like {@linkcode dialToLearn}.
 */
export async function learnCertificate(
  endpoint: Endpoint,
  options: CallDeadlineOptions,
): Promise<Uint8Array> {
  const { certificate, conn } = await dialToLearn(endpoint, options);
  conn.close();
  return certificate;
}

/**
 * Dials `endpoint`, and learns the certificate of the server there.
 *
 * @throws {ProtocolError} `wrong_service` if it does not speak TLS for
 * relay-p2p, or does not have the key of its certificate; `timed_out` if it
 * does not answer in time.
 * @throws {Error} with an `E…` code if TCP fails.
 * @throws {Deno.errors.ConnectionReset} if the server closes the connection.
 */
export async function dialToLearn(
  endpoint: Endpoint,
  options: CallDeadlineOptions,
): Promise<Learned> {
  options.signal?.throwIfAborted();
  requireNet(endpoint);
  using deadline = dialDeadline(endpoint, options);
  // Only now: without encryption nobody pays for loading it.
  const { connect } = await import("node:tls");
  const socket = connect({
    host: endpoint.host,
    port: endpoint.port,
    ALPNProtocols: [ALPN_PROTOCOL],
    minVersion: "TLSv1.3",
    // Its signature is checked nonetheless; only its name is not.
    rejectUnauthorized: false,
  });
  try {
    return await orAborted(whenSecured(socket, endpoint), deadline.signal);
  } catch (error) {
    socket.on("error", ignore); // later errors do not matter
    socket.destroy();
    throw error;
  }
}

/** The server, once the handshake is complete. */
function whenSecured(socket: TLSSocket, endpoint: Endpoint): Promise<Learned> {
  const { promise, resolve, reject } = Promise.withResolvers<Learned>();
  socket.once("secureConnect", () => {
    const { raw } = socket.getPeerCertificate(true);
    if (raw === undefined || socket.alpnProtocol !== ALPN_PROTOCOL) {
      reject(wrongService(endpoint));
      return;
    }
    socket.setNoDelay(true);
    // Made in this turn; later, the end of the connection could be missed.
    const conn = new StreamConn(socket, endsOf(socket, endpoint));
    resolve({ certificate: new Uint8Array(raw), conn });
  });
  socket.once("error", (error) => reject(whyNotSecured(error, endpoint)));
  socket.once("close", () => reject(wrongService(endpoint)));
  return promise;
}

/**
 * What {@linkcode dialToLearn} throws for `error` of the socket: the same if the
 * host was not found or TCP failed, and `wrong_service` if TLS failed.
 */
export function whyNotSecured(error: Error, endpoint: Endpoint): Error {
  const isTcp = /^E(?:AI_)?[A-Z]+$/.test(systemErrorCode(error) ?? "");
  return isTcp ? error : wrongService(endpoint, error);
}

function endsOf(
  { remoteAddress, remotePort, localAddress, localPort }: TLSSocket,
  { host, port }: Endpoint,
): { remote: Endpoint; local: Endpoint } {
  return {
    remote: {
      host: withoutMapping(remoteAddress ?? host),
      port: remotePort ?? port,
    },
    local: { host: withoutMapping(localAddress ?? ""), port: localPort ?? 0 },
  };
}

function ignore(): void {}

function wrongService(endpoint: Endpoint, cause?: Error): ProtocolError {
  return new ProtocolError(
    "wrong_service",
    `Cannot open TLS with ${formatEndpoint(endpoint)}: ` +
      `the program that answers there does not speak TLS for ${ALPN_PROTOCOL}`,
    { cause },
  );
}
