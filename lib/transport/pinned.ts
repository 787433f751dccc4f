/**
 * TLS 1.3 over a TCP connection, pinned to one certificate.
 * {@linkcode startPinned} must not use anything outside itself, because workers
 * get it as text.
 *
 * @module
 */

/** The certificate that a peer must present, and how to ask for it. */
export interface Pin {
  /** The name in the certificate. */
  readonly hostname: string;
  /** The certificate in PEM. */
  readonly caCert: string;
  /** The certificate in DER. */
  readonly certificate: Uint8Array;
  /** The protocol name that both ends must agree on. */
  readonly alpnProtocol: string;
}

/**
 * Starts TLS over `tcp`, and closes it if it throws. `opened` gets the TLS conn
 * before the handshake, to close it when time is up.
 *
 * @throws {Deno.errors.InvalidData} if the peer does not prove to have the key
 * of the certificate, or does not speak TLS.
 */
export async function startPinned(
  tcp: Deno.TcpConn,
  { hostname, caCert, certificate, alpnProtocol }: Pin,
  opened: (tls: Deno.TlsConn) => void,
): Promise<Deno.TlsConn> {
  /**
   * Whether the peer presented exactly `certificate`. `caCerts` only adds to the
   * roots that the process trusts already, so an authority in `DENO_CERT` or in
   * the system's store could vouch for any name. Deno gives the certificate by an
   * internal method; without that method nobody is trusted.
   */
  const isPinned = (tls: Deno.TlsConn) => {
    const prototype = Object.getPrototypeOf(tls);
    const method = Object.getOwnPropertySymbols(prototype)
      .find((symbol) => symbol.description === "getPeerCertificate");
    if (method === undefined) {
      throw new TypeError(
        "Cannot verify peers: this version of Deno does not show the certificate of a TLS connection; use Deno 2.9.6",
      );
    }
    const { raw } = prototype[method].call(tls, false) ?? {};
    return raw instanceof Uint8Array && raw.length === certificate.length &&
      raw.every((byte, index) => byte === certificate[index]);
  };

  const tls = await Deno.startTls(tcp, {
    hostname,
    caCerts: [caCert],
    alpnProtocols: [alpnProtocol],
  });
  try {
    opened(tls); // it owns the TCP conn now
    const handshake = await tls.handshake();
    if (handshake.alpnProtocol === alpnProtocol && isPinned(tls)) return tls;
    throw new Deno.errors.InvalidData("not the certificate that is pinned");
  } catch (error) {
    try {
      tls.close();
    } catch (closed) {
      if (!(closed instanceof Deno.errors.BadResource)) throw closed;
    }
    throw error;
  }
}
