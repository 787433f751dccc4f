/**
 * The state of the picker: keys in, rows of a screen out. Pure: `screen` draws
 * the rows, and `keys` provides the keys.
 *
 * @module
 */

import type { FileListing } from "../../client/listing.ts";
import { counted, show } from "../../base/text.ts";
import type { Key } from "./keys.ts";
import { formatBytes } from "../../base/units.ts";
import { Search } from "./search.ts";
import { cutEnd, cutStart, startOf, widthOf } from "../output/width.ts";

/** Columns and rows of a terminal. */
export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** Text, with its emphasis, if any. */
export interface Span {
  readonly text: string;
  readonly style: "plain" | "match" | "warning" | "dim";
}

/** A row of the screen; `isMarked` for the one that Enter takes. */
export interface ScreenRow {
  readonly spans: readonly Span[];
  readonly isMarked: boolean;
}

/** The content of the screen. Columns and rows count from 0. */
export interface Frame {
  readonly rows: readonly ScreenRow[];
  readonly cursor: { readonly column: number; readonly row: number };
}

/** The effect of a key. */
export type KeyOutcome =
  /** The picker stays open. */
  | { readonly kind: "open" }
  /** The user chose this file. */
  | { readonly kind: "picked"; readonly file: FileListing }
  /** The user quit. */
  | { readonly kind: "left" };

/** Facts about all files together. */
export interface PickerOptions {
  /**
   * Number of nodes with the files. If there is only one, every file has one
   * copy.
   */
  readonly nodeCount: number;
  readonly size: Size;
}

const OPEN: KeyOutcome = { kind: "open" };
const LEFT: KeyOutcome = { kind: "left" };

const PROMPT = "> ";
const HELP = "Enter picks, Esc goes back";
// The rows above the files: the query, and the number of matches.
const HEAD_ROWS = 2;
// On narrower terminals, only the marked file shows its size and nodes.
const WIDE_COLUMNS = 50;
// The longest query, which `show` does not cut.
const MOST_QUERY_UNITS = 200;

/** A list to choose from. */
export class Picker {
  readonly #files: readonly FileListing[];
  readonly #nodeCount: number;
  readonly #search: Search;
  #size: Size;
  #query = "";
  #marked = 0;
  #top = 0;

  /** Offers `files`, in their order. */
  constructor(files: readonly FileListing[], options: PickerOptions) {
    this.#files = files;
    this.#nodeCount = options.nodeCount;
    this.#search = new Search(files.map(({ name }) => name));
    this.#size = options.size;
  }

