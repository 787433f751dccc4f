/**
 * Makes a stranger's text safe to display. All text of peers and all error text
 * of the system goes through {@linkcode show} before it reaches a terminal or a
 * log.
 *
 * @module
 */

/** Columns after which {@linkcode show} cuts. */
const SHOW_COLUMNS = 200;

// Control, format (bidi controls are Cf), surrogate, private-use, unassigned,
// and the line and paragraph separators.
const UNSHOWABLE = /[\p{C}\p{Zl}\p{Zp}]/gu;

/**
 * Escapes everything in `text` that could control a terminal, is invisible, or
 * changes the order of reading, and cuts it at 200 characters.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { show } from "./text.ts";
 *
 * assertEquals(show("a\x1b[2Jb\u202ec"), "a\\x1b[2Jb\\u{202e}c");
 * ```
 */
export function show(text: string): string {
  const characters = Array.from(text.slice(0, 2 * SHOW_COLUMNS + 2));
  const cut = characters.length > SHOW_COLUMNS;
  const kept = cut ? characters.slice(0, SHOW_COLUMNS).join("") : text;
  return showWhole(kept) + (cut ? "…" : "");
}

/**
 * Like {@linkcode show}, but never shortens the text: for file names and other
 * text of bounded length that people may want to copy.
 */
export function showWhole(text: string): string {
  return text.replaceAll(UNSHOWABLE, escapeCharacter);
}

// Control characters except tab and line break, and bidi controls; before them
// a change of colours, which is ours.
const CONTROLLING =
  // deno-lint-ignore no-control-regex
  /(\x1b\[[\d;]*m)|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g;

/**
 * Escapes what could control a terminal in whole lines of output. The last line
 * of defence: {@linkcode show} must have escaped a stranger's text before.
 */
export function showLines(text: string): string {
  return text.replace(
    CONTROLLING,
    (found, colours) => colours ?? escapeCharacter(found),
  );
}

/**
 * A name as one whole word for a shell. Names contain no control characters.
 */
export function quoted(name: string): string {
  return /^[\w./][\w./-]*$/.test(name) ? name : inQuotes(name);
}

/** A name in quotes for a shell. */
export function inQuotes(name: string): string {
  return `'${showWhole(name).replaceAll("'", "'\\''")}'`;
}

function escapeCharacter(character: string): string {
  const point = character.codePointAt(0) ?? 0;
  const hex = point.toString(16);
  return point < 0x100 ? `\\x${hex.padStart(2, "0")}` : `\\u{${hex}}`;
}

/**
 * The text with capitals and small letters alike, for comparing names. Keeps
 * the number of characters: one whose other case is longer stays as it is.
 */
export function foldCase(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase();
  return Array.from(text, foldCharacter).join("");
}

// deno-lint-ignore no-control-regex
const ASCII = /^[\x00-\x7f]*$/;

/**
 * Goes through the capital letter, because two small letters may share it: σ
 * and ς.
 */
function foldCharacter(character: string): string {
  const capital = character.toUpperCase();
  const small = (isOne(capital) ? capital : character).toLowerCase();
  return isOne(small) ? small : character;
}

function isOne(text: string): boolean {
  return text.length === 1 || Array.from(text).length === 1;
}

/** A count with its noun, `1 file` or `2 files`. Adds an `s` to `noun`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** Escapes JSON so that it keeps its meaning and cannot control a terminal. */
export function escapeJson(json: string): string {
  return json.replaceAll(
    UNSHOWABLE,
    (character) =>
      Array.from(
        { length: character.length },
        (_, unit) =>
          `\\u${character.charCodeAt(unit).toString(16).padStart(4, "0")}`,
      ).join(""),
  );
}

// C0 without tab, newline, form feed and return; DEL; C1.
// deno-lint-ignore no-control-regex
const NOT_TEXT = /[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]/;

/**
 * Decides piece by piece whether content may go to a terminal: valid UTF-8
 * without control characters other than line breaks and tabs. A character on
 * the border of two pieces counts as a whole.
 */
export class TextCheck {
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });

  /** Whether everything up to and including `bytes` can still be text. */
  accepts(bytes: Uint8Array): boolean {
    try {
      return !NOT_TEXT.test(this.#decoder.decode(bytes, { stream: true }));
    } catch {
      return false; // not UTF-8
    }
  }

  /** Whether the content may end here, and not inside a character. */
  acceptsEnd(): boolean {
    try {
      return !NOT_TEXT.test(this.#decoder.decode());
    } catch {
      return false; // ends inside a character
    }
  }
}
