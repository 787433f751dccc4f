/**
 * A conn that passes everything on to another conn. Subclasses override the
 * differences.
 *
 * @module
 */

import type { Conn, Endpoint } from "./conn.ts";

/** Passes everything on to `inner`. */
export class WrappedConn implements Conn {
  protected readonly inner: Conn;

  /** Takes ownership of `inner`. */
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