  /** Handles a key. */
  press(key: Key): KeyOutcome {
    if (key.kind === "terminal") return OPEN;
    if (key.kind === "text") return this.#ask(this.#query + key.text);
    const page = Math.max(1, this.#listRows);
    switch (key.name) {
      case "enter":
        return this.#pick();
      case "escape":
      case "ctrl_c":
      case "ctrl_d":
      case "ctrl_g":
        return LEFT;
      case "up":
      case "ctrl_p":
      case "ctrl_k":
        return this.#mark(this.#marked - 1);
      case "down":
      case "ctrl_n":
        return this.#mark(this.#marked + 1);
      case "page_up":
        return this.#mark(this.#marked - page);
      case "page_down":
        return this.#mark(this.#marked + page);
      case "home":
        return this.#mark(0);
      case "end":
        return this.#mark(Infinity);
      case "backspace":
        return this.#ask(Array.from(this.#query).slice(0, -1).join(""));
      case "ctrl_w":
        return this.#ask(this.#query.replace(/\S*\s*$/, ""));
      case "ctrl_u":
        return this.#ask("");
      default:
        return OPEN;
    }
  }

  /** Whether the search is unfinished; then call `work`. */
  get isSearching(): boolean {
    return !this.#search.isDone;
  }

  /** Continues the search for a bounded time. */
  work(): void {
    this.#search.work();
  }

  /** Sets another size of the terminal. */
  resize(size: Size): void {
    this.#size = size;
    this.#follow();
  }

  /** The content of the screen now. */
  frame(): Frame {
    const { columns, rows } = this.#size;
    const query = cutStart(
      show(this.#query),
      Math.max(0, columns - PROMPT.length - 1),
    );
    const prompt = startOf(PROMPT, columns) + query;
    const head = [
      row([{ text: prompt, style: "plain" }]),
      row([{ text: this.#status(), style: "dim" }]),
    ].slice(0, this.#headRows);
    const last = Math.min(this.#top + this.#listRows, this.#search.count);
    const list = [];
    for (let rank = this.#top; rank < last; rank++) {
      list.push(this.#fileRow(rank));
    }
    const column = Math.min(widthOf(prompt), Math.max(0, columns - 1));
    return {
      rows: [...head, ...list].slice(0, rows),
      cursor: { column, row: 0 },
    };
  }

  #pick(): KeyOutcome {
    if (this.#marked >= this.#search.count) return OPEN; // nothing matches
    const file = this.#files[this.#search.at(this.#marked)]!;
    return { kind: "picked", file };
  }

  #mark(rank: number): KeyOutcome {
    this.#marked = Math.max(0, Math.min(rank, this.#search.count - 1));
    this.#follow();
    return OPEN;
  }

  #ask(query: string): KeyOutcome {
    this.#query = query.slice(0, MOST_QUERY_UNITS);
    if (this.#query === this.#search.query) return OPEN;
    this.#search.ask(this.#query);
    this.#search.work();
    this.#marked = this.#top = 0;
    return OPEN;
  }

  /** Rows above the list; on a low terminal only one. */
  get #headRows(): number {
    return this.#size.rows > HEAD_ROWS ? HEAD_ROWS : 1;
  }

  get #listRows(): number {
    return Math.max(0, this.#size.rows - this.#headRows);
  }

  /** Scrolls the list to show the marked file. */
  #follow(): void {
    const height = Math.max(1, this.#listRows);
    const last = Math.max(0, this.#search.count - height);
    this.#top = Math.min(this.#top, this.#marked, last);
    this.#top = Math.max(this.#top, this.#marked - height + 1);
  }

  get #isWide(): boolean {
    return this.#size.columns >= WIDE_COLUMNS;
  }

  #status(): string {
    const { count, isDone } = this.#search;
    const counts = `${count}${isDone ? "" : "…"} of ${this.#files.length}`;
    if (this.#isWide) {
      const files = this.#files.length === 1 ? "file" : "files";
      return `  ${
        cutEnd(`${counts} ${files}  ${HELP}`, this.#size.columns - 2)
      }`;
    }
    const marked =
      this.#files[count === 0 ? -1 : this.#search.at(this.#marked)];
    const about = marked === undefined
      ? ""
      : `  ${formatBytes(marked.size)}, ${this.#nodesOf(marked)}`;
    return cutEnd(`${counts}${about}`, this.#size.columns);
  }

  /** The number of nodes with a file, and a warning about it, if any. */
  #nodesOf({ nodeCount, differs }: FileListing): string {
    if (differs) return `${counted(nodeCount, "node")}, differ`;
    if (nodeCount > 1) return counted(nodeCount, "node");
    return this.#nodeCount > 1 ? "only 1 node" : "1 node";
  }

  #isMinded({ nodeCount, differs }: FileListing): boolean {
    return differs || (nodeCount === 1 && this.#nodeCount > 1);
  }

  #fileRow(rank: number): ScreenRow {
    const { columns } = this.#size;
    const index = this.#search.at(rank);
    const file = this.#files[index]!;
    const isMarked = rank === this.#marked;
    const isMinded = this.#isMinded(file);
    const pointer = (isMarked ? ">" : " ") +
      (isMinded && !this.#isWide ? "!" : " ");
    const about = this.#isWide
      ? `  ${formatBytes(file.size).padStart(9)}  ${
        this.#nodesOf(file).padEnd(15)
      }`
      : "";
    const width = Math.max(0, columns - pointer.length - about.length);
    const name = this.#nameSpans(file.name, index, width);
    const taken = name.reduce((sum, { text }) => sum + widthOf(text), 0);
    const gap = about === "" ? "" : " ".repeat(Math.max(0, width - taken));
    return row([
      { text: startOf(pointer, columns), style: "plain" },
      ...name,
      { text: gap, style: "plain" },
      { text: startOf(about, columns), style: isMinded ? "warning" : "dim" },
    ], isMarked);
  }

  /**
   * A name, escaped, with its matched characters emphasised. A long name shows
   * its end.
   */
  #nameSpans(name: string, index: number, width: number): Span[] {
    const places = this.#search.placesIn(index);
    const spans: Span[] = [];
    let at = 0;
    for (const character of name) {
      const units = Array.from(
        { length: character.length },
        (_, unit) => at + unit,
      );
      const isFound = units.some((unit) => places.has(unit));
      addText(spans, show(character), isFound ? "match" : "plain");
      at += character.length;
    }
    return cutSpans(spans, width);
  }
}

function row(spans: readonly Span[], isMarked = false): ScreenRow {
  return { spans: spans.filter(({ text }) => text !== ""), isMarked };
}

function addText(spans: Span[], text: string, style: Span["style"]): void {
  const last = spans.at(-1);
  if (last?.style === style) {
    spans[spans.length - 1] = { text: last.text + text, style };
  } else spans.push({ text, style });
}

/** The end of `spans`, after `…`, in at most `width` columns. */
function cutSpans(spans: readonly Span[], width: number): Span[] {
  const text = spans.map(({ text }) => text).join("");
  const kept = cutStart(text, width);
  if (kept === text) return [...spans];
  let left = kept.length - "…".length;
  const ends: Span[] = [];
  for (const { text, style } of [...spans].reverse()) {
    if (left <= 0) break;
    ends.unshift({ text: text.slice(-left), style });
    left -= text.length;
  }
  return kept === "" ? [] : [{ text: "…", style: "dim" }, ...ends];
}
