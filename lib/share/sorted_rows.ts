/**
 * Row numbers sorted by their keys. Finding, inserting and removing take about
 * twenty comparisons, and iteration can start anywhere. Pure.
 *
 * @module
 */

/** How a row compares with a name: negative where it comes before it. */
export type CompareRow = (row: number, name: string) => number;

// A chunk is moved by at most so many rows when one is put in.
const CHUNK_ROWS = 1_024;

interface Chunk {
  readonly rows: Uint32Array;
  length: number;
}

/** Where the first row stands that does not come before a name. */
interface RowPosition {
  readonly name: string;
  readonly index: number;
  readonly place: number;
}

/** Rows in the order of their names, which are unique. */
export class SortedRows {
  readonly #compare: CompareRow;
  readonly #chunks: Chunk[] = [];
  /** What was searched last: who asks for a name does something with it next. */
  #last: RowPosition | null = null;

  /** `compare` must agree with itself for as long as a row is in here. */
  constructor(compare: CompareRow) {
    this.#compare = compare;
  }

  /** The row of that name. */
  find(name: string): number | undefined {
    const { index, place } = this.#search(name);
    const chunk = this.#chunks[index];
    if (chunk === undefined) return undefined;
    if (place === chunk.length) return undefined; // beyond lie rows of before
    const row = chunk.rows[place]!;
    return this.#compare(row, name) === 0 ? row : undefined;
  }

  /** Puts a row in, whose name is in here under no other. */
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

  /** Takes the row of that name out. */
  delete(name: string): void {
    const { index, place } = this.#search(name);
    const chunk = this.#chunks[index];
    if (chunk === undefined || this.find(name) === undefined) return;
    this.#last = null;
    chunk.rows.copyWithin(place, place + 1, chunk.length);
    chunk.length--;
    // What is left of a chunk that others could take in is moved there.
    const next = this.#chunks[index + 1];
    if (chunk.length === 0) this.#chunks.splice(index, 1);
    else if (next && chunk.length + next.length <= CHUNK_ROWS / 2) {
      chunk.rows.set(next.rows.subarray(0, next.length), chunk.length);
      chunk.length += next.length;
      this.#chunks.splice(index + 1, 1);
    }
  }

  /**
   * The rows from the first that does not come before `name`. Not to be gone on
   * with once a row was put in or taken out.
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

  /** The last chunk that begins with `name` or before it, else the first. */
  #chunkOf(name: string): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(this.#chunks[middle]!.rows[0]!, name) <= 0) {
        low = middle + 1;
      } else high = middle;
    }
    return Math.max(0, low - 1);
  }

  /** Where the first row stands that does not come before `name`. */
  #placeIn({ rows, length }: Chunk, name: string): number {
    let low = 0;
    let high = length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(rows[middle]!, name) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
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
