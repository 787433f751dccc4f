/**
 * Asks a server for its certificate. This proves nothing: the caller compares
 * the id with the expected one and dials again, pinned.
 *
 * @module
 */

import { connect } from "node:tls";
import { type CallDeadlineOptions, orAborted } from "../base/waiting.ts";
import { type Endpoint, formatEndpoint } from "../base/conn.ts";
import { ProtocolError, systemErrorCode } from "../base/errors.ts";
import { ALPN_PROTOCOL, dialDeadline } from "./dial.ts";
import { requireNet } from "../base/permission.ts";

/**
 * Gets the certificate (DER) that the server at `endpoint` presents.
 *
 * @throws {ProtocolError} `wrong_service` if it does not speak TLS for
 * relay-p2p, `timed_out` if it does not answer in time.
 * @throws {Error} with an `E…` code if TCP fails.
 */
export async function learnCertificate(
  endpoint: Endpoint,
  options: CallDeadlineOptions,
): Promise<Uint8Array> {
  options.signal?.throwIfAborted();
  requireNet(endpoint);
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const socket = connect({
    host: endpoint.host,
    port: endpoint.port,
    ALPNProtocols: [ALPN_PROTOCOL],
    minVersion: "TLSv1.3",
    rejectUnauthorized: false,
  });
  using deadline = dialDeadline(endpoint, options);
  socket.once("secureConnect", () => {
    const { raw } = socket.getPeerCertificate(true);
    if (raw === undefined || socket.alpnProtocol !== ALPN_PROTOCOL) {
      reject(wrongService(endpoint));
    } else resolve(new Uint8Array(raw));
  });
  socket.once("error", (error) => {
    const isTcp = /^E[A-Z]+$/.test(systemErrorCode(error) ?? "");
    reject(isTcp ? error : wrongService(endpoint, error));
  });
  socket.once("close", () => reject(wrongService(endpoint)));
  try {
    return await orAborted(promise, deadline.signal);
  } finally {
    socket.on("error", ignore); // later errors do not matter
    socket.destroy();
  }
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
