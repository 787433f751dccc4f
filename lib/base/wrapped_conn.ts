/**
 * A conn that passes everything to another conn. Subclasses override what
 * differs.
 *
 * @module
 */

import type { Conn, Endpoint } from "./conn.ts";

/** Wraps `inner`, which it takes over. */
export class WrappedConn implements Conn {
  /** What everything is passed on to. */
  protected readonly inner: Conn;

  /** Takes `inner` over; nobody else uses it from now on. */
  constructor(inner: Conn) {
    this.inner = inner;
  }

  get remote(): Endpoint {
    return this.inner.remote;
  }

  get local(): Endpoint {
    return this.inner.local;
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

  close(): void {
    this.inner.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
