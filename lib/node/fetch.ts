/**
 * The parts of `fetches.ts`: one fetch of one file by one client, files that
 * are reported together, and how often an event may be reported. Pure.
 *
 * @module
 */

import type { ShareFile } from "../share/shared_file.ts";
import { pieceBytesOf, pieceCountOf } from "../content/manifest.ts";

// What the last look adds to the rate.
const NEWEST = 0.15;

/** A count of bytes that is looked at now and then. */
class Moving {
  /** Bytes so far. */
  bytes = 0;
  readonly startedAt: number;
  /** When the last bytes were seen. */
  movedAt: number;
  #seen = 0;
  #lookedAt: number;
  #rate: number | undefined;

  constructor(now: number) {
    this.startedAt = now;
    this.movedAt = now;
    this.#lookedAt = now;
  }

  /** Notices what has moved since the last look. */
  check(now: number): void {
    const bytes = this.bytes - this.#seen;
    const seconds = (now - this.#lookedAt) / 1_000;
    if (bytes > 0) this.movedAt = now;
    if (seconds <= 0) return;
    const rate = Math.max(0, bytes) / seconds;
    this.#rate = this.#rate === undefined
      ? rate
      : this.#rate + NEWEST * (rate - this.#rate);
    this.#seen = this.bytes;
    this.#lookedAt = now;
  }

  /** Bytes a second, over the last looks. */
  get bytesPerSecond(): number {
    return Math.round(this.#rate ?? 0);
  }

  /** Milliseconds in which something moved. */
  get ms(): number {
    return Math.round(this.movedAt - this.startedAt);
  }
}

/** Files that are reported together. */
export class Gathered extends Moving {
  files = 0;
  /** The one that was sent last. */
  name = "";
}

/** A limit for events: a burst, and then one per interval. */
export class Budget {
  readonly #most: number;
  readonly #refillMs: number;
  #left: number;
  #at: number | undefined;

  constructor(most: number, refillMs: number) {
    this.#most = most;
    this.#refillMs = refillMs;
    this.#left = most;
  }

  /** Whether one more may happen now. */
  take(now: number): boolean {
    this.#at ??= now;
    const refilled = Math.floor((now - this.#at) / this.#refillMs);
    this.#left = Math.min(this.#most, this.#left + refilled);
    this.#at += refilled * this.#refillMs;
    if (this.#left === 0) return false;
    this.#left--;
    return true;
  }
}

/**
 * A fetch of a file that is reported by itself: each of its pieces was sent
 * once. Pieces that were sent a second time belong to `again`, the fetch of
 * another client at the same address.
 */
export class Fetch extends Moving {
  readonly file: ShareFile;
  /** Whether its start has been reported. */
  isReported = false;
  /** Whether it counts among those that may be reported. */
  isBudgeted = false;
  /** Whether it has ended, and the next request begins another. */
  isEnded = false;
  /** Requests that are being answered, for it and those after it. */
  requestCount = 0;
  /** Those of `bytes` that are in pieces that are not completely sent yet. */
  movingBytes = 0;
  /** The next fetch: of pieces that were sent again. */
  again: Fetch | null = null;
  /** One bit a piece. */
  readonly #sent: Uint8Array;
  /** Pieces that were not sent yet. */
  #left: number;

  constructor(file: ShareFile, now: number) {
    super(now);
    this.file = file;
    this.#left = pieceCountOf(file.size);
    this.#sent = new Uint8Array(Math.ceil(this.#left / 8));
  }

  /** Whether every piece was sent. */
  get isWhole(): boolean {
    return this.#left === 0;
  }

  /** It, and the fetches of what was sent once more. */
  *all(): Generator<Fetch> {
    yield this;
    if (this.again !== null) yield* this.again.all();
  }

  /** Whether no piece is left but some of these. */
  lacksOnly(pieces: readonly number[]): boolean {
    const spared = pieces.filter((piece) => !this.has(piece));
    return spared.length === this.#left;
  }

  /** Whether a piece was sent. */
  has(piece: number): boolean {
    return (this.#sent[piece >> 3]! & (1 << (piece & 7))) !== 0;
  }

  /**
   * Counts sent bytes of an incomplete piece. When the piece is complete, `took`
   * counts it, and these bytes are subtracted.
   */
  move(bytes: number): void {
    this.movingBytes += bytes;
    this.bytes += bytes;
  }

  /** Notes a piece that was sent. */
  took(piece: number): void {
    const { size } = this.file;
    const start = piece * pieceBytesOf(size);
    this.bytes += Math.min(size - start, pieceBytesOf(size));
    if (this.has(piece)) return;
    this.#sent[piece >> 3]! |= 1 << (piece & 7);
    this.#left--;
  }
}
