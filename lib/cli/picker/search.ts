/**
 * Finds the names that match the query, best first. Pure. It works in slices,
 * so that a key never waits for more than one slice, however many names there
 * are.
 *
 * @module
 */

import {
  MOST_SCORE,
  parseTerms,
  scoreOf,
  type Subject,
  subjectOf,
  type Term,
} from "./fuzzy.ts";

/** Names per slice: about ten milliseconds of work. */
export const SLICE_NAMES = 50_000;

// A match is one number, so that sorting is a sort of numbers: first the score
// in reverse, then the length, then the index in the list.
const PLACES = 2 ** 26;
const LENGTHS = 2 ** 11;

/** Names, and those of them that match. */
export class Search {
  readonly #subjects: readonly Subject[];
  #query = "";
  #terms: readonly Term[] = [];
  /** Indexes of the names to search, ascending; `null` means all. */
  #candidates: Uint32Array | null = null;
  /**
   * Indexes of the matches, in the order of the list: reading names in this
   * order is fast.
   */
  #places = new Uint32Array();
  /** The matches as numbers, sorted at the end. */
  #found = new Float64Array();
  #count = 0;
  #next = 0;
  #isSorted = true;

  /** Without a query, `names` keep their order. */
  constructor(names: readonly string[]) {
    this.#subjects = names.map(subjectOf);
  }

  get query(): string {
    return this.#query;
  }

  /** Number of matches so far. */
  get count(): number {
    return this.#isAll ? this.#subjects.length : this.#count;
  }

  /** Whether all names have been searched. */
  get isDone(): boolean {
    return this.#isAll || this.#next >= this.#size;
  }

  /** The index of the match at `rank`, which must be below `count`. */
  at(rank: number): number {
    if (this.#isAll) return rank;
    this.#sort();
    return this.#found[rank]! % PLACES;
  }

  /** The positions of matched characters in a name, in code units. */
  placesIn(index: number): ReadonlySet<number> {
    const places = new Set<number>();
    scoreOf(this.#terms, this.#subjects[index]!, places);
    return places;
  }

  /** Sets another query, which the next slice uses. */
  ask(query: string): void {
    // A name that does not match will not match a longer query.
    const narrows = this.isDone && !this.#isAll &&
      query.normalize("NFC").startsWith(this.#query.normalize("NFC"));
    const candidates = narrows ? this.#places.subarray(0, this.#count) : null;
    this.#query = query;
    this.#terms = parseTerms(query);
    this.#candidates = candidates;
    const size = this.#isAll ? 0 : this.#size;
    this.#places = new Uint32Array(size);
    this.#found = new Float64Array(size);
    this.#count = this.#next = 0;
    this.#isSorted = true;
  }

  /** Searches the next slice of names. */
  work(): void {
    if (this.isDone) return;
    const end = Math.min(this.#next + SLICE_NAMES, this.#size);
    for (; this.#next < end; this.#next++) {
      const place = this.#candidates === null
        ? this.#next
        : this.#candidates[this.#next]!;
      const subject = this.#subjects[place]!;
      const score = scoreOf(this.#terms, subject);
      if (score < 0) continue;
      const length = Math.min(subject.text.length, LENGTHS - 1);
      const rank = (MOST_SCORE - score) * LENGTHS + length;
      this.#places[this.#count] = place;
      this.#found[this.#count++] = rank * PLACES + place;
    }
    this.#isSorted = false;
  }

  get #isAll(): boolean {
    return this.#terms.length === 0;
  }

  get #size(): number {
    return this.#candidates?.length ?? this.#subjects.length;
  }

  #sort(): void {
    if (this.#isSorted) return;
    this.#found.subarray(0, this.#count).sort();
    this.#isSorted = true;
  }
}
