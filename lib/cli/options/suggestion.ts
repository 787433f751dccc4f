/**
 * Suggests a known word in place of an unknown one.
 *
 * @module
 */

import { editDistance } from "../../content/nearest.ts";

// If more than a third of a word is wrong, it could mean anything.
const WRONG_PART = 3;
// This many letters from the start of a word are enough to suggest it.
const MOST_CUT = 3;

/**
 * The word among `words` that is nearest to `typed`; `undefined` if none is
 * near. At most a third of the letters may be missing, wrong, extra, or swapped
 * with the next. The first 3 letters of a word are enough too.
 */
export function nearest(
  typed: string,
  words: Iterable<string>,
): string | undefined {
  let best: string | undefined;
  let least = Infinity;
  for (const word of words) {
    const isStart = typed.length >= MOST_CUT && word.startsWith(typed);
    const longer = Math.max(typed.length, word.length);
    // Two long words of very different lengths need no comparison.
    if (
      !isStart && Math.abs(typed.length - word.length) > longer / WRONG_PART
    ) {
      continue;
    }
    const distance = isStart ? 0 : editDistance(typed, word);
    const most = Math.max(1, Math.floor(longer / WRONG_PART));
    if (distance <= most && distance < least) {
      best = word;
      least = distance;
    }
  }
  return best;
}

/** Words to add to an error; empty if no word is near. */
export function didYouMean(
  typed: string,
  words: Iterable<string>,
  prefix = "",
): string | undefined {
  const word = nearest(typed, words);
  return word === undefined ? undefined : `did you mean ${prefix}${word}?`;
}
