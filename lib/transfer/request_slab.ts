/**
 * The slab into which the pieces of one request are received.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import type { RateLimit } from "../base/rate.ts";
import type { NodeSlabs } from "./slabs.ts";

/** Options of {@linkcode RequestSlab}. */
export interface RequestSlabOptions {
  /** Provides the slab. */
  readonly slabs: NodeSlabs;
  /** Limits the receiving rate. */
  readonly rate: RateLimit | undefined;
  /** Ends waiting for the rate. */
  readonly signal: AbortSignal;
  /** Called with the number of bytes as they arrive. */
  readonly onBytes: (count: number) => void;
}

/** Gets a slab when the first bytes arrive. The caller ends it once. */
export class RequestSlab {
  readonly #bytes: number;
  readonly #options: RequestSlabOptions;
  #slab: Uint8Array | undefined;
  #ended = false;
  receivedBytes = 0;

  /** Receives up to `bytes`. */
  constructor(bytes: number, options: RequestSlabOptions) {
    this.#bytes = bytes;
    this.#options = options;
  }

  /** The slab, from the first bytes until the end. */
  get slab(): Uint8Array | undefined {
    return this.#slab;
  }

  /** Bytes that are still to come. */
  get room(): number {
    return this.#bytes - this.receivedBytes;
  }

  /** Room for up to `length` of the next bytes; waits for a slab and the rate. */
  async target(length: number): Promise<Uint8Array> {
    const { rate, signal } = this.#options;
    if (this.#slab === undefined) await this.#acquire();
    const most = Math.min(length, this.room, rate?.stepBytes ?? Infinity);
    const waitMs = rate?.reserve(most, performance.now()) ?? 0;
    if (waitMs > 0) await delay(waitMs, { signal });
    if (this.#slab === undefined) throw ended();
    return this.#slab.subarray(this.receivedBytes, this.receivedBytes + most);
  }

  /** Waits for a slab; returns it if the request has ended by then. */
  async #acquire(): Promise<void> {
    const { slabs } = this.#options;
    const slab = await slabs.acquire(this.#bytes);
    if (!this.#ended) {
      this.#slab = slab;
      return;
    }
    slabs.release(slab);
    throw ended();
  }

  /** Counts `length` bytes that the caller has read into the target. */
  filled(length: number): void {
    this.receivedBytes += length;
    this.#options.onBytes(length);
  }

  /** Ends receiving. The caller gets the slab, if there is one, and releases it. */
  end(): Uint8Array | undefined {
    const slab = this.#slab;
    this.#slab = undefined;
    this.#ended = true;
    return slab;
  }
}

function ended(): Error {
  return new Error("the request has ended");
}
