/**
 * An end of a tunnel that waits for the other: listened to meanwhile, so that it
 * shows when it has left. What it says too early is read later, in order.
 *
 * @module
 */

import type { Conn, Endpoint } from "../conn.ts";

// Who has come waits for the other side's word: there is nothing to read ahead.
const AHEAD_BYTES = 512;

/** Wraps a conn that nobody else reads from. Closing closes it. */
export class HeldConn implements Conn {
  readonly #inner: Conn;
  /** What was read ahead; `null` when there is nothing left of it. */
  #ahead: Promise<Uint8Array | null> | null;
  /** Resolves when the peer ends before it has said anything. */
  readonly left: Promise<void>;

  /** Listens from now on. */
  constructor(inner: Conn) {
    this.#inner = inner;
    const ahead = readAhead(inner);
    this.#ahead = ahead;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.left = promise;
    ahead.then((bytes) => bytes === null && resolve(), () => resolve());
  }

  get remote(): Endpoint {
    return this.#inner.remote;
  }

  get local(): Endpoint {
    return this.#inner.local;
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    if (this.#ahead === null) return await this.#inner.read(buffer);
    const bytes = await this.#ahead;
    if (bytes === null) return null;
    const count = Math.min(bytes.length, buffer.length);
    buffer.set(bytes.subarray(0, count));
    const rest = bytes.subarray(count);
    this.#ahead = rest.length === 0 ? null : Promise.resolve(rest);
    return count;
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#inner.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.#inner.closeWrite();
  }

  close(): void {
    this.#inner.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

async function readAhead(conn: Conn): Promise<Uint8Array | null> {
  const buffer = new Uint8Array(AHEAD_BYTES);
  const count = await conn.read(buffer);
  return count === null ? null : buffer.subarray(0, count);
}
