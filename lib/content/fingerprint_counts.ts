/**
 * How often each fingerprint occurs, in 9 bytes for each and half as many free
 * places: two files in one folder share its fingerprint, and it stays until
 * both are removed. Pure.
 *
 * @module
 */

const LEAST_PLACES = 16;

// By the first byte of a fingerprint. A part of three million grows, and is
// sorted, within a few milliseconds.
const PART_COUNT = 256;
const PART_SPAN = 2 ** 32;

/** Counts fingerprints. */
export class FingerprintCounts {
  readonly #parts = Array.from({ length: PART_COUNT }, () => new CountTable());
  #size = 0;

  /** Different fingerprints. */
  get size(): number {
    return this.#size;
  }

  /** Whether a fingerprint occurs. */
  has(fingerprint: number): boolean {
    return this.#partOf(fingerprint).has(fingerprint);
  }

  /** Counts one more; returns whether it is the first. */
  add(fingerprint: number): boolean {
    const isFirst = this.#partOf(fingerprint).add(fingerprint);
    if (isFirst) this.#size++;
    return isFirst;
  }

  /** Counts one less; returns whether it was the last. */
  remove(fingerprint: number): boolean {
    const isLast = this.#partOf(fingerprint).remove(fingerprint);
    if (isLast) this.#size--;
    return isLast;
  }

  /**
   * All fingerprints in ascending order, in parts. Each part has the state at
   * the time when it is requested. All that follow are at least `below`.
   */
  *sortedParts(): Generator<{ part: Float64Array; below: number }, void> {
    for (const [number, table] of this.#parts.entries()) {
      yield { part: table.sorted(), below: (number + 1) * PART_SPAN };
    }
  }

  #partOf(fingerprint: number): CountTable {
    return this.#parts[Math.floor(fingerprint / PART_SPAN)]!;
  }
}

/** Counts the fingerprints of one part. */
class CountTable {
  #highs = new Uint32Array(LEAST_PLACES);
  #lows = new Uint8Array(LEAST_PLACES);
  /** 0 for a free place. */
  #counts = new Uint32Array(LEAST_PLACES);
  #size = 0;

  /** Different fingerprints. */
  get size(): number {
    return this.#size;
  }

  /** Whether a fingerprint occurs. */
  has(fingerprint: number): boolean {
    return this.#counts[this.#placeOf(fingerprint)]! > 0;
  }

  /** Counts one more; returns whether it is the first. */
  add(fingerprint: number): boolean {
    if (this.#size * 3 >= this.#counts.length * 2) this.#grow();
    const place = this.#placeOf(fingerprint);
    if (this.#counts[place]!++ > 0) return false;
    this.#highs[place] = Math.floor(fingerprint / 256);
    this.#lows[place] = fingerprint % 256;
    this.#size++;
    return true;
  }

  /** Counts one less; returns whether it was the last. */
  remove(fingerprint: number): boolean {
    const place = this.#placeOf(fingerprint);
    if (this.#counts[place] === 0) return false;
    if (--this.#counts[place]! > 0) return false;
    this.#size--;
    this.#close(place);
    return true;
  }

  /** All fingerprints, in ascending order. */
  sorted(): Float64Array {
    const all = new Float64Array(this.#size);
    let next = 0;
    for (let place = 0; place < this.#counts.length; place++) {
      if (this.#counts[place]! > 0) all[next++] = this.#at(place);
    }
    return all.sort();
  }

  #at(place: number): number {
    return this.#highs[place]! * 256 + this.#lows[place]!;
  }

  /** Its place, or the free one for it. */
  #placeOf(fingerprint: number): number {
    const mask = this.#counts.length - 1;
    let place = this.#home(fingerprint);
    while (this.#counts[place]! > 0 && this.#at(place) !== fingerprint) {
      place = (place + 1) & mask;
    }
    return place;
  }

  /** Where the search begins: fingerprints are random in their last bits. */
  #home(fingerprint: number): number {
    return fingerprint % this.#counts.length;
  }

  /** Moves later fingerprints up, so that each is found from its home. */
  #close(hole: number): void {
    const mask = this.#counts.length - 1;
    let place = hole;
    for (;;) {
      place = (place + 1) & mask;
      if (this.#counts[place] === 0) return;
      const away = (place - this.#home(this.#at(place))) & mask;
      if (away < ((place - hole) & mask)) continue;
      this.#highs[hole] = this.#highs[place]!;
      this.#lows[hole] = this.#lows[place]!;
      this.#counts[hole] = this.#counts[place]!;
      this.#counts[place] = 0;
      hole = place;
    }
  }

  #grow(): void {
    const [highs, lows, counts] = [this.#highs, this.#lows, this.#counts];
    const places = counts.length * 2;
    this.#highs = new Uint32Array(places);
    this.#lows = new Uint8Array(places);
    this.#counts = new Uint32Array(places);
    for (let old = 0; old < counts.length; old++) {
      if (counts[old] === 0) continue;
      const place = this.#placeOf(highs[old]! * 256 + lows[old]!);
      this.#highs[place] = highs[old]!;
      this.#lows[place] = lows[old]!;
      this.#counts[place] = counts[old]!;
    }
  }
}
