/**
 * The pieces of a file that many clients fetch together: which holder has which
 * of them, and which missing one is the rarest. Pure: randomness is an argument.
 *
 * Complete holders are not counted: they have every piece. Of equally rare
 * pieces the first in this client's own order is next, so that clients that
 * begin together ask for different ones.
 *
 * @module
 */

import type { PieceRun } from "../content/piece_set.ts";
import { Permutation } from "./permutation.ts";
import { Pieces, type PiecesOptions } from "./pieces.ts";

/** The pieces that a holder has: all, or those in a bitmap of a `PieceSet`. */
export type HeldPieces = Uint8Array | "complete";

function hasBit(bitmap: Uint8Array, piece: number): boolean {
  return ((bitmap[piece >> 3] ?? 0) & (0x80 >> (piece & 7))) !== 0;
}

function clearBit(bitmap: Uint8Array, piece: number): void {
  bitmap[piece >> 3]! &= ~(0x80 >> (piece & 7));
}

/** Options of {@linkcode RarestPieces}. */
export interface RarestPiecesOptions extends PiecesOptions {
  /** Returns a number from 0 to below 1. */
  readonly random: () => number;
}

/** Pieces by places of the client's own order, 32 in a word. */
type PlaceSet = Uint32Array;

/** The pieces of an incomplete holder. */
interface Part {
  readonly places: PlaceSet;
  /** Pieces that it lacks. */
  left: number;
}

/** The pieces of one file, and who has them. */
export class RarestPieces extends Pieces {
  readonly #count: number;
  readonly #order: Permutation;
  /** The pieces of each holder. */
  readonly #holders = new Map<string, Part | "complete">();
  /** How many incomplete holders have each piece, by place. */
  readonly #counts: Uint16Array;
  /** Missing pieces by the number of their holders. */
  readonly #levels: PlaceSet[] = [];

  /** At first no holder has a piece. */
  constructor(options: RarestPiecesOptions) {
    super(options);
    const { count, random } = options;
    this.#count = count;
    this.#order = new Permutation(count, random);
    this.#counts = new Uint16Array(count);
    for (let piece = 0; piece < count; piece++) {
      if (this.isMissing(piece)) this.#mark(this.#order.placeOf(piece), true);
    }
  }

