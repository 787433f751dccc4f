/**
 * Row numbers sorted by their keys. Finding, inserting and removing take about
 * twenty comparisons, and iteration can start anywhere. Pure.
 *
 * @module
 */

import { firstNotBefore } from "../base/collections.ts";

/** Compares a row with a name: negative if the row comes first. */
export type CompareRow = (row: number, name: string) => number;

// The most rows that move when one is inserted.
const CHUNK_ROWS = 1_024;

interface Chunk {
  readonly rows: Uint32Array;
  length: number;
}

/** The position of the first row that does not come before a name. */
interface RowPosition {
  readonly name: string;
  readonly index: number;
  readonly place: number;
}

/** Rows in the order of their names, which are unique. */
export class SortedRows {
  readonly #compare: CompareRow;
  readonly #chunks: Chunk[] = [];
  /** The last search: a caller often looks a name up before changing it. */
  #last: RowPosition | null = null;

  /** `compare` must not change for a row while the row is in here. */
  constructor(compare: CompareRow) {
    this.#compare = compare;
  }

  /** The row with this name. */
  find(name: string): number | undefined {
    const { index, place } = this.#search(name);
    const chunk = this.#chunks[index];
    if (chunk === undefined) return undefined;
    if (place === chunk.length) return undefined; // old rows follow
    const row = chunk.rows[place]!;
    return this.#compare(row, name) === 0 ? row : undefined;
  }

  /** Inserts a row. Its name must not be in here yet. */
  add(row: number, name: string): void {
    const { index, place } = this.#search(name);
    let chunk = this.#chunks[index];
    if (chunk === undefined) {
      chunk = { rows: new Uint32Array(CHUNK_ROWS), length: 0 };
      this.#chunks.push(chunk);
    } else if (chunk.length === CHUNK_ROWS) {
      this.#split(index);
      return this.add(row, name);
    }
    chunk.rows.copyWithin(place + 1, place, chunk.length);
    chunk.rows[place] = row;
    this.#last = null;
    chunk.length++;
  }

  /** Removes the row with this name. */
  delete(name: string): void {
    const { index, place } = this.#search(name);
    const chunk = this.#chunks[index];
    if (chunk === undefined || this.find(name) === undefined) return;
    this.#last = null;
    chunk.rows.copyWithin(place, place + 1, chunk.length);
    chunk.length--;
    // A chunk that has become small is merged into its neighbour.
    const next = this.#chunks[index + 1];
    if (chunk.length === 0) this.#chunks.splice(index, 1);
    else if (next && chunk.length + next.length <= CHUNK_ROWS / 2) {
      chunk.rows.set(next.rows.subarray(0, next.length), chunk.length);
      chunk.length += next.length;
      this.#chunks.splice(index + 1, 1);
    }
  }

  /**
   * Yields the rows from the first that does not come before `name`. Do not
   * continue after a change.
   */
  *from(name: string): Generator<number> {
    let { index, place } = this.#search(name);
    let chunk = this.#chunks[index];
    for (; chunk !== undefined; chunk = this.#chunks[++index], place = 0) {
      for (; place < chunk.length; place++) yield chunk.rows[place]!;
    }
  }

  #search(name: string): RowPosition {
    if (this.#last?.name === name) return this.#last;
    const index = this.#chunkOf(name);
    const chunk = this.#chunks[index];
    const place = chunk === undefined ? 0 : this.#placeIn(chunk, name);
    return this.#last = { name, index, place };
  }

  /**
   * The last chunk whose first name is not after `name`; otherwise the first chunk.
   */
  #chunkOf(name: string): number {
    const chunks = this.#chunks;
    const next = firstNotBefore(
      0,
      chunks.length,
      (at) => this.#compare(chunks[at]!.rows[0]!, name) <= 0,
    );
    return Math.max(0, next - 1);
  }

  /** The index of the first row that does not come before `name`. */
  #placeIn({ rows, length }: Chunk, name: string): number {
    return firstNotBefore(
      0,
      length,
      (at) => this.#compare(rows[at]!, name) < 0,
    );
  }

  #split(index: number): void {
    const chunk = this.#chunks[index]!;
    const half = chunk.length >>> 1;
    const rows = new Uint32Array(CHUNK_ROWS);
    rows.set(chunk.rows.subarray(half, chunk.length));
    this.#chunks.splice(index + 1, 0, { rows, length: chunk.length - half });
    chunk.length = half;
    this.#last = null;
  }
}
