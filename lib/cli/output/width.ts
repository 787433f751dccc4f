/**
 * The columns that text takes on a terminal, by Unicode's East Asian Width (UAX
 * #11) and general categories. Pure. Ambiguous characters count as one column,
 * as in terminals.
 *
 * @module
 */

// The first and last character of each range with two columns: W and F of UAX
// #11. Unassigned characters count like the block around them.
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f], // Hangul initials
  [0x2329, 0x232a],
  [0x2e80, 0x303e], // radicals, punctuation
  [0x3041, 0x3247], // kana, bopomofo
  [0x3250, 0x33ff], // enclosed, squared
  [0x3400, 0xa4cf], // ideographs, Yi
  [0xa960, 0xa97c],
  [0xac00, 0xd7a3], // Hangul syllables
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6b],
  [0xff01, 0xff60], // full-width forms
  [0xffe0, 0xffe6],
  [0x16fe0, 0x18dff], // Tangut, Khitan
  [0x1aff0, 0x1b2ff], // kana supplements
  [0x1f200, 0x1f265],
  [0x20000, 0x3fffd], // ideographs
];

// They join the character before, or are invisible. Hangul medials and finals
// join their initial.
const UNSEEN = /^[\p{Mn}\p{Me}\p{Cf}\p{Cc}\u1160-\u11ff\ud7b0-\ud7ff]$/u;
const EMOJI = /^\p{Emoji_Presentation}$/u;

const FIRST_NOT_PLAIN = 0x300;

/** Columns of one character (a code point): 0, 1 or 2. */
export function widthOfCharacter(character: string): 0 | 1 | 2 {
  const point = character.codePointAt(0) ?? 0;
  if (point >= 0x20 && point < 0x7f) return 1;
  if (point >= 0xa0 && point < FIRST_NOT_PLAIN && point !== 0xad) return 1;
  if (UNSEEN.test(character)) return 0;
  if (isWide(point)) return 2;
  // Regional indicators have one column each: two make a flag.
  const isFlagLetter = point >= 0x1f1e6 && point <= 0x1f1ff;
  return EMOJI.test(character) && !isFlagLetter ? 2 : 1;
}

function isWide(point: number): boolean {
  return WIDE.some(([first, last]) => point >= first && point <= last);
}

// Such text has as many columns as code units.
const PLAIN = /^[\x20-\x7e]*$/;

export function widthOf(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let columns = 0;
  for (const character of text) columns += widthOfCharacter(character);
  return columns;
}

/** `text` with spaces after it, to fill `columns`. */
export function padEnd(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - widthOf(text)));
}

/** `text`, or its start and `…`, in at most `columns`. */
export function cutEnd(text: string, columns: number): string {
  if (fits(text, columns)) return text;
  return columns < 1 ? "" : startOf(text, columns - 1) + "…";
}

/** `text`, or `…` and its end, in at most `columns`. */
export function cutStart(text: string, columns: number): string {
  if (fits(text, columns)) return text;
  return columns < 1 ? "" : "…" + endOf(text, columns - 1);
}

/** The start of `text` that fits into `columns`. */
export function startOf(text: string, columns: number): string {
  let taken = 0;
  let end = 0;
  for (const part of partsOf(text)) {
    taken += widthOf(part);
    if (taken > columns) break;
    end += part.length;
  }
  return text.slice(0, end);
}

/** The end of `text` that fits, without marks whose character is cut off. */
function endOf(text: string, columns: number): string {
  const parts = Array.from(partsOf(text));
  let taken = 0;
  let start = parts.length;
  for (let at = parts.length - 1; at >= 0; at--) {
    const width = widthOf(parts[at]!);
    taken += width;
    if (taken > columns) break;
    if (width > 0) start = at;
  }
  return parts.slice(start).join("");
}

const PARTS = /\\x[0-9a-f]{2}|\\u\{[0-9a-f]{1,6}\}|./gsu;

/** The characters of a text. An escape stays whole: a part of it misleads. */
function partsOf(text: string): Iterable<string> {
  return text.includes("\\") ? text.match(PARTS)! : text;
}

function fits(text: string, columns: number): boolean {
  // Text has at most twice as many columns as code units.
  return text.length * 2 <= columns || widthOf(text) <= columns;
}
