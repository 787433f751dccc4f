/**
 * The pieces of one content that a peer has, as a set that only grows. Pure.
 *
 * A bitmap has one bit a piece, the first piece in the highest bit of the first
 * byte; the bits after the last piece are 0.
 *
 * @module
 */

/** Consecutive pieces. */
export interface PieceRun {
  /** The first of them. */
  readonly first: number;
  /** How many. */
  readonly count: number;
}

/** The set of a content's pieces that exist. */
export class PieceSet {
  /** Pieces of the content. */
  readonly count: number;
  readonly #bits: Uint8Array;
  #size = 0;

  /** Of `count` pieces, those in `have` exist. */
  constructor(count: number, have: Iterable<number> = []) {
    this.count = count;
    this.#bits = new Uint8Array(Math.ceil(count / 8));
    for (const piece of have) this.add(piece);
  }

  /**
   * The set that a bitmap in base64 encodes; `undefined` if it is not a bitmap
   * of `count` pieces.
   */
  static parse(bitmap: string, count: number): PieceSet | undefined {
    let bits: Uint8Array;
    try {
      bits = Uint8Array.fromBase64(bitmap, { lastChunkHandling: "strict" });
    } catch {
      return undefined;
    }
    const set = new PieceSet(count);
    if (bits.length !== set.#bits.length) return undefined;
    for (let piece = 0; piece < 8 * bits.length; piece++) {
      if ((bits[piece >> 3]! & bitOf(piece)) === 0) continue;
      if (piece >= count) return undefined;
      set.add(piece);
    }
    return set;
  }

  /** The bitmap; a copy. */
  get bitmap(): Uint8Array {
    return this.#bits.slice();
  }

  /** The bitmap, in base64. */
  format(): string {
    return this.#bits.toBase64();
  }

  /** Number of pieces that exist. */
  get size(): number {
    return this.#size;
  }

  /** Whether all pieces exist. */
  get isComplete(): boolean {
    return this.#size === this.count;
  }

  /** Whether a piece exists. */
  has(piece: number): boolean {
    return ((this.#bits[piece >> 3] ?? 0) & bitOf(piece)) !== 0;
  }

  /** Whether all pieces of a run exist. */
  hasAll({ first, count }: PieceRun): boolean {
    for (let piece = first; piece < first + count; piece++) {
      if (!this.has(piece)) return false;
    }
    return true;
  }

  /** Adds a piece. Returns whether it is new. */
  add(piece: number): boolean {
    if (piece >= this.count) throw new RangeError("No such piece");
    if (this.has(piece)) return false;
    this.#bits[piece >> 3]! |= bitOf(piece);
    this.#size++;
    return true;
  }

  /** The pieces that exist, in order. */
  *pieces(): Generator<number> {
    for (let piece = 0; piece < this.count; piece++) {
      if (this.has(piece)) yield piece;
    }
  }
}

function bitOf(piece: number): number {
  return 0x80 >> (piece & 7);
}

/** Pieces in runs, in ascending order. Each piece may be given once. */
export function runsOf(pieces: readonly number[]): PieceRun[] {
  const runs: { first: number; count: number }[] = [];
  for (const piece of pieces.toSorted((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last !== undefined && last.first + last.count === piece) last.count++;
    else runs.push({ first: piece, count: 1 });
  }
  return runs;
}
