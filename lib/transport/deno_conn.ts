/**
 * A conn over a connection from `Deno.connect`, `Deno.startTls` or
 * `Deno.listen`.
 *
 * @module
 */

import { withoutMapping } from "../base/address.ts";
import type { Conn, Endpoint } from "../base/conn.ts";

/**
 * Wraps a TCP or TLS connection of Deno. Closing the conn closes the
 * connection.
 */
export class DenoConn implements Conn {
  /** The wrapped connection. */
  readonly inner: Deno.TcpConn | Deno.TlsConn;
  #closed = false;
  /** Without the bytes read: to count them would cost each read a promise. */
  movedBytes = 0;
  readonly remote: Endpoint;
  readonly local: Endpoint;

  /** Takes ownership of `inner`. */
  constructor(inner: Deno.TcpConn | Deno.TlsConn) {
    this.inner = inner;
    this.remote = endpointOf(inner.remoteAddr);
    this.local = endpointOf(inner.localAddr);
  }

  read(buffer: Uint8Array): Promise<number | null> {
    return this.inner.read(buffer);
  }

  write(bytes: Uint8Array): Promise<number> {
    this.movedBytes += bytes.length;
    return this.inner.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.inner.closeWrite();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.inner.close();
  }
}

/** The host and port in an address of Deno; IPv4 in its own form. */
export function endpointOf(address: Deno.Addr): Endpoint {
  // Does not test `transport`, because the addresses of a TLS conn do not have
  // it.
  if (!("hostname" in address)) throw new TypeError("not a TCP address");
  return { host: withoutMapping(address.hostname), port: address.port };
}
