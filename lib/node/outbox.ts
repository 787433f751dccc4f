/**
 * Joins answers to one peer into a few large writes. File bytes are read
 * directly into the buffer from which they are written.
 *
 * @module
 */

import type { Channel } from "../protocol/channel.ts";
import { DATA_HEADER_BYTES, writeDataHeader } from "../protocol/bulk.ts";
import { encodeMessage, type Message } from "../protocol/messages.ts";

// Room for the hashes of what is in a buffer, so that they need no other one.
const SLACK_BYTES = 4 * 1024;
// While no write is in flight, this many bytes are worth a write.
const EAGER_BYTES = 64 * 1024;

// One buffer that is filled, and one that is being written.
const BUFFERS_PER_PEER = 2;
const MOST_WRITE_BYTES = 1024 * 1024;
const LEAST_WRITE_BYTES = 64 * 1024;
// Writes begin small, and double while the peer takes each in this time. They
// shrink again after one that takes longer than SLOW_WRITE_MS. So a peer that reads slowly
// holds small buffers.
const QUICK_WRITE_MS = 250;
const SLOW_WRITE_MS = 1_000;

/**
 * File bytes in one write to each of `peerCount` peers that share `bytes` of
 * buffers. A power of two, so that buffers are of few sizes.
 */
export function writeBytes(bytes: number, peerCount: number): number {
  const share = bytes / (BUFFERS_PER_PEER * Math.max(1, peerCount));
  let most = MOST_WRITE_BYTES;
  while (most > LEAST_WRITE_BYTES && most + SLACK_BYTES > share) most /= 2;
  return most;
}

/**
 * Buffers to send from, bounded in bytes and reused: discarded buffers wait
 * for the garbage collector, and take more memory in total.
 */
export class BufferPool {
  readonly #mostBytes: number;
  readonly #idle: Uint8Array<ArrayBuffer>[] = [];
  #idleBytes = 0;
  #lentBytes = 0;

  /** Keeps buffers of up to `mostBytes`, including lent ones. */
  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** Bytes of all buffers, lent or not. */
  get bytes(): number {
    return this.#lentBytes + this.#idleBytes;
  }

  /** A buffer of at least `bytes`, though not of more than twice that. */
  take(bytes: number): Uint8Array<ArrayBuffer> {
    const index = this.#idle.findIndex(({ length }) =>
      length >= bytes && length <= 2 * bytes
    );
    if (index >= 0) {
      const [buffer] = this.#idle.splice(index, 1);
      this.#idleBytes -= buffer!.length;
      this.#lentBytes += buffer!.length;
      return buffer!;
    }
    this.#lentBytes += bytes;
    this.#shrink();
    return new Uint8Array(bytes);
  }

  /** Gives a buffer back. */
  give(buffer: Uint8Array<ArrayBuffer>): void {
    this.forget(buffer);
    this.#idle.push(buffer);
    this.#idleBytes += buffer.length;
    this.#shrink();
  }

  /** Notes that a buffer will not be given back. */
  forget(buffer: Uint8Array<ArrayBuffer>): void {
    this.#lentBytes -= buffer.length;
  }

  /**
   * Drops idle buffers, the oldest first, until the rest is within the limit.
   */
  #shrink(): void {
    while (this.bytes > this.#mostBytes && this.#idle.length > 0) {
      this.#idleBytes -= this.#idle.shift()!.length;
    }
  }
}

/** Options of {@linkcode Outbox}. */
export interface OutboxOptions {
  /**
   * Called when the peer is about to be sent a buffer, with the bytes that it
   * holds in memory until it has taken it. Then the result is disposed of.
   */
  readonly sending?: (bytes: number) => Disposable;
}

/**
 * Joins frames that are sent over a channel. No other code may send at the
 * same time. Holds a buffer from the first append until {@linkcode rest}.
 */
export class Outbox implements Disposable {
  readonly #channel: Channel;
  readonly #capacity: () => number;
  readonly #pool: BufferPool;
  readonly #sends: OutboxOptions["sending"];
  #buffer: Uint8Array<ArrayBuffer> | null = null;
  #used = 0;
  /** File bytes in one write that the peer is quick enough for. */
  #quickBytes = LEAST_WRITE_BYTES;
  #sending: Promise<void> = Promise.resolve();
  #isSending = false;

