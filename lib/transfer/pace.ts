/**
 * The recent speed of one source. Pure: time is an argument, in milliseconds.
 *
 * @module
 */

// With fewer bytes, the measured rate means nothing.
const MEASURED_BYTES = 64 * 1024;

/**
 * A clock that runs only while we wait for a source: we read its socket, and
 * it owes bytes. Time in which our own rate limit, memory or disk delays it
 * does not count.
 */
export class WaitClock {
  #ms = 0;
  #startedAt: number | undefined;

  /** We wait from `now` on. */
  start(now: number): void {
    this.#startedAt ??= now;
  }

  /** This client no longer waits. */
  stop(now: number): void {
    this.#ms = this.read(now);
    this.#startedAt = undefined;
  }

  /** Milliseconds of waiting up to `now`. */
  read(now: number): number {
    const since = this.#startedAt ?? now;
    return this.#ms + Math.max(0, now - since);
  }
}

/** Measures one source. */
export class Pace {
  /** Bytes it has delivered in all. */
  #bytes = 0;
  /** Recent bytes and milliseconds: those a second ago count a third. */
  #lateBytes = 0;
  #lateMs = 0;
  #lastAt: number;

  /** Begins at `now`. */
  constructor(now: number) {
    this.#lastAt = now;
  }

  /** It was idle, and has work from `now` on. */
  begin(now: number): void {
    this.#lastAt = now;
  }

  /** Notes that bytes have arrived. */
  note(bytes: number, now: number): void {
    const ms = Math.max(now - this.#lastAt, 0.01);
    this.#lastAt = now;
    this.#bytes += bytes;
    const kept = Math.exp(-ms / 1000);
    this.#lateBytes = kept * this.#lateBytes + bytes;
    this.#lateMs = kept * this.#lateMs + ms;
  }

  /** Bytes a millisecond for pieces of that size; 0 if it is not known. */
  rateFor(pieceBytes: number): number {
    const isMeasured = this.#bytes > 0 &&
      this.#bytes >= Math.min(MEASURED_BYTES, pieceBytes);
    return isMeasured ? this.#lateBytes / this.#lateMs : 0;
  }

  /** Milliseconds for which it has work and nothing has arrived. */
  silentMs(now: number): number {
    return now - this.#lastAt;
  }

  /** Milliseconds it will take for `bytes`, in pieces of that size. */
  msFor(bytes: number, pieceBytes: number, now: number): number {
    const silentMs = this.silentMs(now);
    const rate = this.rateFor(pieceBytes);
    return rate > 0 ? Math.max(bytes / rate, silentMs) : silentMs;
  }
}
