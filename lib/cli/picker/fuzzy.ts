/**
 * Fuzzy matching of names, as in the usual fuzzy finders. The characters of a
 * term must occur in order. Adjacent characters, and those at the start of a
 * word, score higher. Pure.
 *
 * @module
 */

/** A part of the query, between spaces. */
export interface Term {
  /** The characters to find, folded unless case matters. */
  readonly text: string;
  /** Whether case matters, because it contains a capital. */
  readonly isExact: boolean;
}

/** A name, prepared for many matches. */
export interface Subject {
  /** The name. */
  readonly text: string;
  /** The name in lower case, as long as `text`. */
  readonly folded: string;
  /** Where its last component begins. */
  readonly lastPart: number;
}

/** Longer terms are cut, so that scores fit into {@linkcode MOST_SCORE}. */
export const MOST_TERM_UNITS = 256;
/** The highest score of a query of {@linkcode MOST_TERM_UNITS}. */
export const MOST_SCORE = 2 ** 14 - 1;

// The score of a matched character; gaps between two of them cost points.
const FOUND = 16;
const GAP = -3;
const LONGER_GAP = -1;
// Extra points for the position of a character: at the start of a component, at
// the start of a word, at a capital, or after another match.
const PART_START = 10;
const WORD_START = 8;
const CAPITAL = 7;
const TOGETHER = 5;
// The first character counts twice, because users begin with it.
const FIRST = 2;
// All matches are in the last component.
const IN_LAST_PART = 6;

// Contiguous matches that are compared; enough to find one at the start of a
// word.
const MOST_PLACES = 6;

/** The terms of `text`, all of which must match. */
export function parseTerms(text: string): Term[] {
  return text.normalize("NFC").slice(0, MOST_TERM_UNITS).split(/\s+/)
    .filter((term) => term !== "")
    .map((term) => {
      const folded = fold(term);
      return {
        text: term === folded ? folded : term,
        isExact: term !== folded,
      };
    });
}

/** Prepares a name for matching. */
export function subjectOf(text: string): Subject {
  return { text, folded: fold(text), lastPart: text.lastIndexOf("/") + 1 };
}

/** Lower case, if that keeps the length. */
function fold(text: string): string {
  const folded = text.toLowerCase();
  if (folded.length === text.length) return folded;
  return Array.from(text, (character) => {
    const small = character.toLowerCase();
    return small.length === character.length ? small : character;
  }).join("");
}

/**
 * The score of a match of all `terms`, higher is better; -1 if one does not
 * match. Adds the positions of matched characters, in code units, to `places`.
 */
export function scoreOf(
  terms: readonly Term[],
  subject: Subject,
  places?: Set<number>,
): number {
  let sum = 0;
  for (const term of terms) {
    const score = scoreOfTerm(term, subject, places);
    if (score < 0) return -1;
    sum += score;
  }
  return sum;
}

function scoreOfTerm(
  { text: term, isExact }: Term,
  subject: Subject,
  places: Set<number> | undefined,
): number {
  const text = isExact ? subject.text : subject.folded;
  const end = endOfMatch(term, text, 0);
  if (end < 0) return -1;
  const starts = startsOf(term, text, { end, lastPart: subject.lastPart });
  let best = -Infinity;
  let from = 0;
  for (const start of starts) {
    const score = scoreFrom(term, text, subject, start);
    if (score > best) [best, from] = [score, start];
  }
  if (places !== undefined) addPlaces(term, text, from, places);
  return Math.max(best, 0); // long gaps cost more points than the characters score
}

/** Positions where the best match may begin; the first match ends at `end`. */
function startsOf(
  term: string,
  text: string,
  { end, lastPart }: { end: number; lastPart: number },
): number[] {
  let at = text.indexOf(term);
  if (at >= 0) {
    const starts = [];
    while (at >= 0 && starts.length < MOST_PLACES - 1) {
      starts.push(at);
      at = text.indexOf(term, at + 1);
    }
    if (at >= 0) starts.push(text.lastIndexOf(term));
    return starts;
  }
  const inLast = endOfMatch(term, text, lastPart);
  return inLast > end
    ? [startOfMatch(term, text, end), startOfMatch(term, text, inLast)]
    : [startOfMatch(term, text, end)];
}

/** The end of the first match at or after `from`; -1 if there is none. */
function endOfMatch(term: string, text: string, from: number): number {
  let at = text.indexOf(term[0]!, from);
  if (at < 0 || term.length === 1) return at;
  let unit = 1;
  let wanted = term.charCodeAt(unit);
  while (++at < text.length) {
    if (text.charCodeAt(at) !== wanted) continue;
    if (++unit === term.length) return at;
    wanted = term.charCodeAt(unit);
  }
  return -1;
}

/** The last position at which a match that ends at `end` can begin. */
function startOfMatch(term: string, text: string, end: number): number {
  let at = end;
  for (let unit = term.length - 2; unit >= 0; unit--) {
    at = text.lastIndexOf(term[unit]!, at - 1);
  }
  return at;
}

/** The score of the match that begins at `start`, if there is one. */
function scoreFrom(
  term: string,
  text: string,
  { text: original, lastPart }: Subject,
  start: number,
): number {
  let score = start >= lastPart ? IN_LAST_PART : 0;
  let last = start - 1;
  let run = 0; // the points for the first of the adjacent characters
  for (let unit = 0; unit < term.length; unit++) {
    const at = unit === 0 ? start : text.indexOf(term[unit]!, last + 1);
    const gap = at - last - 1;
    const place = placeBonus(original, at);
    score += FOUND;
    if (unit === 0) score += FIRST * (run = place);
    else if (gap === 0) score += Math.max(place, run, TOGETHER);
    else score += GAP + LONGER_GAP * (gap - 1) + (run = place);
    last = at;
  }
  return score;
}

const SLASH = 0x2f;

function placeBonus(text: string, at: number): number {
  if (at === 0) return PART_START;
  const before = text.charCodeAt(at - 1);
  if (before === SLASH) return PART_START;
  const here = text.charCodeAt(at);
  if (!isWordUnit(before)) return isWordUnit(here) ? WORD_START : 0;
  if (isCapital(here) && !isCapital(before)) return CAPITAL;
  return isDigit(here) && !isDigit(before) ? CAPITAL : 0;
}

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39;
}

function isCapital(unit: number): boolean {
  return unit >= 0x41 && unit <= 0x5a;
}

/** Letters and digits; everything outside ASCII counts as a letter. */
function isWordUnit(unit: number): boolean {
  return unit >= 0x80 || isDigit(unit) || isCapital(unit) ||
    (unit >= 0x61 && unit <= 0x7a);
}

function addPlaces(
  term: string,
  text: string,
  start: number,
  places: Set<number>,
): void {
  let at = start;
  for (let unit = 0; unit < term.length; unit++) {
    if (unit > 0) at = text.indexOf(term[unit]!, at + 1);
    places.add(at);
  }
}
