// @ts-check
/**
 * The list of files in memory: folders, search and order, for 100,000 names and
 * more. Uses neither the page nor the network. Works in slices: a view is a
 * generator that can be stopped between two of them.
 */

import { Hits } from "./matching.js";
import { fold, orderKey, sortedOrder } from "./order.js";

/**
 * @typedef {[name: string, size: number, modifiedMs: number, nodes: number[], flags: number]} ListedFile
 * @typedef {{ complete: boolean, problem?: string, nodes: { id: string, name: string }[], files: ListedFile[] }} FileList
 * @typedef {"name" | "size" | "date" | "nodes"} Column
 * @typedef {"" | "only" | "differs"} Mark
 * @typedef {{ query: string, folder: string, column: Column | "", descending: boolean, mark: Mark, node: string }} Wanted
 * @typedef {{ name: string, isFolder: boolean, size: number, modifiedMs: number, nodes: string[], files: number, mark: Mark }} Row
 * @typedef {{ files: Uint32Array, folders: Row[], bytes: number, marks: { only: number, differs: number } }} Found
 * @typedef {{ count: number, files: number, folders: number, bytes: number, marks: { only: number, differs: number }, on: string, rows: (from: number, to: number) => Row[] }} View
 */

/** Bits of a file's flags; `matching.js` counts them. */
export const FLAGS = { only: 1, differs: 2 };

/** Names searched between two pauses: a few milliseconds of work. */
const SLICE = 10_000;
/** Names sorted between two pauses, which is more work. */
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
 * Where the terms stand in a name: sorted pairs of start and end, without
 * overlaps.
 * @param {string} name
 * @param {readonly string[]} terms
 * @returns {[number, number][]}
 */
