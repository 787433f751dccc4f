/**
 * A sink that delivers pieces in order as they arrive: for stdout, and for
 * programs that read a file during its transfer.
 *
 * @module
 */

import type { Sink } from "./receiving.ts";

interface Held {
  readonly first: number;
  readonly end: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly taken: () => void;
}

/** Holds pieces until it is their turn. */
export class OrderedSink implements Sink {
  readonly #pieceBytes: number;
  readonly #onConsumed: (piece: number) => void;
  readonly #zeros: ReadonlySet<number>;
  readonly #size: number;
  readonly #held: Held[] = [];
  #next: number;
  #ended = false;
  #abandoned = false;
  #failure: { error: unknown } | null = null;
  #wake: (() => void) | null = null;

  /**
   * Begins at piece `first`. Calls `onConsumed` with the piece up to which
   * everything has been delivered. Pieces in `zeros` are not written; this
   * needs the `size` of the file.
   */
  constructor(
    options: {
      pieceBytes: number;
      first: number;
      zeros?: ReadonlySet<number>;
      size?: number;
      onConsumed: (piece: number) => void;
    },
  ) {
    this.#pieceBytes = options.pieceBytes;
    this.#zeros = options.zeros ?? new Set();
    this.#size = options.size ?? Infinity;
    this.#next = options.first;
    this.#onConsumed = options.onConsumed;
  }

  write(first: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const end = first + Math.ceil(bytes.length / this.#pieceBytes);
    if (end <= this.#next || this.#failure !== null) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held.push({ first, end, bytes, taken: resolve });
    if (this.#abandoned) this.#dropBeyondGap();
    this.#signal();
    return promise;
  }

  finish(): Promise<void> {
    this.#ended = true;
    this.#signal();
    return Promise.resolve();
  }

  /** Nothing more arrives: pieces after a gap will never be delivered. */
  abandon(): void {
    this.#abandoned = true;
    this.#dropBeyondGap();
  }

  #dropBeyondGap(): void {
    const held = this.#held.splice(0).sort((a, b) => a.first - b.first);
    let reach = this.#next;
    for (const part of held) {
      if (part.first > reach) part.taken();
      else {
        this.#held.push(part);
        reach = Math.max(reach, part.end);
      }
    }
  }

  /** The reader gets `error` after the pieces that have arrived. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#signal();
  }

  /** Drops all pieces: nobody reads any more. */
  cancel(): void {
    this.#failure ??= { error: new Error("cancelled") };
    for (const { taken } of this.#held.splice(0)) taken();
    this.#signal();
  }

  /**
   * Yields the bytes in order, in parts of whole pieces with the number of the
   * first. Each part is valid until the next is requested.
   */
  async *parts(): AsyncGenerator<
    { first: number; bytes: Uint8Array<ArrayBuffer> }
  > {
    for (;;) {
      while (this.#zeros.has(this.#next)) {
        const first = this.#next++;
        yield { first, bytes: this.#zerosOf(first) };
        this.#onConsumed(this.#next);
      }
      const held = this.#takeNext();
      if (held !== undefined) {
        const skip = (this.#next - held.first) * this.#pieceBytes;
        const first = this.#next;
        this.#next = held.end;
        try {
          yield { first, bytes: held.bytes.subarray(skip) };
        } finally {
          held.taken();
        }
        this.#onConsumed(this.#next);
      } else if (this.#ended) return;
      else if (this.#failure !== null) throw this.#failure.error;
      else await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  /** A piece of zeros, a new one each time because its reader may change it. */
  #zerosOf(piece: number): Uint8Array<ArrayBuffer> {
    const start = piece * this.#pieceBytes;
    return new Uint8Array(Math.min(this.#pieceBytes, this.#size - start));
  }

  /** Removes the part with the next piece; drops parts before that piece. */
  #takeNext(): Held | undefined {
    for (let at = this.#held.length - 1; at >= 0; at--) {
      const held = this.#held[at]!;
      if (held.end > this.#next) continue;
      held.taken();
      this.#held.splice(at, 1);
    }
    const at = this.#held.findIndex(({ first }) => first <= this.#next);
    return at < 0 ? undefined : this.#held.splice(at, 1)[0];
  }

  #signal(): void {
    this.#wake?.();
    this.#wake = null;
  }
}
