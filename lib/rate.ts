/**
 * A rate that many share: each asks before it sends, and is told how long to
 * wait. Pure: time is an argument. Whoever asks in turn gets an equal part.
 *
 * @module
 */

// What may be sent at once after a pause, in milliseconds of the rate.
const BURST_MS = 50;

/** Holds what is sent to so many bytes a second. */
export class RateLimit {
  /** The rate. */
  readonly bytesPerSecond: number;
  #freeAt = -Infinity;

  /**
   * @throws {RangeError} unless the rate is above zero.
   */
  constructor(bytesPerSecond: number) {
    if (!(bytesPerSecond > 0)) {
      throw new RangeError(
        `Cannot limit a rate: it must be above 0, found ${bytesPerSecond}`,
      );
    }
    this.bytesPerSecond = bytesPerSecond;
  }

  /** Reserves `bytes`; returns the milliseconds to wait before sending them. */
  reserve(bytes: number, now: number): number {
    const from = Math.max(this.#freeAt, now - BURST_MS);
    this.#freeAt = from + bytes / this.bytesPerSecond * 1000;
    return Math.max(0, from - now);
  }

  /** Bytes to send at once, so that slow rates still move several times a second. */
  get stepBytes(): number {
    return Math.max(4096, Math.ceil(this.bytesPerSecond / 8));
  }
}

/**
 * Parses a rate such as `500K`, `20M` or `1.5G`; K, M and G are powers of 1000.
 *
 * @returns bytes a second, or `undefined` when it is none above zero.
 */
export function parseRate(text: string): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)([KMG]?)B?$/i.exec(text);
  if (match === null) return undefined;
  const [, number = "", unit = ""] = match;
  const factor = { "": 1, K: 1e3, M: 1e6, G: 1e9 }[unit.toUpperCase()] ?? 1;
  const rate = Number(number) * factor;
  return rate > 0 && Number.isFinite(rate) ? rate : undefined;
}
