/**
 * Receives the small files of one request. Their bytes fill one slab, one file
 * after the other. When the node's hash of a file arrives, the file's receiver
 * gets its part of the slab.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { ProtocolError } from "../base/errors.ts";
import { HASH_BYTES } from "../base/hash.ts";
import type { RateLimit } from "../base/rate.ts";
import type { Refused } from "./answers.ts";
import type { TaskReceiver } from "./receiving.ts";
import type { NodeSlabs } from "./slabs.ts";

/** A file of a batch. */
export interface BatchFile {
  readonly bytes: number;
  /** Checks the bytes of the file, and keeps them. */
  readonly receiver: TaskReceiver;
}

/** Options of {@linkcode BatchReceiver}. */
export interface BatchOptions {
  /** Provides the slab. */
  readonly slabs: NodeSlabs;
  /** Limits the receiving rate. */
  readonly rate: RateLimit | undefined;
  /** Ends waiting for the rate. */
  readonly signal: AbortSignal;
  /** Called for bytes as they arrive. */
  readonly onBytes: (count: number) => void;
}

/** Why a node does not send a file. */
export type Skipped = Pick<Refused, "code" | "text">;

/** Receives the files of one request. {@linkcode end} gives the slab back. */
export class BatchReceiver {
  readonly #files: readonly BatchFile[];
  readonly #options: BatchOptions;
  readonly #bytes: number;
  /** Files that the node does not send, by their place in the request. */
  readonly skipped = new Map<number, Skipped>();
  receivedBytes = 0;
  #slab: Uint8Array | undefined;
  #ended = false;
  /** Files that the node has sent or skipped, and where the next begins. */
  #answered = 0;
  #position = 0;
  /** Files whose receivers share the slab. */
  #given = 0;

  /** Receives `files` in the order of the request. */
  constructor(files: readonly BatchFile[], options: BatchOptions) {
    this.#files = files;
    this.#options = options;
    this.#bytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  get count(): number {
    return this.#files.length;
  }

  /** Room for up to `length` of the next bytes; waits for a slab and the rate. */
  async target(length: number): Promise<Uint8Array> {
    const { rate, signal } = this.#options;
    const room = this.#bytes - this.receivedBytes;
    if (room === 0) throw wrong("more bytes than were asked for");
    if (this.#slab === undefined) await this.#acquire();
    const most = Math.min(length, room, rate?.stepBytes ?? Infinity);
    const waitMs = rate?.reserve(most, performance.now()) ?? 0;
    if (waitMs > 0) await delay(waitMs, { signal });
    if (this.#slab === undefined) throw ended();
    return this.#slab.subarray(this.receivedBytes, this.receivedBytes + most);
  }

  /** Waits for a slab; returns it if the batch has ended by then. */
  async #acquire(): Promise<void> {
    const slab = await this.#options.slabs.acquire(this.#bytes);
    if (!this.#ended) {
      this.#slab = slab;
      return;
    }
    this.#options.slabs.release(slab);
    throw ended();
  }

  /** Counts `length` bytes that the caller has read into the target. */
  filled(length: number): void {
    this.receivedBytes += length;
    this.#options.onBytes(length);
  }

  /** Delivers the next complete files, with the node's hashes of them. */
  vouch(hashes: Uint8Array): void {
    for (let at = 0; at < hashes.length; at += HASH_BYTES) {
      const file = this.#files[this.#answered++];
      if (file === undefined) throw wrong("more files than were asked for");
      const end = this.#position + file.bytes;
      if (end > this.receivedBytes || this.#slab === undefined) {
        throw wrong("a hash for bytes that did not arrive");
      }
      const hash = hashes.subarray(at, at + HASH_BYTES);
      file.receiver.receive(this.#slab.subarray(this.#position, end), hash);
      this.#given++;
      this.#position = end;
    }
    if (this.#position < this.receivedBytes) {
      throw wrong("bytes that belong to no file");
    }
  }

  /** Records that the node does not send the next file. */
  skip(why: Skipped): void {
    if (this.#answered === this.count) {
      throw wrong("more files than were asked for");
    }
    this.skipped.set(this.#answered++, why);
  }

  /** Files that the node has not answered yet. */
  get left(): number {
    return this.count - this.#answered;
  }

  /** Ends receiving; the slab stays with the receivers of complete files. */
  end(): void {
    const slab = this.#slab;
    this.#slab = undefined;
    this.#ended = true;
    if (slab !== undefined) this.#options.slabs.divide(slab, this.#given);
  }
}

function ended(): Error {
  return new Error("the request has ended");
}

function wrong(what: string): ProtocolError {
  return new ProtocolError("corrupt_piece", `it sent ${what}`);
}
