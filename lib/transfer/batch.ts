/**
 * Receives the small files of one request. Their bytes fill one slab, one file
 * after the other. When the node's hash of a file arrives, the file's receiver
 * gets its part of the slab.
 *
 * @module
 */

import { ProtocolError } from "../base/errors.ts";
import { HASH_BYTES } from "../base/hash.ts";
import type { Refused } from "./answers.ts";
import type { TaskReceiver } from "./receiving.ts";
import { RequestSlab, type RequestSlabOptions } from "./request_slab.ts";
import type { NodeSlabs } from "./slabs.ts";

/** A file of a batch. */
export interface BatchFile {
  readonly bytes: number;
  /** Checks the bytes of the file, and keeps them. */
  readonly receiver: TaskReceiver;
}

/** Why a node does not send a file. */
export type FileRefusal = Pick<Refused, "code" | "text">;

/** Receives the files of one request. {@linkcode end} gives the slab back. */
export class BatchReceiver {
  readonly #files: readonly BatchFile[];
  readonly #slabs: NodeSlabs;
  readonly #slab: RequestSlab;
  /** Files that the node does not send, by their place in the request. */
  readonly skipped = new Map<number, FileRefusal>();
  /** Files that the node has sent or skipped, and where the next begins. */
  #answered = 0;
  #position = 0;
  /** Files whose receivers share the slab. */
  #given = 0;

  /** Receives `files` in the order of the request. */
  constructor(files: readonly BatchFile[], options: RequestSlabOptions) {
    this.#files = files;
    this.#slabs = options.slabs;
    const bytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#slab = new RequestSlab(bytes, options);
  }

  get count(): number {
    return this.#files.length;
  }

  get receivedBytes(): number {
    return this.#slab.receivedBytes;
  }

  /** Room for up to `length` of the next bytes; waits for a slab and the rate. */
  async target(length: number): Promise<Uint8Array> {
    if (this.#slab.room === 0) throw wrong("more bytes than were asked for");
    return await this.#slab.target(length);
  }

  /** Counts `length` bytes that the caller has read into the target. */
  filled(length: number): void {
    this.#slab.filled(length);
  }

  /** Delivers the next complete files, with the node's hashes of them. */
  vouch(hashes: Uint8Array): void {
    const { slab, receivedBytes } = this.#slab;
    for (let at = 0; at < hashes.length; at += HASH_BYTES) {
      const file = this.#files[this.#answered++];
      if (file === undefined) throw wrong("more files than were asked for");
      const end = this.#position + file.bytes;
      if (end > receivedBytes || slab === undefined) {
        throw wrong("a hash for bytes that did not arrive");
      }
      const hash = hashes.subarray(at, at + HASH_BYTES);
      file.receiver.receive(slab.subarray(this.#position, end), hash);
      this.#given++;
      this.#position = end;
    }
    if (this.#position < receivedBytes) {
      throw wrong("bytes that belong to no file");
    }
  }

  /** Records that the node does not send the next file. */
  skip(why: FileRefusal): void {
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
    const slab = this.#slab.end();
    if (slab !== undefined) this.#slabs.divide(slab, this.#given);
  }
}

function wrong(what: string): ProtocolError {
  return new ProtocolError("corrupt_piece", `it sent ${what}`);
}
