/**
 * Joins two conns: what one sends the other gets, in both directions, until
 * both have said that nothing follows. Looks at none of it.
 *
 * Nothing is read that has not been passed on: a side that does not read holds
 * back the other, and nobody else.
 *
 * @module
 */

import { type Conn, writeAll } from "../base/conn.ts";

/** Options of {@linkcode splice}. */
export interface SpliceOptions {
  /** Bytes that are held in each direction at most. */
  readonly bufferBytes: number;
  /** Ends when no byte has moved for so long, in either direction. */
  readonly idleMs: number;
  /** Ends it. */
  readonly signal?: AbortSignal;
}

/** What a splice came to. */
export interface SpliceOutcome {
  /**
   * `completed` where both sides ended in order, `abandoned` where one broke
   * off, `expired` where nothing moved for too long, `failed` where the signal
   * was aborted.
   */
  readonly how: "completed" | "abandoned" | "expired" | "failed";
  /** Bytes that `b` was sent. */
  readonly aToB: number;
  /** Bytes that `a` was sent. */
  readonly bToA: number;
}

// Most tunnels carry much in one direction and little in the other.
const FIRST_BUFFER_BYTES = 4 * 1024;
// An end that has parted and closed need not hear the other's parting words,
// the alert with which TLS ends.
const LAST_WORDS_BYTES = 64;
// Looks so often in the time of an idle splice.
const QUIET_PARTS = 4;

/** Runs until it has ended; closes both conns. Never rejects. */
export async function splice(
  a: Conn,
  b: Conn,
  options: SpliceOptions,
): Promise<SpliceOutcome> {
  const mostBytes = options.bufferBytes;
  const there: Flow = new Flow([a, b], {
    mostBytes,
    isDeaf: () => back.hasEnded,
  });
  const back: Flow = new Flow([b, a], {
    mostBytes,
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
  /** Bytes that have been passed on. */
  movedBytes = 0;
  /** Whether `from` has said that nothing follows. */
  hasEnded = false;

  /** `isDeaf` tells whether `to` has ended, and may be gone altogether. */
  constructor(
    [from, to]: [Conn, Conn],
    { mostBytes, isDeaf }: { mostBytes: number; isDeaf: () => boolean },
  ) {
    this.#from = from;
    this.#to = to;
    this.#mostBytes = mostBytes;
    this.#isDeaf = isDeaf;
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
      // A read that fills it says that more is waiting.
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
