/**
 * Tracks which pieces of one file are missing, requested, or received. Pure.
 *
 * @module
 */

const MISSING = 0, REQUESTED = 1, DONE = 2;

/** Options of {@linkcode Pieces}. */
export interface PiecesOptions {
  /** Number of pieces. */
  readonly count: number;
  /** Pieces that exist already. */
  readonly have?: Iterable<number> | undefined;
  /**
   * For a file that is consumed in order: how many pieces after the last
   * consumed one may be requested.
   */
  readonly lookahead?: number | undefined;
}

/** The pieces of one file. */
export class Pieces {
  readonly #states: Uint8Array;
  readonly #lookahead: number;
  /** Nothing before this piece is missing. */
  #front = 0;
  #left: number;
  #consumed: number;

  /** All pieces are missing, except those in `have`. */
  constructor({ count, have = [], lookahead = Infinity }: PiecesOptions) {
    const states = new Uint8Array(count);
    let left = count;
    for (const piece of have) {
      if (states[piece] === MISSING) left--;
      states[piece] = DONE;
    }
    const missing = states.indexOf(MISSING);
    this.#states = states;
    this.#lookahead = lookahead;
    this.#left = left;
    this.#consumed = missing < 0 ? count : missing;
  }

  /** Number of missing pieces, including requested ones. */
  get left(): number {
    return this.#left;
  }

  /** Whether a piece is missing and not requested. */
  isMissing(piece: number): boolean {
    return this.#states[piece] === MISSING;
  }

  /** Whether a piece exists. */
  isDone(piece: number): boolean {
    return this.#states[piece] === DONE;
  }

  /** The pieces that a reader waits for: `to` is `Infinity` if there is none. */
  get readerWindow(): { from: number; to: number } {
    return { from: this.#consumed, to: this.#consumed + this.#lookahead };
  }

  /** Whether a piece is requested, and has not arrived. */
  isRequested(piece: number): boolean {
    return this.#states[piece] === REQUESTED;
  }

  /** Notes that a piece is requested. */
  request(piece: number): void {
    this.#states[piece] = REQUESTED;
  }

  /** Notes that a piece has arrived. Returns whether it was missing before. */
  arrive(piece: number): boolean {
    if (this.#states[piece] === DONE) return false;
    this.#states[piece] = DONE;
    this.#left--;
    return true;
  }

  /** Notes that a piece is missing again. */
  giveBack(piece: number): void {
    this.#states[piece] = MISSING;
    this.#front = Math.min(this.#front, piece);
  }

  /** Notes that all before `piece` have been consumed. */
  consume(piece: number): void {
    this.#consumed = piece;
  }

  /** The first run of missing pieces that may be requested, at most `most`. */
  firstMissing(most: number): { first: number; count: number } | undefined {
    const states = this.#states;
    while (this.#front < states.length && states[this.#front] !== MISSING) {
      this.#front++;
    }
    const first = this.#front;
    const end = Math.min(states.length, this.#consumed + this.#lookahead);
    if (first >= end) return undefined;
    const stop = Math.min(end, first + most);
    let last = first + 1;
    while (last < stop && states[last] === MISSING) last++;
    return { first, count: last - first };
  }
}
