/**
 * Which of many names match what was typed, best first. Pure, and in slices: so
 * that a key never waits for more than one slice, however many names there are.
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

/** Names looked at in one slice: some ten milliseconds of work. */
export const SLICE_NAMES = 50_000;

// A match is one number, so that sorting is a sort of numbers: the score from
// the best down, then the length, then the place in the list.
const PLACES = 2 ** 26;
const LENGTHS = 2 ** 11;

/** Names, and those of them that match. */
export class Search {
  readonly #subjects: readonly Subject[];
  #query = "";
  #terms: readonly Term[] = [];
  /** Places in the list to look at, rising; `null` is all of them. */
  #candidates: Uint32Array | null = null;
  /** Those of them that match: as they stand in memory, they are quick to reach. */
  #places = new Uint32Array();
  /** The matches as numbers, best first once they are sorted. */
  #found = new Float64Array();
  #count = 0;
  #next = 0;
  #isSorted = true;

  /** Searches in `names`, which keep their order where nothing is asked for. */
  constructor(names: readonly string[]) {
    this.#subjects = names.map(subjectOf);
  }

  /** What is searched for. */
  get query(): string {
    return this.#query;
  }

  /** Names that match, so far. */
  get count(): number {
    return this.#isAll ? this.#subjects.length : this.#count;
  }

  /** Whether all names have been looked at. */
  get isDone(): boolean {
    return this.#isAll || this.#next >= this.#size;
  }

  /** The place in the list of the match at `rank`, which is below `count`. */
  at(rank: number): number {
    if (this.#isAll) return rank;
    this.#sort();
    return this.#found[rank]! % PLACES;
  }

  /** The places of what was found in a name, in code units. */
  placesIn(index: number): ReadonlySet<number> {
    const places = new Set<number>();
    scoreOf(this.#terms, this.#subjects[index]!, places);
    return places;
  }

  /** Searches for something else, from the next slice on. */
  ask(query: string): void {
    // What did not match will not match more.
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

  /** Looks at the next names. */
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
