/**
 * Suggests the word that a person may have meant by an unknown one.
 *
 * @module
 */

// A word of which more than a third is wrong may mean anything.
const WRONG_PART = 3;
// So many letters of the beginning are taken for the whole.
const MOST_CUT = 3;

/**
 * The word among `words` that is nearest to `typed`; nothing where none is near:
 * at most a third of the letters may be missing, wrong, too many or swapped with
 * the next. The beginning of a word, of 3 letters or more, stands for it.
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
    // Two words that are long and of no like length need not be compared.
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

/** Words to add to a refusal; nothing where no word is near. */
export function didYouMean(
  typed: string,
  words: Iterable<string>,
  prefix = "",
): string | undefined {
  const word = nearest(typed, words);
  return word === undefined ? undefined : `did you mean ${prefix}${word}?`;
}

/**
 * How many letters must be added, taken away, replaced, or swapped with the next
 * to make `to` of `from` (optimal string alignment).
 */
export function editDistance(from: string, to: string): number {
  let before: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const next = [row];
    for (let column = 1; column <= to.length; column++) {
      const isSame = from[row - 1] === to[column - 1];
      const isSwap = row > 1 && column > 1 && !isSame &&
        from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      next.push(Math.min(
        last[column]! + 1,
        next[column - 1]! + 1,
        last[column - 1]! + (isSame ? 0 : 1),
        isSwap ? before[column - 2]! + 1 : Infinity,
      ));
    }
    before = last;
    last = next;
  }
  return last[to.length]!;
}
