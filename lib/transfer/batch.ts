/**
 * Small files that one request asks for: their bytes come one after the other
 * into one slab, and each file gets its part when the node has vouched for it.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { ProtocolError } from "../base/errors.ts";
import { HASH_BYTES } from "../base/hash.ts";
import type { RateLimit } from "../base/rate.ts";
import type { Refused } from "./answers.ts";
import type { TaskReceiver } from "./receiving.ts";
import type { SlabPool } from "./slabs.ts";

/** A file of a batch. */
export interface BatchFile {
  /** Its size. */
  readonly bytes: number;
  /** Takes it. */
  readonly receiver: TaskReceiver;
}

/** Options of {@linkcode BatchReceiver}. */
export interface BatchOptions {
  /** Where room comes from. */
  readonly slabs: SlabPool;
  /** Holds receiving to a rate. */
  readonly rate: RateLimit | undefined;
  /** Ends waiting for it. */
  readonly signal: AbortSignal;
  /** Hears of bytes as they come. */
  readonly onBytes: (count: number) => void;
}

/** Why a node leaves a file out of its answer. */
export type Skipped = Pick<Refused, "code" | "text">;

/** Receives the files of one request. {@linkcode end} gives the slab back. */
export class BatchReceiver {
  readonly #files: readonly BatchFile[];
  readonly #options: BatchOptions;
  readonly #bytes: number;
  /** Files that the node does not send, by their place in the request. */
  readonly skipped = new Map<number, Skipped>();
  /** Bytes that have come. */
  receivedBytes = 0;
  #slab: Uint8Array | undefined;
  #ended = false;
  /** Files that have been answered, and where the next begins in the slab. */
  #answered = 0;
  #position = 0;
  /** Files that have got their part of the slab. */
  #given = 0;

  /** Nothing has come yet. */
  constructor(files: readonly BatchFile[], options: BatchOptions) {
    this.#files = files;
    this.#options = options;
    this.#bytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Number of files. */
  get count(): number {
    return this.#files.length;
  }

  /** Where the next `length` bytes belong; waits for room. */
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

  /** Waits for a slab; gives it back if the batch has ended meanwhile. */
  async #acquire(): Promise<void> {
    const slab = await this.#options.slabs.acquire(this.#bytes);
    if (!this.#ended) {
      this.#slab = slab;
      return;
    }
    this.#options.slabs.release(slab);
    throw ended();
  }

  /** `length` bytes have been read into the target. */
  filled(length: number): void {
    this.receivedBytes += length;
    this.#options.onBytes(length);
  }

  /** The next files are whole; their hashes, as the node gave them. */
  vouch(hashes: Uint8Array): void {
    for (let at = 0; at < hashes.length; at += HASH_BYTES) {
      const file = this.#files[this.#answered++];
      if (file === undefined) throw wrong("more files than were asked for");
      const end = this.#position + file.bytes;
      if (end > this.receivedBytes || this.#slab === undefined) {
        throw wrong("a hash for bytes that did not come");
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

  /** The node does not send the next file. */
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

  /** Nothing more is received: the files that are whole share the slab. */
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