  /** Replaces what is known of a holder's pieces. */
  holds(holder: string, has: HeldPieces): void {
    this.forget(holder);
    if (has === "complete") {
      this.#holders.set(holder, has);
      return;
    }
    const part: Part = { places: this.#placeSet(), left: this.#count };
    this.#holders.set(holder, part);
    for (let piece = 0; piece < this.#count; piece++) {
      if (hasBit(has, piece)) this.#change(part, piece, true);
    }
    if (part.left === 0) this.holds(holder, "complete");
  }

  /** Notes gained pieces of a holder. Returns whether any is missing here. */
  gained(holder: string, runs: Iterable<PieceRun>): boolean {
    if (!this.#holders.has(holder)) this.holds(holder, new Uint8Array());
    const part = this.#holders.get(holder)!;
    if (part === "complete") return false;
    let isMissing = false;
    for (const { first, count } of runs) {
      const end = Math.min(first + count, this.#count);
      for (let piece = Math.max(first, 0); piece < end; piece++) {
        this.#change(part, piece, true);
        isMissing ||= this.isMissing(piece);
      }
    }
    if (part.left === 0) this.holds(holder, "complete");
    return isMissing;
  }

  /** Notes that a holder does not have pieces that it seemed to have. */
  lacks(holder: string, { first, count }: PieceRun): void {
    if (this.isSeed(holder)) {
      const all = new Uint8Array(Math.ceil(this.#count / 8)).fill(0xff);
      for (let piece = first; piece < first + count; piece++) {
        clearBit(all, piece);
      }
      return this.holds(holder, all);
    }
    const part = this.#partOf(holder);
    if (part === undefined) return;
    for (let piece = first; piece < first + count; piece++) {
      this.#change(part, piece, false);
    }
  }

  /** Forgets a holder: its pieces are rarer by one. */
  forget(holder: string): void {
    const part = this.#partOf(holder);
    this.#holders.delete(holder);
    if (part === undefined) return;
    for (let piece = 0; piece < this.#count; piece++) {
      this.#change(part, piece, false);
    }
  }

  #partOf(holder: string): Part | undefined {
    const known = this.#holders.get(holder);
    return known === "complete" ? undefined : known;
  }

  /** Whether no holder has only a part: no other client fetches it now. */
  get isAlone(): boolean {
    return this.#holders.values().every((known) => known === "complete");
  }

  /** Whether a holder has everything. */
  isSeed(holder: string): boolean {
    return this.#holders.get(holder) === "complete";
  }

  /** Whether a holder has a piece. */
  isHeldBy(holder: string, piece: number): boolean {
    const known = this.#holders.get(holder);
    if (known === undefined) return false;
    return known === "complete" ||
      hasPlace(known.places, this.#order.placeOf(piece));
  }

  /** Holders of a piece that are not complete. */
  countOf(piece: number): number {
    return this.#counts[this.#order.placeOf(piece)]!;
  }

  override request(piece: number): void {
    super.request(piece);
    this.#mark(this.#order.placeOf(piece), false);
  }

  override arrive(piece: number): boolean {
    this.#mark(this.#order.placeOf(piece), false);
    return super.arrive(piece);
  }

  override giveBack(piece: number): void {
    super.giveBack(piece);
    this.#mark(this.#order.placeOf(piece), true);
  }

  /**
   * The next pieces to request from a holder, at most `most`: the first one
   * that a reader waits for, otherwise the rarest, and equally rare pieces
   * after it. From a quick holder that has all, it is the first of the file while
   * no other client fetches it: runs in an order of this client's own leave gaps,
   * which take more requests.
   */
  nextOf(holder: string, { most, isQuick = false }: {
    most: number;
    isQuick?: boolean;
  }): PieceRun | undefined {
    const isInOrder = isQuick && this.isAlone && this.isSeed(holder);
    const first = this.#firstForReader(holder) ??
      (isInOrder ? this.firstMissing(1)?.first : undefined) ??
      this.#rarestOf(holder);
    if (first === undefined) return undefined;
    const rarity = this.countOf(first);
    let end = first + 1;
    while (
      end < Math.min(first + most, this.#count) && this.isMissing(end) &&
      this.isHeldBy(holder, end) && this.countOf(end) === rarity
    ) end++;
    return { first, count: end - first };
  }

  /** Missing pieces that no holder in `alive` has. */
  nowhere(alive: ReadonlySet<string>): number[] {
    const holders = [...this.#holders.keys()].filter((id) => alive.has(id));
    if (holders.some((id) => this.isSeed(id))) return [];
    const lacking: number[] = [];
    for (let piece = 0; piece < this.#count; piece++) {
      if (this.isDone(piece)) continue;
      if (!holders.some((id) => this.isHeldBy(id, piece))) lacking.push(piece);
    }
    return lacking;
  }

  /** The first missing piece in the window of a reader, if there is one. */
  #firstForReader(holder: string): number | undefined {
    const { from, to } = this.readerWindow;
    if (to === Infinity) return undefined;
    for (let piece = from; piece < Math.min(to, this.#count); piece++) {
      if (this.isMissing(piece) && this.isHeldBy(holder, piece)) return piece;
    }
    return undefined;
  }

  #rarestOf(holder: string): number | undefined {
    const known = this.#holders.get(holder);
    if (known === undefined) return undefined;
    const places = known === "complete" ? undefined : known.places;
    for (const level of this.#levels) {
      for (let at = 0; at < level.length; at++) {
        const word = level[at]! & (places?.[at] ?? 0xffff_ffff);
        if (word === 0) continue;
        return this.#order.at(32 * at + Math.clz32(word));
      }
    }
    return undefined;
  }

  /** Notes that a holder has a piece, or no longer has it. */
  #change(part: Part, piece: number, has: boolean): void {
    const place = this.#order.placeOf(piece);
    if (hasPlace(part.places, place) === has) return;
    const isMissing = this.isMissing(piece);
    if (isMissing) this.#mark(place, false);
    flip(part.places, place, has);
    part.left += has ? -1 : 1;
    this.#counts[place]! += has ? 1 : -1;
    if (isMissing) this.#mark(place, true);
  }

  /** Puts a piece into its level, or takes it out. */
  #mark(place: number, isMissing: boolean): void {
    const rarity = this.#counts[place]!;
    while (this.#levels.length <= rarity) this.#levels.push(this.#placeSet());
    flip(this.#levels[rarity]!, place, isMissing);
  }

  #placeSet(): PlaceSet {
    return new Uint32Array(Math.ceil(this.#count / 32));
  }
}

function hasPlace(places: PlaceSet, place: number): boolean {
  return (places[place >> 5]! & (0x80000000 >>> (place & 31))) !== 0;
}

function flip(places: PlaceSet, place: number, on: boolean): void {
  const bit = 0x80000000 >>> (place & 31);
  if (on) places[place >> 5]! |= bit;
  else places[place >> 5]! &= ~bit;
}
