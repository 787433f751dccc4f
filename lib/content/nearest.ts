/**
 * Finds the names that a user may have meant, among many. Pure. It keeps only
 * the best, and the time for each name is bounded, because names come from
 * strangers.
 *
 * @module
 */

import { foldCase } from "../base/text.ts";
import { isHidden } from "./glob.ts";

// With more names, the intended one would be hard to see.
const MOST_NAMES = 3;
// If more than a third of a name is wrong, it could be any.
const WRONG_PART = 3;
// Fewer letters occur in too many names.
const LEAST_PART = 3;
// Fields of the table of distances, for all names together. The letters of each
// name count too: together about a second.
const MOST_FIELDS = 2e7;

/** How far a name is from the wanted one: lower is nearer. */
const RANK = {
  folder: 0,
  otherCase: 1,
  start: 2,
  // `report.pdf` for `report-2026.pdf`: the start, and the same extension.
  stem: 2,
  misspelt: 3,
  part: 20,
};

interface Near {
  readonly name: string;
  readonly rank: number;
}

/**
 * The names nearest to a wanted one, at most 3. A name is near if its last part
 * has another case, begins with the wanted text, contains it, or differs in at
 * most a third of the letters. A folder of that name is near too.
 */
export class NearestNames {
  readonly #wanted: string;
  /** Number of components that are compared. */
  readonly #depth: number;
  /** It, without its extension, and the extension. */
  readonly #split: readonly [string, string];
  #near: Near[] = [];
  #fields = 0;

  constructor(wanted: string) {
    this.#wanted = foldCase(wanted);
    this.#depth = wanted.split("/").length;
    this.#split = split(this.#wanted);
  }

  /** The names, the nearest first. A folder ends in a slash. */
  get names(): readonly string[] {
    return this.#near.map(({ name }) => name);
  }

  /** Compares one name. Hidden ones are near only to a wanted hidden one. */
  note(name: string): void {
    this.#fields += name.length;
    if (this.#fields > MOST_FIELDS) return;
    if (isHidden(name) && !isHidden(this.#wanted)) return;
    const folded = foldCase(name);
    const end = `/${folded}`.indexOf(`/${this.#wanted}/`);
    if (end >= 0) {
      const folder = name.slice(0, end + this.#wanted.length);
      return this.#add({ name: `${folder}/`, rank: RANK.folder });
    }
    const rank = this.#rankOf(lastParts(folded, this.#depth));
    if (rank !== undefined) this.#add({ name, rank });
  }

  #rankOf(text: string): number | undefined {
    const wanted = this.#wanted;
    if (text === wanted) return RANK.otherCase;
    if (wanted.length >= LEAST_PART) {
      if (text.startsWith(wanted)) return RANK.start;
      if (text.includes(wanted)) return RANK.part;
    }
    const [stem, extension] = this.#split;
    const [ofText, other] = split(text);
    const isLonger = stem.length >= LEAST_PART && ofText.startsWith(stem);
    if (isLonger && extension === other) return RANK.stem;
    // A name without an extension may mean one with any. The same extension
    // makes no two names alike.
    const distance = extension === other || extension === ""
      ? this.#distance(stem, ofText)
      : this.#distance(wanted, text);
    if (distance !== undefined) return RANK.misspelt + distance;
    // A word alone may mean the first of several.
    const [word] = ofText.split(/[\s_.-]/, 1);
    if (extension !== "" || word === ofText) return undefined;
    const ofWord = this.#distance(stem, word!);
    return ofWord === undefined ? undefined : RANK.misspelt + ofWord + 1;
  }

  /** The distance, if the texts are near enough. */
  #distance(wanted: string, text: string): number | undefined {
    const longer = Math.max(wanted.length, text.length);
    const most = Math.floor(longer / WRONG_PART);
    if (Math.abs(wanted.length - text.length) > most) return undefined;
    this.#fields += wanted.length * text.length;
    if (this.#fields > MOST_FIELDS) return undefined;
    const distance = editDistance(wanted, text);
    return distance <= most ? distance : undefined;
  }

  #add(near: Near): void {
    const worst = this.#near.at(-1);
    const isFull = this.#near.length === MOST_NAMES;
    if (isFull && compare(near, worst!) >= 0) return;
    if (this.#near.some(({ name }) => name === near.name)) return;
    this.#near = [...this.#near, near].sort(compare).slice(0, MOST_NAMES);
  }
}

/** A name without its extension, and the extension with its dot. */
function split(name: string): [string, string] {
  const at = name.lastIndexOf(".");
  const isThere = at > name.lastIndexOf("/") + 1;
  return isThere ? [name.slice(0, at), name.slice(at)] : [name, ""];
}

/** Nearest first; then short ones, and then in the order of code units. */
function compare(a: Near, b: Near): number {
  return a.rank - b.rank || a.name.length - b.name.length ||
    (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}

/** The last components of a name. */
export function lastParts(name: string, depth: number): string {
  let at = name.length;
  for (let n = 0; n < depth && at >= 0; n++) {
    at = name.lastIndexOf("/", at - 1);
  }
  return name.slice(at + 1);
}

/**
 * How many letters must be added, removed, replaced, or swapped with the next
 * to turn `from` into `to` (optimal string alignment).
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