export function matchSpans(name, terms) {
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
  /** @type {import("./matching.js").Columns} */
  #columns = {
    ...{ files: [], folded: [], lastParts: new Uint32Array() },
    ...{ sizes: new Float64Array(), marks: new Uint8Array() },
  };
  /** @type {readonly { id: string, name: string }[]} */
  #nodes = [];
  /** Flags that are shown: with one node, `only` would mark every file. */
  #flags = FLAGS.only | FLAGS.differs;
  /**
   * What the last search found, in the order of names, and its terms: a longer
   * query finds a part of these files.
   * @type {{ terms: readonly string[], folder: string, node: string, files: Uint32Array } | undefined}
   */
  #found;
  /**
   * For each column that was sorted by: the position of each file, and the file
   * at each position.
   * @type {Map<string, { places: Uint32Array, files: Uint32Array }>}
   */
  #orders = new Map();

  /** Number of files. */
  get count() {
    return this.#columns.files.length;
  }

  /**
   * Replaces the list once the new one is sorted. Yields between slices; until
   * the end, views show the previous list.
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
    this.#orders.clear();
    this.#columns = { files: ordered, folded, lastParts, sizes, marks };
  }

  /**
   * Computes a view. Yields between slices.
   * @param {Wanted} wanted
   * @returns {Generator<void, View>}
   */
  *view(wanted) {
    const { query, mark, node } = wanted;
    const terms = termsOf(query);
    const at = this.#nodes.findIndex(({ id }) => id === node);
    const on = node === "" ? undefined : at;
    const found = terms.length > 0 || mark !== ""
      ? yield* this.#matches(terms, wanted, on)
      : yield* this.#children(wanted, on);
    const { files, folders, marks, bytes } = found;
    const ordered = yield* this.#ordered(files, wanted);
    const groups = orderFolders(folders, wanted);
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
   * @param {number | undefined} on the node that has them
   * @returns {Generator<void, Found>}
   */
  *#matches(terms, { folder, mark, node }, on) {
    const flag = mark === "" ? 0 : FLAGS[mark];
    const among = this.#previousMatches(terms, { folder, node });
    const count = among?.length ?? this.count;
    const hits = new Hits(count);
    const criteria = { terms, folder, node: on, flag };
    for (let from = 0; from < count; from += SLICE) {
      if (from > 0) yield;
      const to = Math.min(count, from + SLICE);
      hits.take(this.#columns, criteria, { among, from, to });
    }
    this.#found = { terms, folder, node, files: hits.all };
    const { bytes, marks } = hits;
    return { files: hits.bestFirst(), folders: [], bytes, marks };
  }

  /**
   * Files of the last search, if all matches of these terms are among them.
   * @param {readonly string[]} terms
   * @param {Pick<Wanted, "folder" | "node">} wanted
   */
  #previousMatches(terms, { folder, node }) {
    const before = this.#found;
    const isNarrower = before !== undefined &&
      folder.startsWith(before.folder) &&
      (before.node === "" || before.node === node) &&
      before.terms.every((old) => terms.some((term) => term.includes(old)));
    return isNarrower ? before.files : undefined;
  }

  /**
   * Files and folders directly in a folder.
   * @param {Pick<Wanted, "folder">} wanted
   * @param {number | undefined} on the node that has them
   * @returns {Generator<void, Found>}
   */
  *#children({ folder }, on) {
    const { files: all, marks: flags } = this.#columns;
    /** @type {number[]} */
    const files = [];
    /** @type {Map<string, Row>} */
    const folders = new Map();
    /** @type {Row | undefined} */
    let last;
    const marks = { only: 0, differs: 0 };
    let bytes = 0;
    for (let index = 0; index < all.length; index++) {
      if (index % SLICE === SLICE - 1) yield;
      const file = all[index];
      if (file === undefined || !file[0].startsWith(folder)) continue;
      const [name, size, modifiedMs, nodes] = file;
      if (on !== undefined && !nodes.includes(on)) continue;
      bytes += size;
      countMarks(marks, flags[index] ?? 0);
      if (last !== undefined && name.startsWith(last.name)) {
        countInFolder(last, size, modifiedMs);
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
      if (group !== undefined) countInFolder(group, size, modifiedMs);
      else {
        last = {
          ...{ name: path, isFolder: true, size, modifiedMs, files: 1 },
          ...{ nodes: [], mark: "" },
        };
        folders.set(path, last);
      }
    }
    return {
      ...{ bytes, marks, folders: [...folders.values()] },
      files: Uint32Array.from(files),
    };
  }

  /**
   * @param {Uint32Array} files
   * @param {Pick<Wanted, "column" | "descending">} order
   * @returns {Generator<void, Uint32Array>}
   */
  *#ordered(files, { column, descending }) {
    if (column === "") return files;
    if (column === "name") {
      const byName = files.toSorted();
      return descending ? byName.reverse() : byName;
    }
    const order = yield* this.#orderBy(column, descending);
    const places = files.map((file) => order.places[file] ?? 0).sort();
    return places.map((place) => order.files[place] ?? 0);
  }

  /**
   * All files sorted by a column, equal ones by name.
   * @param {"size" | "date" | "nodes"} column
   * @param {boolean} descending
   */
  *#orderBy(column, descending) {
    const { files: all } = this.#columns;
    const known = this.#orders.get(`${column} ${descending}`);
    if (known !== undefined) return known;
    const sign = descending ? -1 : 1;
    const keys = all.map((file) => sign * keyOf(file, column));
    const files = yield* sortedOrder(keys, LOAD_SLICE);
    const places = new Uint32Array(files.length);
    files.forEach((file, place) => {
      places[file] = place;
    });
    // A new list may have arrived between two slices.
    if (this.#columns.files === all) {
      this.#orders.set(`${column} ${descending}`, { places, files });
    }
    return { places, files };
  }

  /**
   * @param {number} index
   * @returns {Row}
   */
  #rowOf(index) {
    const [name, size, modifiedMs, nodes, flags] = this.#columns.files[index] ??
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
function countInFolder(folder, size, modifiedMs) {
  folder.size += size;
  folder.files++;
  folder.modifiedMs = Math.max(folder.modifiedMs, modifiedMs);
}

/**
 * @param {ListedFile} file
 * @param {"size" | "date" | "nodes"} column
 */
function keyOf([, size, modifiedMs, nodes], column) {
  if (column === "size") return size;
  return column === "date" ? modifiedMs : nodes.length;
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
