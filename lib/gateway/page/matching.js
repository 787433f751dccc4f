// @ts-check
/**
 * Matches every name of a list at each key: plain loops over numbers and texts,
 * apart from the pauses. Pure.
 */

/** @typedef {import("./finder.js").ListedFile} ListedFile */

/**
 * What is known of each file, in the order of names.
 * @typedef {object} Columns
 * @property {readonly ListedFile[]} files
 * @property {readonly string[]} folded names without capitals and accents
 * @property {Uint32Array} lastParts where the last part of each name begins
 * @property {Float64Array} sizes
 * @property {Uint8Array} marks flags
 */

/**
 * What a file must match.
 * @typedef {object} Criteria
 * @property {readonly string[]} terms texts in its name
 * @property {string} folder how its name begins
 * @property {number | undefined} node the index of a node that has it
 * @property {number} flag a bit of its flags; 0 for any file
 */

/** Ranks of hits, best first; hits without the wanted mark get the last. */
const RANKS = 5;
const HIDDEN = RANKS - 1;

/** What was found, in the order of names. */
export class Hits {
  #files;
  #ranks;
  #count = 0;
  /** How many have each rank. */
  #counts = new Uint32Array(RANKS);
  /** Bytes of those that are shown. */
  bytes = 0;
  /** How many have each flag, shown or not. */
  marks = { only: 0, differs: 0 };

  /** @param {number} most */
  constructor(most) {
    this.#files = new Uint32Array(most);
    this.#ranks = new Uint8Array(most);
  }

  /**
   * Matches a slice of all files, or of `among`.
   * @param {Columns} columns
   * @param {Criteria} criteria
   * @param {{ among: Uint32Array | undefined, from: number, to: number }} slice
   */
  take(columns, criteria, { among, from, to }) {
    const { files, folded, lastParts, sizes, marks } = columns;
    const { terms, folder, node, flag } = criteria;
    const [first = "", ...others] = terms;
    const isNarrow = folder !== "" || node !== undefined;
    for (let at = from; at < to; at++) {
      const file = among === undefined ? at : among[at] ?? 0;
      const name = folded[file] ?? "";
      const last = lastParts[file] ?? 0;
      const place = name.indexOf(first, last);
      if (place < 0 && !name.includes(first)) continue;
      if (others.length > 0 && !hasAll(name, others)) continue;
      if (isNarrow && !isInScope(files[file], folder, node)) continue;
      const flags = marks[file] ?? 0;
      this.marks.only += flags & 1;
      this.marks.differs += (flags >> 1) & 1;
      let rank = HIDDEN;
      if (flag === 0 || (flags & flag) !== 0) {
        rank = rankOf(name, place, last);
        this.bytes += sizes[file] ?? 0;
      }
      this.#ranks[this.#count] = rank;
      this.#files[this.#count++] = file;
      this.#counts[rank] = (this.#counts[rank] ?? 0) + 1;
    }
  }

  /** All hits, in the order of names. */
  get all() {
    return this.#files.slice(0, this.#count);
  }

  /** The shown names, best match first; equal matches in the order of names. */
  bestFirst() {
    const ends = new Uint32Array(RANKS);
    for (let rank = 1; rank < RANKS; rank++) {
      ends[rank] = (ends[rank - 1] ?? 0) + (this.#counts[rank - 1] ?? 0);
    }
    const ordered = new Uint32Array(this.#count);
    for (let at = 0; at < this.#count; at++) {
      const rank = this.#ranks[at] ?? 0;
      const place = ends[rank] ?? 0;
      ordered[place] = this.#files[at] ?? 0;
      ends[rank] = place + 1;
    }
    return ordered.subarray(0, ends[HIDDEN - 1]);
  }
}

/**
 * @param {string} name
 * @param {readonly string[]} terms
 */
function hasAll(name, terms) {
  for (const term of terms) if (!name.includes(term)) return false;
  return true;
}

/**
 * @param {ListedFile | undefined} file
 * @param {string} folder
 * @param {number | undefined} node
 */
function isInScope(file, folder, node) {
  if (file === undefined || !file[0].startsWith(folder)) return false;
  return node === undefined || file[3].includes(node);
}

/**
 * Where the first term stands, best first: at the start of the last part, at
 * the start of a word in it, anywhere in it, elsewhere.
 * @param {string} folded
 * @param {number} place where it stands in the last part
 * @param {number} last where the last part begins
 */
function rankOf(folded, place, last) {
  if (place < 0) return 3;
  if (place === last) return 0;
  return isWordUnit(folded.charCodeAt(place - 1)) ? 2 : 1;
}

/**
 * Letters and digits of folded text; all outside of ASCII counts as letters.
 * @param {number} unit
 */
function isWordUnit(unit) {
  return unit >= 0x80 || (unit >= 0x30 && unit <= 0x39) ||
    (unit >= 0x61 && unit <= 0x7a);
}
