import type { Conn } from "../../lib/base/conn.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { BufferPool } from "../../lib/node/outbox.ts";

export const KIB = 1024;

export function newPool(): BufferPool {
  return new BufferPool(LIMITS.sendBufferBytes);
}

/** `conn`, with the length of each write noted. */
export function recording(conn: Conn, writes: number[]): Conn {
  return {
    local: conn.local,
    remote: conn.remote,
    read: (buffer) => conn.read(buffer),
    write: (bytes) => {
      writes.push(bytes.length);
      return conn.write(bytes);
    },
    closeWrite: () => conn.closeWrite(),
    close: () => conn.close(),
    [Symbol.dispose]: () => conn.close(),
  };
}