  /**
   * Sends over `channel`, up to `capacity` file bytes in one write; it is
   * computed again for each buffer, because memory is shared with other peers.
   * Buffers come from `pool`.
   */
  constructor(
    channel: Channel,
    capacity: () => number,
    pool: BufferPool,
    { sending }: OutboxOptions = {},
  ) {
    this.#channel = channel;
    this.#capacity = capacity;
    this.#pool = pool;
    this.#sends = sending;
  }

  /** Bytes that wait for a flush. */
  get pendingBytes(): number {
    return this.#used;
  }

  /** File bytes that can be appended at once now. */
  get mostBytes(): number {
    return Math.min(this.#capacity(), this.#quickBytes);
  }

  /** Appends a message; flushes first when there is no room. */
  async message(message: Message): Promise<void> {
    const frame = encodeMessage(message);
    const space = await this.#space(frame.length);
    space.set(frame);
    this.#used += frame.length;
  }

  /**
   * Appends up to `most` file bytes that `fill` reads into place.
   *
   * @returns how many there were; 0 at the end of the file.
   */
  async data(
    request: number,
    most: number,
    fill: (target: Uint8Array<ArrayBuffer>) => Promise<number> | number,
  ): Promise<number> {
    const bytes = Math.min(most, this.mostBytes);
    const space = await this.#space(DATA_HEADER_BYTES + bytes);
    const length = await fill(
      space.subarray(DATA_HEADER_BYTES, DATA_HEADER_BYTES + bytes),
    );
    if (length > 0) {
      writeDataHeader(space, 0, { request, length });
      this.#used += DATA_HEADER_BYTES + length;
    }
    const enough = this.#isSending ? this.mostBytes : EAGER_BYTES;
    if (this.#used >= enough) await this.#handOver();
    return length;
  }

  /** Sends everything that is buffered. */
  async flush(): Promise<void> {
    await this.#handOver();
    await this.#sending;
  }

  /** Frees the buffer if nothing is being sent. */
  rest(): void {
    if (this.#used > 0 || this.#buffer === null) return;
    this.#pool.give(this.#buffer);
    this.#buffer = null;
  }

  /** Drops what was not sent. */
  [Symbol.dispose](): void {
    this.#used = 0;
    this.rest();
  }

  /**
   * Starts to send the full buffer, so that the next can be filled at the same
   * time. Waits for the previous one first: a peer can hold at most two
   * buffers.
   */
  async #handOver(): Promise<void> {
    await this.#sending;
    const buffer = this.#buffer;
    if (buffer === null || this.#used === 0) return;
    const frames = buffer.subarray(0, this.#used);
    this.#buffer = null;
    this.#used = 0;
    this.#isSending = true;
    this.#sending = this.#send(frames, buffer);
    this.#sending.catch(ignore); // thrown at the next send
  }

  async #send(
    frames: Uint8Array,
    buffer: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    let isHandedOver = false;
    const startedAt = performance.now();
    using _held = this.#sends?.(BUFFERS_PER_PEER * buffer.length);
    try {
      await this.#channel.sendBulk(frames);
      isHandedOver = true;
      this.#adapt(frames.length, performance.now() - startedAt);
    } finally {
      this.#isSending = false;
      // A conn that failed may still use the buffer.
      if (isHandedOver) this.#pool.give(buffer);
      else this.#pool.forget(buffer);
    }
  }

  /** Chooses the bytes of the next writes after one that took `ms`. */
  #adapt(bytes: number, ms: number): void {
    if (ms > SLOW_WRITE_MS) {
      this.#quickBytes = Math.max(LEAST_WRITE_BYTES, this.#quickBytes / 2);
    } else if (ms <= QUICK_WRITE_MS && bytes >= this.#quickBytes) {
      this.#quickBytes = Math.min(MOST_WRITE_BYTES, 2 * this.#quickBytes);
    }
  }

  /** Free space of at least `bytes`. */
  async #space(bytes: number): Promise<Uint8Array<ArrayBuffer>> {
    const length = this.#buffer?.length ?? 0;
    if (this.#used > 0 && this.#used + bytes > length) await this.#handOver();
    if (this.#buffer === null || this.#used + bytes > this.#buffer.length) {
      const wanted = this.mostBytes + SLACK_BYTES;
      if (this.#buffer !== null) this.#pool.give(this.#buffer);
      this.#buffer = this.#pool.take(Math.max(wanted, bytes));
    }
    return this.#buffer.subarray(this.#used);
  }
}

function ignore(): void {}
