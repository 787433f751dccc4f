/**
 * The search for names by words: each word must be in the name, whatever its
 * case. Pure.
 *
 * @module
 */

import { foldCase } from "../../base/text.ts";
import { isHidden } from "../../content/glob.ts";
import { MOST_SCORE, parseTerms, scoreOf, subjectOf } from "../picker/fuzzy.ts";

/** Names with a number for each. */
export interface NumberedNames {
  places(): Iterable<number>;
  nameAt(place: number): string;
}

/** A search by words. */
export interface WordSearch {
  /** Whether a name has all words. */
  matches(name: string): boolean;
  /** Whether only a leading dot keeps a name out. */
  leavesOut(name: string): boolean;
  /** The places of names, the best match first. */
  bestFirst(names: NumberedNames): Float64Array;
}

/** Prepares a search. A hidden name needs a word with its dot. */
export function parseWords(texts: readonly string[]): WordSearch {
  const text = foldCase(texts.join(" ").normalize("NFC"));
  const words = text.split(/\s+/).filter((word) => word !== "");
  const terms = parseTerms(text);
  const showsHidden = words.some(isHidden);
  const hasAll = (name: string) => {
    const folded = foldCase(name);
    return words.every((word) => folded.includes(word));
  };
  return {
    matches: (name) => (showsHidden || !isHidden(name)) && hasAll(name),
    leavesOut: (name) => !showsHidden && isHidden(name) && hasAll(name),
    bestFirst: (names) =>
      sorted(names, (name) => scoreOf(terms, subjectOf(name))),
  };
}

// Score in reverse, length and place of a name in one number: sorting numbers
// is fast.
const LENGTHS = 2 ** 11;
const PLACES = 2 ** 26;

function sorted(
  names: NumberedNames,
  score: (name: string) => number,
): Float64Array {
  const ranks: number[] = [];
  for (const place of names.places()) {
    const name = names.nameAt(place);
    const length = Math.min(name.length, LENGTHS - 1);
    const rank = (MOST_SCORE - Math.max(0, score(name))) * LENGTHS + length;
    ranks.push(rank * PLACES + place);
  }
  return Float64Array.from(ranks).sort().map((rank) => rank % PLACES);
}
