// @ts-check
/**
 * The list of files in memory: folders, search and order, over 100,000 names
 * and more. Knows no page and no network. Works in slices: a view is a
 * generator that can be left between two of them.
 */

import { fold, orderKey, sortedOrder } from "./order.js";

/**
 * @typedef {[name: string, size: number, modifiedMs: number, nodes: number[], flags: number]} ListedFile
 * @typedef {{ complete: boolean, nodes: { id: string, name: string }[], files: ListedFile[] }} FileList
 * @typedef {"name" | "size" | "date" | "nodes"} Column
 * @typedef {"" | "only" | "differs"} Mark
 * @typedef {{ query: string, folder: string, column: Column | "", descending: boolean, mark: Mark, node: string }} Wanted
 * @typedef {{ name: string, isFolder: boolean, size: number, modifiedMs: number, nodes: string[], files: number, mark: Mark }} Row
 * @typedef {{ count: number, files: number, folders: number, bytes: number, marks: { only: number, differs: number }, on: string, rows: (from: number, to: number) => Row[] }} View
 */

/** Bits of a file's flags. */
export const FLAGS = { only: 1, differs: 2 };

/** Names that are looked at between two pauses: a few milliseconds of work. */
const SLICE = 10_000;
/** Names that are put in order between two pauses, which is more work. */
const LOAD_SLICE = 2_000;

/**
 * The words of a query, all of which a name must contain.
 * @param {string} query
 */
export function termsOf(query) {
  return fold(query.normalize("NFC")).split(/\s+/).filter((term) =>
    term !== ""
  );
}

/**
 * Places of the terms in a name, as pairs of start and end, joined and in order.
 * @param {string} name
 * @param {readonly string[]} terms
 * @returns {[number, number][]}
 */
export function placesOf(name, terms) {
  const folded = fold(name);
  const last = folded.lastIndexOf("/") + 1;
  /** @type {[number, number][]} */
  const places = [];
  for (const term of terms) {
    const inLast = folded.indexOf(term, last);
    const at = inLast >= 0 ? inLast : folded.indexOf(term);
    if (at >= 0) places.push([at, at + term.length]);
  }
  places.sort((a, b) => a[0] - b[0]);
  /** @type {[number, number][]} */
  const joined = [];
  for (const [start, end] of places) {
    const before = joined.at(-1);
    if (before !== undefined && start <= before[1]) {
      before[1] = Math.max(before[1], end);
    } else joined.push([start, end]);
  }
  return joined;
}

/** @type {ListedFile} */
const NO_FILE = ["", 0, 0, [], 0];

/** The files of all nodes, in the order of their names. */
export class Finder {
  /** @type {ListedFile[]} */
  #files = [];
  /** @type {string[]} */
  #folded = [];
  /** Where the last part of each name begins. */
  #lastParts = new Uint32Array();
  #sizes = new Float64Array();
  /** Flags of each file. */
  #marks = new Uint8Array();
  /** @type {readonly { id: string, name: string }[]} */
  #nodes = [];
  /** Flags that say something: with one node, all files are only there. */
  #flags = FLAGS.only | FLAGS.differs;
  /**
   * What the last search found, in the order of names, and for which terms: a
   * longer query finds no other files.
   * @type {{ terms: readonly string[], folder: string, node: string, files: readonly number[] } | undefined}
   */
  #found;

  /** Number of files. */
  get count() {
    return this.#files.length;
  }

