/**
 * Sends frames on a conn: one writer at a time, in a bounded queue. Frames
 * queued during a write are sent together in the next one. Each write has a
 * deadline, and a slow peer gets smaller parts.
 *
 * @module
 */

import { joinBytes } from "../base/bytes.ts";
import type { Conn } from "../base/conn.ts";
import type { Limits } from "../base/limits.ts";
import type { ConnDeadlines } from "./deadline.ts";

/** Options of {@linkcode FrameSender}. */
export interface FrameSenderOptions {
  readonly limits: Limits;
  /** The deadlines of the conn. */
  readonly watch: ConnDeadlines;
  /** If no write completes within this time, the peer counts as not reading. */
  readonly stallMs: number;
  /** Makes the error for a peer that reads too slowly or not at all. */
  readonly slow: (what: string) => Error;
}

/** Writes the frames of one channel. Does not close the conn. */
export class FrameSender {
  readonly #conn: Pick<Conn, "write">;
  readonly #options: FrameSenderOptions;
  readonly #queue: QueuedFrames[] = [];
  #queuedBytes = 0;
  #writing: Promise<void> | null = null;
  #partBytes = FIRST_PART_BYTES;

  constructor(conn: Pick<Conn, "write">, options: FrameSenderOptions) {
    this.#conn = conn;
    this.#options = options;
  }

  /** Queues frames. Resolves when the conn has taken them. */
  send(frames: readonly Uint8Array[]): Promise<void> {
    const { limits, watch, slow } = this.#options;
    const bytes = joined(frames);
    if (
      this.#queue.length + frames.length > limits.sendQueueFrameCount ||
      this.#queuedBytes + bytes.length > limits.sendQueueBytes
    ) {
      const error = slow("reads too slowly");
      watch.end(error);
      return Promise.reject(error);
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#queue.push({ bytes, resolve, reject });
    this.#queuedBytes += bytes.length;
    if (this.#writing === null) this.#writing = this.#drain();
    return promise;
  }

  /** Writes frames without queueing them. */
  async sendBulk(frames: Uint8Array): Promise<void> {
    while (this.#writing !== null) await this.#writing;
    this.#writing = this.#write(frames).finally(() => {
      this.#writing = this.#queue.length > 0 ? this.#drain() : null;
    });
    await this.#writing;
  }

  /** Whether nothing is being written, and nothing is queued. */
  get isIdle(): boolean {
    return this.#writing === null;
  }

  /** Waits until nothing is being written, and nothing is queued. */
  async ended(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
  }

  /** Writes until the queue is empty. Never rejects. */
  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0);
      this.#queuedBytes = 0;
      try {
        await this.#write(joined(batch.map(({ bytes }) => bytes)));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#writing = null;
  }

  /** Writes all of `bytes`, each part under the stall deadline. */
  async #write(bytes: Uint8Array): Promise<void> {
    const { watch, stallMs, slow } = this.#options;
    for (let offset = 0; offset < bytes.length;) {
      const part = bytes.subarray(offset, offset + this.#partBytes);
      const startedAt = performance.now();
      using _stall = watch.expect(stallMs, () => slow("does not read"));
      try {
        for (let written = 0; written < part.length;) {
          const rest = written === 0 ? part : part.subarray(written);
          written += await this.#conn.write(rest);
        }
      } catch (error) {
        throw watch.reasonFor(error);
      }
      this.#adapt(part.length, performance.now() - startedAt);
      offset += part.length;
    }
  }

  /**
   * Chooses parts that take about a second, at least 4 KiB, and larger ones for
   * a quick peer. With small parts a slow peer does not count as stalled, also
   * one that was quick a moment ago.
   */
  #adapt(bytes: number, ms: number): void {
    if (ms >= ADAPT_FROM_MS) {
      this.#partBytes = Math.max(4096, Math.ceil(bytes / ms * 1000));
      return;
    }
    this.#partBytes = Math.min(2 * this.#partBytes, MOST_PART_BYTES);
  }
}

const FIRST_PART_BYTES = 128 * 1024;
// A peer that takes less than this within the stall time is stalled, not slow.
const MOST_PART_BYTES = 256 * 1024;
// A write that takes longer shows how fast the peer reads.
const ADAPT_FROM_MS = 1_000;

interface QueuedFrames {
  readonly bytes: Uint8Array;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Joins the parts. A single part is not copied. */
function joined(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? parts[0]! : joinBytes(parts);
}
