/**
 * SHA-256 beside the event loop: a worker hashes large buffers while the next
 * ones arrive. The worker is made from its own text, so it needs no permission
 * to load, and only when there is enough to hash.
 *
 * @module
 */

import { sha256 } from "../base/hash.ts";

/** Bytes with the hashes of their parts. */
export interface Hashed {
  /** The bytes that were given, in a buffer that may be another object now. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** SHA-256 of each part, in order. */
  readonly hashes: readonly Uint8Array[];
}

/** Hashes buffers in parts. */
export interface Hasher extends Disposable {
  /**
   * Hashes `bytes` in parts of `partBytes`. Takes the buffer over until it
   * resolves.
   */
  hash(bytes: Uint8Array<ArrayBuffer>, partBytes: number): Promise<Hashed>;
}

// The worker's code. It gives each buffer back with its hashes.
const WORKER = `
  import { createHash } from "node:crypto";
  self.onmessage = ({ data: { id, bytes, partBytes } }) => {
    const hashes = [];
    for (let at = 0; at < bytes.length; at += partBytes) {
      const part = bytes.subarray(at, at + partBytes);
      hashes.push(new Uint8Array(createHash("sha256").update(part).digest()));
    }
    self.postMessage({ id, bytes, hashes }, [bytes.buffer]);
  };
`;

interface HashReply extends Hashed {
  readonly id: number;
}

/** Up to so many bytes are hashed on the spot: quicker than telling another to. */
export const HASHED_AT_ONCE_BYTES = 128 * 1024;

/** Hashes on the spot. For what is small, and for where there is no worker. */
export class PlainHasher implements Hasher {
  hash(bytes: Uint8Array<ArrayBuffer>, partBytes: number): Promise<Hashed> {
    return Promise.resolve({ bytes, hashes: hashParts(bytes, partBytes) });
  }

  [Symbol.dispose](): void {}
}

/** SHA-256 of each part of `bytes`. */
export function hashParts(bytes: Uint8Array, partBytes: number): Uint8Array[] {
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += partBytes) {
    hashes.push(sha256(bytes.subarray(at, at + partBytes)));
  }
  return hashes;
}

/** Hashes in a worker. Disposing ends it; what it was doing rejects. */
export class WorkerHasher implements Hasher {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, PromiseWithResolvers<Hashed>>();
  #nextId = 0;
  #ended: Error | null = null;

  /** Starts the worker, some 40 ms during which calls wait. */
  constructor() {
    const url = `data:application/javascript,${encodeURIComponent(WORKER)}`;
    this.#worker = new Worker(url, { type: "module", name: "hash" });
    this.#worker.onmessage = ({ data }: MessageEvent<HashReply>) => {
      this.#waiting.get(data.id)?.resolve(data);
      this.#waiting.delete(data.id);
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#end(new Error(event.message));
    };
  }

  hash(bytes: Uint8Array<ArrayBuffer>, partBytes: number): Promise<Hashed> {
    const waiting = Promise.withResolvers<Hashed>();
    if (this.#ended !== null) {
      waiting.reject(this.#ended);
      return waiting.promise;
    }
    const id = this.#nextId++;
    this.#waiting.set(id, waiting);
    this.#worker.postMessage({ id, bytes, partBytes }, [bytes.buffer]);
    return waiting.promise;
  }

  #end(reason: Error): void {
    this.#ended ??= reason;
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
    this.#end(new Error("the hasher was disposed of"));
  }
}
