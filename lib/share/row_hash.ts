/**
 * Finds rows by a hash of their keys. Stores only row numbers, 6 to 12 bytes
 * each; the keys are elsewhere. Pure.
 *
 * Uses open addressing in 256 parts, so that growing one part is quick.
 *
 * @module
 */

const PART_COUNT = 256;
const SMALLEST = 16;

/** Rows by 32-bit hashes, which must be evenly distributed. */
export class RowHash {
  readonly #hashOf: (row: number) => number;
  /** A row plus 1, or 0 for an empty slot. */
  readonly #parts: Uint32Array[];
  readonly #counts = new Uint32Array(PART_COUNT);

  /** `hashOf` must not change for a row while the row is in the table. */
  constructor(hashOf: (row: number) => number) {
    this.#hashOf = hashOf;
    this.#parts = Array.from(
      { length: PART_COUNT },
      () => new Uint32Array(SMALLEST),
    );
  }

  /** The row with this hash that `isIt` accepts. */
  find(hash: number, isIt: (row: number) => boolean): number | undefined {
    const part = this.#partOf(hash);
    const mask = part.length - 1;
    for (let place = hash & mask;; place = (place + 1) & mask) {
      const entry = part[place]!;
      if (entry === 0) return undefined;
      if (isIt(entry - 1)) return entry - 1;
    }
  }

  /** Adds a row. It must not be in the table yet. */
  add(row: number): void {
    const hash = this.#hashOf(row);
    const number = hash >>> 24;
    let part = this.#partOf(hash);
    if (++this.#counts[number]! > part.length * 0.7) {
      part = this.#grown(part);
      this.#parts[number] = part;
    }
    put(part, hash, row);
  }

  /** Removes a row. Its key must still be known. */
  delete(row: number): void {
    const hash = this.#hashOf(row);
    const part = this.#partOf(hash);
    const mask = part.length - 1;
    let hole = hash & mask;
    for (; part[hole] !== row + 1; hole = (hole + 1) & mask) {
      if (part[hole] === 0) return;
    }
    this.#counts[hash >>> 24]!--;
    // Moves rows into the hole if they could not be found across it.
    for (let place = (hole + 1) & mask;; place = (place + 1) & mask) {
      const entry = part[place]!;
      if (entry === 0) break;
      const home = this.#hashOf(entry - 1) & mask;
      if (((place - home) & mask) < ((place - hole) & mask)) continue;
      part[hole] = entry;
      hole = place;
    }
    part[hole] = 0;
  }

  #partOf(hash: number): Uint32Array {
    return this.#parts[hash >>> 24]!;
  }

  #grown(part: Uint32Array): Uint32Array {
    const grown = new Uint32Array(part.length * 2);
    for (const entry of part) {
      if (entry !== 0) put(grown, this.#hashOf(entry - 1), entry - 1);
    }
    return grown;
  }
}

function put(part: Uint32Array, hash: number, row: number): void {
  const mask = part.length - 1;
  let place = hash & mask;
  while (part[place] !== 0) place = (place + 1) & mask;
  part[place] = row + 1;
}
