/**
 * A rate that many users share. Each user reserves bytes before it continues,
 * and learns how long to wait. Users that reserve in turn get equal parts.
 * Pure: time is an argument.
 *
 * @module
 */

// What a pause allows at once afterwards, in milliseconds of the rate.
const BURST_MS = 50;
// The same once users had to wait: on a busy machine they wake late, and must
// make up for it to reach the rate.
const CATCH_UP_MS = 250;
const PURGE_EVERY = 1024;

/** Limits traffic to a number of bytes a second. */
export class RateLimit {
  readonly bytesPerSecond: number;
  #freeAt = -Infinity;
  #hasWaited = false;

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
    const from = this.#from(now);
    this.#freeAt = from + bytes / this.bytesPerSecond * 1000;
    return Math.max(0, from - now);
  }

  /** The milliseconds that a user who reserves now has to wait. */
  dueIn(now: number): number {
    return Math.max(0, this.#from(now) - now);
  }

  #from(now: number): number {
    const earliest = now - (this.#hasWaited ? CATCH_UP_MS : BURST_MS);
    const from = Math.max(this.#freeAt, earliest);
    this.#hasWaited ||= from > now;
    return from;
  }

  /**
   * Bytes to send at once: few enough that slow rates still move several times
   * a second.
   */
  get stepBytes(): number {
    return Math.max(4096, Math.ceil(this.bytesPerSecond / 8));
  }
}

/**
 * Limits the requests of each address group, with some allowed at once.
 * Requests beyond that wait, in order of arrival. Groups do not slow each other
 * down.
 */
export class AddressGroupRate {
  readonly #intervalMs: number;
  readonly #burstMs: number;
  /** When the next request of each group is due. */
  readonly #dueAt = new Map<string, number>();
  #untilPurge = PURGE_EVERY;

  /** Each group may make `burst` requests at once. */
  constructor(ratePerSecond: number, burst: number) {
    this.#intervalMs = 1000 / ratePerSecond;
    this.#burstMs = burst * this.#intervalMs;
  }

  /** Groups in memory: those that have recently made a request. */
  get sourceCount(): number {
    return this.#dueAt.size;
  }

  /**
   * Reserves one request, or `count` of them; returns the milliseconds to wait
   * before it.
   */
  reserve(source: string, now: number, count = 1): number {
    this.#purge(now);
    // A burst is time that the group has not used.
    const earliest = now - this.#burstMs + this.#intervalMs;
    const dueAt = Math.max(this.#dueAt.get(source) ?? -Infinity, earliest);
    this.#dueAt.set(source, dueAt + count * this.#intervalMs);
    return Math.max(0, dueAt - now);
  }

  /** From time to time forgets groups that have their full burst again. */
  #purge(now: number): void {
    if (--this.#untilPurge > 0) return;
    this.#untilPurge = PURGE_EVERY;
    for (const [source, dueAt] of this.#dueAt) {
      if (dueAt <= now - this.#burstMs + this.#intervalMs) {
        this.#dueAt.delete(source);
      }
    }
  }
}

/**
 * Parses a rate such as `500K`, `20M` or `1.5G`; K, M and G are powers of 1000.
 *
 * @returns bytes a second, or `undefined` if `text` is not a rate above zero.
 */
export function parseRate(text: string): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)([KMG]?)B?$/i.exec(text);
  if (match === null) return undefined;
  const [, number = "", unit = ""] = match;
  const factor = { "": 1, K: 1e3, M: 1e6, G: 1e9 }[unit.toUpperCase()] ?? 1;
  const rate = Number(number) * factor;
  return rate > 0 && Number.isFinite(rate) ? rate : undefined;
}
