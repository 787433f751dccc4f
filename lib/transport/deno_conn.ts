/**
 * A conn over what `Deno.connect`, `Deno.startTls` and `Deno.listen` give.
 *
 * @module
 */

import type { Conn, Endpoint } from "../base/conn.ts";

/** Wraps a TCP or TLS connection of Deno's; closing it closes that. */
export class DenoConn implements Conn {
  /** What is wrapped. */
  readonly inner: Deno.TcpConn | Deno.TlsConn;
  #closed = false;
  readonly remote: Endpoint;
  readonly local: Endpoint;

  /** Takes `inner` over. */
  constructor(inner: Deno.TcpConn | Deno.TlsConn) {
    this.inner = inner;
    this.remote = endpointOf(inner.remoteAddr);
    this.local = endpointOf(inner.localAddr);
  }

  read(buffer: Uint8Array): Promise<number | null> {
    return this.inner.read(buffer);
  }

  write(bytes: Uint8Array): Promise<number> {
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

/** The host and port of an address of Deno's. */
export function endpointOf(address: Deno.Addr): Endpoint {
  // Not by `transport`: the addresses of a TLS conn lack it.
  if (!("hostname" in address)) throw new TypeError("not a TCP address");
  return { host: address.hostname, port: address.port };
}
