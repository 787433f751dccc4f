/**
 * Which names and contents of a table each of several indexes counts already.
 * Pure.
 *
 * @module
 */

import { BLOCK_ROWS, FREE, HASHED, type RowBlock } from "./row_block.ts";

/** An index counts the file's name. */
export const NAMED = 1;
/** It counts the file's content. */
export const KNOWN = 2;

const BITS = 2;
/** Indexes that a table can have: a column holds the marks of all. */
export const INDEX_COUNT = 16 / BITS;

/** What an index counts of a file: its name, or its content id, or both. */
export interface Indexable {
  readonly name?: string;
  readonly content?: string;
}

/** Gets changes of the names and contents in a table. */
export interface NameListener {
  /** There is a name or a content that the index does not count. */
  readonly onNew: () => void;
  /** A name or a content that it counts no longer exists. */
  readonly onRemoved: (gone: Indexable) => void;
}

/** One index, as a table sees it. */
interface Counting {
  readonly listener: NameListener;
  /** Where its marks begin in those of a row. */
  readonly shift: number;
  /** Names and contents that it does not count. */
  missingCount: number;
}

/** Keeps the column `indexed` of a table. */
export class IndexMarks {
  readonly #indexes: Counting[] = [];

  /** Adds an index, which counts nothing yet; returns its number. */
  add(listener: NameListener, blocks: readonly RowBlock[]): number {
    const number = this.#indexes.length;
    if (number === INDEX_COUNT) {
      throw new RangeError(`A table takes at most ${INDEX_COUNT} indexes`);
    }
    this.#indexes.push({ listener, shift: number * BITS, missingCount: 0 });
    this.clear(number, blocks);
    return number;
  }

  /** Notes a new row without a digest; its name has these marks already. */
  placed(block: RowBlock, at: number, marks: number): void {
    block.indexed[at] = marks & ALL_NAMED;
    for (const index of this.#indexes) {
      if ((marks >> index.shift & NAMED) === 0) missing(index);
    }
  }

  /** Notes that a row has a digest now. */
  hashed(): void {
    for (const index of this.#indexes) missing(index);
  }

  /** Notes that a row is removed, and returns its marks. */
  removed({ states, indexed }: RowBlock, at: number): number {
    const marks = indexed[at]!;
    const wanted = wantedOf(states[at]!);
    for (const index of this.#indexes) {
      index.missingCount -= bitsIn(wanted & ~(marks >> index.shift));
    }
    return marks;
  }

  /** Notifies the indexes with the mark `kind` in `marks` of a removal. */
  notifyRemoved(marks: number, kind: number, gone: Indexable): void {
    for (const { listener, shift } of this.#indexes) {
      if (marks >> shift & kind) listener.onRemoved(gone);
    }
  }

  /**
   * Marks each row that an index counts only in part, and yields the missing
   * part.
   */
  *take(
    number: number,
    blocks: readonly RowBlock[],
  ): Generator<{ row: number; lacks: number }, void> {
    const index = this.#indexes[number]!;
    const { shift } = index;
    for (const [place, { states, indexed }] of blocks.entries()) {
      for (let at = 0; at < BLOCK_ROWS; at++) {
        if (index.missingCount === 0) return;
        const lacks = wantedOf(states[at]!) & ~(indexed[at]! >> shift);
        if (lacks === 0) continue;
        indexed[at]! |= lacks << shift;
        index.missingCount -= bitsIn(lacks);
        yield { row: place * BLOCK_ROWS + at, lacks };
      }
    }
  }

  /** Removes all marks of an index. */
  clear(number: number, blocks: readonly RowBlock[]): void {
    const index = this.#indexes[number]!;
    const others = ~((NAMED | KNOWN) << index.shift);
    index.missingCount = 0;
    for (const { states, indexed } of blocks) {
      for (let at = 0; at < BLOCK_ROWS; at++) {
        indexed[at]! &= others;
        index.missingCount += bitsIn(wantedOf(states[at]!));
      }
    }
  }
}

const ALL_NAMED = 0x5555;

function missing(index: Counting): void {
  index.missingCount++;
  index.listener.onNew();
}

/** What an index should count of a row in this state. */
function wantedOf(state: number): number {
  return state === FREE ? 0 : state === HASHED ? NAMED | KNOWN : NAMED;
}

function bitsIn(marks: number): number {
  return (marks & 1) + (marks >> 1 & 1);
}
