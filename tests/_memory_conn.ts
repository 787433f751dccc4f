/**
 * Two conns that are each other's peer, in memory. Behaves as TCP does where it
 * matters: bounded in between, half-close, reads of any size up to what is
 * there, `Interrupted` where a conn is closed under a pending call.
 */

import type { Conn, Endpoint } from "../lib/base/conn.ts";

/** Options of {@linkcode memoryPair}. */
export interface MemoryPairOptions {
  /** Most bytes a read or write moves at once. */
  sliceBytes?: () => number;
  /** Bytes on the way in one direction before writing waits. */
  capacityBytes?: number;
}

/** A pair of conns; what one writes the other reads. */
export function memoryPair(options: MemoryPairOptions = {}): [Conn, Conn] {
  const there = new Pipe(options);
  const back = new Pipe(options);
  return [
    new MemoryConn({ read: back, write: there, local: 1, remote: 2 }),
    new MemoryConn({ read: there, write: back, local: 2, remote: 1 }),
  ];
}

class Pipe {
  readonly #slice: () => number;
  readonly #capacity: number;
  #bytes = new Uint8Array();
  #ended = false;
  #broken = false;
  #waiting: (() => void)[] = [];

  constructor(options: MemoryPairOptions) {
    this.#slice = options.sliceBytes ?? (() => Infinity);
    this.#capacity = options.capacityBytes ?? 64 * 1024;
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    while (this.#bytes.length === 0) {
      if (this.#ended) return null;
      if (this.#broken) throw new Deno.errors.Interrupted("closed");
      await this.#change();
    }
    const count = Math.min(this.#bytes.length, buffer.length, this.#slice());
    buffer.set(this.#bytes.subarray(0, count));
    this.#bytes = this.#bytes.slice(count);
    this.#wake();
    return count;
  }

  async write(bytes: Uint8Array): Promise<number> {
    while (
      this.#bytes.length >= this.#capacity && !this.#broken && !this.#ended
    ) {
      await this.#change();
    }
    if (this.#broken || this.#ended) throw new Deno.errors.BrokenPipe("closed");
    const room = this.#capacity - this.#bytes.length;
    const part = bytes.subarray(0, Math.min(room, this.#slice()));
    const joined = new Uint8Array(this.#bytes.length + part.length);
    joined.set(this.#bytes);
    joined.set(part, this.#bytes.length);
    this.#bytes = joined;
    this.#wake();
    return part.length;
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  break(): void {
    this.#broken = true;
    this.#wake();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

class MemoryConn implements Conn {
  readonly #in: Pipe;
  readonly #out: Pipe;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  #closed = false;

  constructor(
    ends: { read: Pipe; write: Pipe; local: number; remote: number },
  ) {
    this.#in = ends.read;
    this.#out = ends.write;
    this.local = { host: "memory", port: ends.local };
    this.remote = { host: "memory", port: ends.remote };
  }

  read(buffer: Uint8Array): Promise<number | null> {
    if (this.#closed) {
      return Promise.reject(new Deno.errors.BadResource("closed"));
    }
    return this.#in.read(buffer);
  }

  write(bytes: Uint8Array): Promise<number> {
    if (this.#closed) {
      return Promise.reject(new Deno.errors.BadResource("closed"));
    }
    return this.#out.write(bytes);
  }

  closeWrite(): Promise<void> {
    this.#out.end();
    return Promise.resolve();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#out.end(); // the peer reads what is there, then the end
    this.#in.break(); // and can write no more
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
