/**
 * The pieces of a file that are verified and written: what this client can
 * serve to others, and what it has not announced yet. Pure.
 *
 * @module
 */

import type { PieceRun } from "./plan_types.ts";
import { hasBit, type Holding, setBit } from "./rarest_pieces.ts";

/** The saved pieces of one file. */
export class OwnPieces {
  readonly #count: number;
  readonly #bitmap: Uint8Array;
  #left: number;
  #news: number[] = [];

  /** The pieces in `have` exist already, and are not reported. */
  constructor(count: number, have: Iterable<number> = []) {
    this.#count = count;
    this.#bitmap = new Uint8Array(Math.ceil(count / 8));
    this.#left = count;
    for (const piece of have) this.#add(piece);
  }

  /** Notes that pieces have been verified and written. */
  add({ first, count }: PieceRun): void {
    const end = Math.min(first + count, this.#count);
    for (let piece = first; piece < end; piece++) {
      if (this.#add(piece)) this.#news.push(piece);
    }
  }

  #add(piece: number): boolean {
    if (hasBit(this.#bitmap, piece)) return false;
    setBit(this.#bitmap, piece);
    this.#left--;
    return true;
  }

  /** Whether a piece is saved. */
  has(piece: number): boolean {
    return hasBit(this.#bitmap, piece);
  }

  /** All saved pieces; a copy. */
  get holding(): Holding {
    return this.#left === 0 ? "complete" : this.#bitmap.slice();
  }

  /** The pieces saved since the last call, as runs in order. */
  takeNews(): PieceRun[] {
    const runs: { first: number; count: number }[] = [];
    for (const piece of this.#news.sort((a, b) => a - b)) {
      const last = runs.at(-1);
      if (last !== undefined && last.first + last.count === piece) last.count++;
      else runs.push({ first: piece, count: 1 });
    }
    this.#news = [];
    return runs;
  }
}
