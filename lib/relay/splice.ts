/**
 * Joins two conns: passes bytes on in both directions until both sides have
 * ended. Does not look at the bytes.
 *
 * It reads only what it can pass on, so a side that does not read slows down
 * the other side and nobody else.
 *
 * @module
 */

import { type Conn, writeAll } from "../base/conn.ts";

/** Options of {@linkcode splice}. */
export interface SpliceOptions {
  /** The most bytes buffered in each direction. */
  readonly bufferBytes: number;
  /** Ends the splice after this time without a byte in either direction. */
  readonly idleMs: number;
  /** Called when bytes have moved. */
  readonly onMoved?: () => void;
  /** Ends the splice. */
  readonly signal?: AbortSignal;
}

/** The outcome of a splice. */
export interface SpliceOutcome {
  /**
   * `completed` if both sides ended in order, `abandoned` if one disconnected,
   * `expired` if no byte moved for too long, `failed` if the signal was
   * aborted.
   */
  readonly how: "completed" | "abandoned" | "expired" | "failed";
  /** Bytes sent to `b`. */
  readonly aToB: number;
  /** Bytes sent to `a`. */
  readonly bToA: number;
}

// Most tunnels carry many bytes in one direction and few in the other.
const FIRST_BUFFER_BYTES = 4 * 1024;
// An end that has ended and closed need not get the other's last bytes, the
// alert with which TLS ends.
const LAST_WORDS_BYTES = 64;
// How often a splice checks for progress within its idle time.
const QUIET_PARTS = 4;

/** Runs until the splice ends, and closes both conns. Never rejects. */
export async function splice(
  a: Conn,
  b: Conn,
  options: SpliceOptions,
): Promise<SpliceOutcome> {
  const mostBytes = options.bufferBytes;
  const { onMoved = () => {} } = options;
  const there: Flow = new Flow([a, b], {
    ...{ mostBytes, onMoved },
    isDeaf: () => back.hasEnded,
  });
  const back: Flow = new Flow([b, a], {
    ...{ mostBytes, onMoved },
    isDeaf: () => there.hasEnded,
  });
  let how: SpliceOutcome["how"] = "completed";
  const end = (word: SpliceOutcome["how"]) => {
    if (how === "completed") how = word;
    a.close();
    b.close();
  };
  let movedBefore = 0;
  let quietParts = 0;
  const timer = setInterval(() => {
    const moved = there.movedBytes + back.movedBytes;
    quietParts = moved === movedBefore ? quietParts + 1 : 0;
    movedBefore = moved;
    if (quietParts >= QUIET_PARTS) end("expired");
  }, options.idleMs / QUIET_PARTS);
  const onAbort = () => end("failed");
  options.signal?.addEventListener("abort", onAbort);
  if (options.signal?.aborted) onAbort();
  const abandon = () => end("abandoned");
  try {
    await Promise.all([there.run().catch(abandon), back.run().catch(abandon)]);
  } finally {
    clearInterval(timer);
    options.signal?.removeEventListener("abort", onAbort);
    a.close();
    b.close();
  }
  return { how, aToB: there.movedBytes, bToA: back.movedBytes };
}

/** One direction. */
class Flow {
  readonly #from: Conn;
  readonly #to: Conn;
  readonly #mostBytes: number;
  readonly #isDeaf: () => boolean;
  readonly #onMoved: () => void;
  /** Bytes passed on so far. */
  movedBytes = 0;
  /** Whether `from` has ended its stream. */
  hasEnded = false;

  /** `isDeaf`: whether `to` has ended, and may have disconnected. */
  constructor(
    [from, to]: [Conn, Conn],
    { mostBytes, isDeaf, onMoved }: {
      mostBytes: number;
      isDeaf: () => boolean;
      onMoved: () => void;
    },
  ) {
    this.#from = from;
    this.#to = to;
    this.#mostBytes = mostBytes;
    this.#isDeaf = isDeaf;
    this.#onMoved = onMoved;
  }

  async run(): Promise<void> {
    let buffer = new Uint8Array(Math.min(FIRST_BUFFER_BYTES, this.#mostBytes));
    for (;;) {
      const count = await this.#from.read(buffer);
      if (count === null) break;
      try {
        await writeAll(this.#to, buffer.subarray(0, count));
      } catch (error) {
        if (this.#isDeaf() && count <= LAST_WORDS_BYTES) return;
        throw error;
      }
      this.movedBytes += count;
      this.#onMoved();
      // A read that fills the buffer means that more bytes wait.
      if (count === buffer.length && count < this.#mostBytes) {
        buffer = new Uint8Array(Math.min(4 * count, this.#mostBytes));
      }
    }
    this.hasEnded = true;
    await this.#to.closeWrite().catch((error) => {
      if (!this.#isDeaf()) throw error;
    });
  }
}
