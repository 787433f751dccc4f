/**
 * One end of a tunnel, while it waits for the other end. It is read while it
 * waits, so that a disconnect is noticed at once. Bytes that arrive early are
 * delivered later, in order.
 *
 * @module
 */

import type { Conn } from "../base/conn.ts";
import { WrappedConn } from "../base/wrapped_conn.ts";

// An end that has joined waits for the other side to speak, so few bytes come
// early.
const AHEAD_BYTES = 512;

/** Wraps a conn that nobody else reads from. Closing closes it. */
export class HeldConn extends WrappedConn {
  /** Bytes read ahead; `null` when they have been delivered. */
  #ahead: Promise<Uint8Array | null> | null;
  /** Resolves if the peer ends without having sent anything. */
  readonly left: Promise<void>;

  /** Starts to read. */
  constructor(inner: Conn) {
    super(inner);
    const ahead = readAhead(inner);
    this.#ahead = ahead;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.left = promise;
    ahead.then((bytes) => bytes === null && resolve(), () => resolve());
  }

  override async read(buffer: Uint8Array): Promise<number | null> {
    if (this.#ahead === null) return await super.read(buffer);
    const bytes = await this.#ahead;
    if (bytes === null) return null;
    const count = Math.min(bytes.length, buffer.length);
    buffer.set(bytes.subarray(0, count));
    const rest = bytes.subarray(count);
    this.#ahead = rest.length === 0 ? null : Promise.resolve(rest);
    return count;
  }
}

async function readAhead(conn: Conn): Promise<Uint8Array | null> {
  const buffer = new Uint8Array(AHEAD_BYTES);
  const count = await conn.read(buffer);
  return count === null ? null : buffer.subarray(0, count);
}