  /**
   * Takes a list in place of the one before, once all of it is in order. Yields
   * between slices, in which the list before can be searched.
   * @param {Pick<FileList, "nodes" | "files">} list
   * @returns {Generator<void, void>}
   */
  *load({ nodes, files }) {
    /** @type {string[]} */
    const unordered = [];
    /** @type {string[]} */
    const keys = [];
    for (const [name] of files) {
      const text = fold(name);
      unordered.push(text);
      keys.push(orderKey(text));
      if (keys.length % LOAD_SLICE === 0) yield;
    }
    const order = yield* sortedOrder(keys, LOAD_SLICE);
    const flags = FLAGS.differs | (nodes.length > 1 ? FLAGS.only : 0);
    /** @type {ListedFile[]} */
    const ordered = [];
    /** @type {string[]} */
    const folded = [];
    const lastParts = new Uint32Array(files.length);
    const sizes = new Float64Array(files.length);
    const marks = new Uint8Array(files.length);
    for (let at = 0; at < files.length; at++) {
      if (at % LOAD_SLICE === LOAD_SLICE - 1) yield;
      const from = order[at] ?? 0;
      const file = files[from] ?? NO_FILE;
      ordered.push(file);
      folded.push(unordered[from] ?? "");
      lastParts[at] = file[0].lastIndexOf("/") + 1;
      sizes[at] = file[1];
      marks[at] = file[4] & flags;
    }
    this.#nodes = nodes;
    this.#flags = flags;
    this.#found = undefined;
    this.#files = ordered;
    this.#folded = folded;
    [this.#sizes, this.#marks, this.#lastParts] = [sizes, marks, lastParts];
  }

  /**
   * What a person wants to see. Yields between slices.
   * @param {Wanted} wanted
   * @returns {Generator<void, View>}
   */
  *view(wanted) {
    const { query, column, descending, mark, node } = wanted;
    const terms = termsOf(query);
    const at = this.#nodes.findIndex(({ id }) => id === node);
    const isOn = node === ""
      ? () => true
      : /** @param {number} file */ (file) =>
        this.#files[file]?.[3].includes(at) ?? false;
    const found = terms.length > 0 || mark !== ""
      ? yield* this.#matches(terms, wanted, isOn)
      : yield* this.#children(wanted, isOn);
    const { files, folders, marks } = found;
    const ordered = this.#ordered(files, { column, descending });
    const groups = orderFolders(folders, { column, descending });
    const bytes = groups.reduce((sum, group) => sum + group.size, 0) +
      files.reduce((sum, file) => sum + (this.#sizes[file] ?? 0), 0);
    const count = groups.length + ordered.length;
    return {
      count,
      bytes,
      folders: groups.length,
      files: groups.reduce((sum, group) => sum + group.files, files.length),
      marks,
      on: this.#nodes[at]?.name ?? node,
      rows: (from, to) => {
        const rows = groups.slice(from, to);
        const start = Math.max(0, from - groups.length);
        const end = Math.max(0, to - groups.length);
        for (const file of ordered.slice(start, end)) {
          rows.push(this.#rowOf(file));
        }
        return rows;
      },
    };
  }

  /**
   * Files below a folder that contain all terms and have a mark, best first.
   * @param {readonly string[]} terms
   * @param {Wanted} wanted
   * @param {(file: number) => boolean} isOn whether the wanted node has a file
   */
  *#matches(terms, { folder, mark, node }, isOn) {
    /** @type {number[][]} */
    const ranks = [[], [], [], []];
    const marks = { only: 0, differs: 0 };
    const flag = mark === "" ? 0 : FLAGS[mark];
    const among = this.#foundBefore(terms, { folder, node });
    /** @type {number[]} */
    const all = [];
    const count = among?.length ?? this.#files.length;
    for (let at = 0; at < count; at++) {
      if (at % SLICE === SLICE - 1) yield;
      const index = among?.[at] ?? at;
      const folded = this.#folded[index] ?? "";
      if (!hasAll(folded, terms) || !isOn(index)) continue;
      if (folder !== "" && !this.#files[index]?.[0].startsWith(folder)) {
        continue;
      }
      all.push(index);
      const flags = this.#marks[index] ?? 0;
      if (flags !== 0) countMarks(marks, flags);
      if (mark !== "" && !(flags & flag)) continue;
      const rank = rankOf(folded, terms[0] ?? "", this.#lastParts[index] ?? 0);
      ranks[rank]?.push(index);
    }
    this.#found = { terms, folder, node, files: all };
    return { files: ranks.flat(), folders: [], marks };
  }

  /**
   * The files among which those with these terms are, if that is known.
   * @param {readonly string[]} terms
   * @param {Pick<Wanted, "folder" | "node">} wanted
   */
  #foundBefore(terms, { folder, node }) {
    const before = this.#found;
    const isNarrower = before !== undefined &&
      folder.startsWith(before.folder) &&
      (before.node === "" || before.node === node) &&
      before.terms.every((old) => terms.some((term) => term.includes(old)));
    return isNarrower ? before.files : undefined;
  }

  /**
   * Files and folders that lie in a folder.
   * @param {Pick<Wanted, "folder">} wanted
   * @param {(file: number) => boolean} isOn whether the wanted node has a file
   */
  *#children({ folder }, isOn) {
    /** @type {number[]} */
    const files = [];
    /** @type {Map<string, Row>} */
    const folders = new Map();
    /** @type {Row | undefined} */
    let last;
    const marks = { only: 0, differs: 0 };
    for (let index = 0; index < this.#files.length; index++) {
      if (index % SLICE === SLICE - 1) yield;
      const file = this.#files[index];
      if (file === undefined || !file[0].startsWith(folder)) continue;
      if (!isOn(index)) continue;
      const [name, size, modifiedMs] = file;
      const flags = this.#marks[index] ?? 0;
      if (flags !== 0) countMarks(marks, flags);
      if (last !== undefined && name.startsWith(last.name)) {
        addTo(last, size, modifiedMs);
        continue;
      }
      const slash = name.indexOf("/", folder.length);
      if (slash < 0) {
        files.push(index);
        continue;
      }
      const path = name.slice(0, slash + 1);
      const group = folders.get(path);
      last = group;
      if (group !== undefined) addTo(group, size, modifiedMs);
      else {
        last = {
          ...{ name: path, isFolder: true, size, modifiedMs, files: 1 },
          ...{ nodes: [], mark: "" },
        };
        folders.set(path, last);
      }
    }
    return { files, folders: [...folders.values()], marks };
  }

  /**
   * @param {number[]} files
   * @param {Pick<Wanted, "column" | "descending">} order
   */
  #ordered(files, { column, descending }) {
    if (column === "") return files;
    if (column === "name") {
      const byName = files.toSorted((a, b) => a - b);
      return descending ? byName.reverse() : byName;
    }
    const keys = new Map(files.map((file) => [file, this.#key(file, column)]));
    const sign = descending ? -1 : 1;
    return files.toSorted((a, b) =>
      sign * ((keys.get(a) ?? 0) - (keys.get(b) ?? 0)) || a - b
    );
  }

  /**
   * @param {number} index
   * @param {"size" | "date" | "nodes"} column
   */
  #key(index, column) {
    const [, size, modifiedMs, nodes] = this.#files[index] ?? NO_FILE;
    if (column === "size") return size;
    return column === "date" ? modifiedMs : nodes.length;
  }

  /**
   * @param {number} index
   * @returns {Row}
   */
  #rowOf(index) {
    const [name, size, modifiedMs, nodes, flags] = this.#files[index] ??
      NO_FILE;
    return {
      ...{ name, isFolder: false, size, modifiedMs, files: 1 },
      nodes: nodes.map((node) => this.#nodes[node]?.name ?? "?"),
      mark: flags & FLAGS.differs
        ? "differs"
        : flags & this.#flags & FLAGS.only
        ? "only"
        : "",
    };
  }
}

/**
 * Counts one more file in a folder.
 * @param {Row} folder
 * @param {number} size
 * @param {number} modifiedMs
 */
function addTo(folder, size, modifiedMs) {
  folder.size += size;
  folder.files++;
  folder.modifiedMs = Math.max(folder.modifiedMs, modifiedMs);
}

/**
 * Whether a name has all terms.
 * @param {string} folded
 * @param {readonly string[]} terms
 */
function hasAll(folded, terms) {
  for (const term of terms) if (!folded.includes(term)) return false;
  return true;
}

/**
 * Where the first term stands, best first: at the start of the last part, at
 * the start of a word in it, anywhere in it, elsewhere.
 * @param {string} folded
 * @param {string} term
 * @param {number} last where the last part begins
 */
function rankOf(folded, term, last) {
  const at = folded.indexOf(term, last);
  if (at < 0) return 3;
  if (at === last) return 0;
  return isWordUnit(folded.charCodeAt(at - 1)) ? 2 : 1;
}

/**
 * Letters and digits of folded text; all outside of ASCII counts as letters.
 * @param {number} unit
 */
function isWordUnit(unit) {
  return unit >= 0x80 || (unit >= 0x30 && unit <= 0x39) ||
    (unit >= 0x61 && unit <= 0x7a);
}

/**
 * @param {{ only: number, differs: number }} marks
 * @param {number} flags
 */
function countMarks(marks, flags) {
  if (flags & FLAGS.only) marks.only++;
  if (flags & FLAGS.differs) marks.differs++;
}

/**
 * @param {Row[]} folders
 * @param {Pick<Wanted, "column" | "descending">} order
 */
function orderFolders(folders, { column, descending }) {
  if (column === "" || column === "name" || column === "nodes") {
    return column === "name" && descending ? folders.toReversed() : folders;
  }
  const sign = descending ? -1 : 1;
  const key = column === "size" ? "size" : "modifiedMs";
  return folders.toSorted((a, b) => sign * (a[key] - b[key]));
}
