/**
 * Buffers for pieces between the conn and the disk, reused and limited in
 * bytes. While none is free, the client reads nothing from its conns, which
 * slows the nodes down.
 *
 * @module
 */

/** Lends buffers. */
export class SlabPool {
  readonly #mostBytes: number;
  readonly #idle: Uint8Array<ArrayBuffer>[] = [];
  readonly #waiting: (() => void)[] = [];
  #lentBytes = 0;

  /** Lends up to `mostBytes` at a time. */
  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** Bytes that are lent. */
  get lentBytes(): number {
    return this.#lentBytes;
  }

  /** A buffer of at least `bytes`; waits until there is room. */
  async acquire(bytes: number): Promise<Uint8Array<ArrayBuffer>> {
    // A single one larger than the bound must still get through.
    while (this.#lentBytes > 0 && this.#lentBytes + bytes > this.#mostBytes) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    const room = Math.max(bytes, this.#mostBytes - this.#lentBytes);
    const index = this.#idle.findIndex(({ length }) =>
      length >= bytes && length <= Math.min(2 * bytes, room)
    );
    const slab = index < 0
      ? new Uint8Array(bytes)
      : this.#idle.splice(index, 1)[0]!;
    this.#lentBytes += slab.length;
    return slab;
  }

  /** Gives a buffer back. */
  release(slab: Uint8Array<ArrayBuffer>): void {
    const whole = new Uint8Array(slab.buffer);
    this.#lentBytes -= whole.length;
    const idleBytes = this.#idle.reduce((sum, { length }) => sum + length, 0);
    const fits = this.#lentBytes + idleBytes + whole.length <= this.#mostBytes;
    if (fits && this.#idle.length < MOST_IDLE) this.#idle.push(whole);
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

const MOST_IDLE = 16;
