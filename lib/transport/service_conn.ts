/**
 * Opens connections to services of other programs: TCP, or TLS with a
 * certificate from a certificate authority.
 *
 * @module
 */

import { type Conn, type Endpoint, formatEndpoint } from "../base/conn.ts";
import { ProtocolError } from "../base/errors.ts";
import { requireNet } from "../base/permission.ts";
import { CallDeadline, type CallDeadlineOptions } from "../base/waiting.ts";
import { DenoConn } from "./deno_conn.ts";

/** Options of {@linkcode dialService}. */
export interface DialServiceOptions extends CallDeadlineOptions {
  /** Whether to speak TLS. */
  readonly encrypted: boolean;
  /** Further certificates (PEM) to trust. */
  readonly caCerts?: readonly string[] | undefined;
}

/**
 * Dials a service. The caller closes the conn.
 *
 * @throws {ProtocolError} `timed_out` if it does not answer in time.
 * @throws {Deno.errors} if TCP or TLS fails; the signal's reason when aborted.
 */
export async function dialService(
  endpoint: Endpoint,
  options: DialServiceOptions,
): Promise<Conn> {
  requireNet(endpoint);
  using deadline = new CallDeadline(options, () =>
    new ProtocolError(
      "timed_out",
      `no answer from ${formatEndpoint(endpoint)} in time`,
    ));
  const { host: hostname, port } = endpoint;
  const { signal } = deadline;
  const tcp = await deadline.guard(Deno.connect({ hostname, port, signal }));
  let open: Deno.TcpConn | Deno.TlsConn = tcp;
  const close = () => {
    try {
      open.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  };
  deadline.onEnd(close);
  try {
    signal.throwIfAborted(); // in the turn in which it connected
    tcp.setNoDelay(true);
    if (!options.encrypted) return new DenoConn(tcp);
    const { caCerts = [] } = options;
    const start = async () => {
      const tls = await Deno.startTls(tcp, { hostname, caCerts: [...caCerts] });
      open = tls;
      await tls.handshake();
      return tls;
    };
    return new DenoConn(await deadline.guard(start()));
  } catch (error) {
    close();
    throw error;
  }
}
