/**
 * Formats lists of files: for people on a terminal, in as many columns as it
 * has; elsewhere with plain numbers, and nothing cut.
 *
 * @module
 */

import { counted, showWhole } from "../../base/text.ts";
import { formatBytes } from "../../base/units.ts";
import { cutEnd, cutStart, padEnd, widthOf } from "./width.ts";

/** A row, in parts. */
export interface FileRow {
  readonly bytes: number;
  /** When it was last written, in milliseconds since 1970. */
  readonly modifiedMs: number;
  /** The nodes that have it, or the number of files in a folder. */
  readonly holders: string;
  readonly mark: "" | "only" | "differs";
  readonly name: string;
  readonly isFolder: boolean;
  /** Columns before the name. */
  readonly indent: number;
  /** Content id, if it is known. */
  readonly content?: string | undefined;
  /** Ids of the nodes that have it. */
  readonly nodes: readonly string[];
}

/** The output that a list is formatted for. */
export interface TableTarget {
  /** Columns of the terminal; absent if it is no terminal. */
  readonly columns?: number | undefined;
  readonly colours: boolean;
}

/** The parts of a row before its name. */
interface Layout {
  /** How much of the date is shown. */
  readonly date: "none" | "day" | "minute";
  /** The most columns for the nodes; 0 leaves them out. */
  readonly holders: number;
  readonly mark: boolean;
}

// The widest that fits is used.
const LAYOUTS: readonly Layout[] = [
  { date: "minute", holders: 24, mark: true },
  { date: "day", holders: 16, mark: true },
  { date: "none", holders: 16, mark: true },
  { date: "none", holders: 0, mark: true },
  { date: "none", holders: 0, mark: false },
];
/** Elsewhere nothing is cut. */
const WHOLE: Layout = { date: "minute", holders: Infinity, mark: true };
// Other parts are left out before the name is cut to less than this.
const NAME_COLUMNS = 20;
const GAP = "  ";

/** The columns that the widest row needs for each part. */
interface Widths {
  bytes: number;
  holders: number;
  mark: number;
  name: number;
}

/**
 * The rows as lines. Reads them twice, because the widest decides, and yields
 * them one by one, because there may be a million.
 */
export function* formatFileRows(
  rows: Iterable<FileRow>,
  target: TableTarget,
): Generator<string, void> {
  const isTerminal = target.columns !== undefined;
  const sizeOf = isTerminal ? formatBytes : String;
  const widths: Widths = { bytes: 0, holders: 0, mark: 0, name: 0 };
  for (const { bytes, holders, mark, name, indent } of rows) {
    widths.bytes = Math.max(widths.bytes, sizeOf(bytes).length);
    widths.holders = Math.max(widths.holders, widthOf(holders));
    widths.mark = Math.max(widths.mark, mark.length);
    if (isTerminal) {
      widths.name = Math.max(widths.name, indent + widthOf(showWhole(name)));
    }
  }
  const layout = layoutFor(widths, target.columns);
  for (const row of rows) {
    const parts = partsOf(row, { layout, widths, target, size: sizeOf });
    const left = parts.join(GAP) + GAP;
    yield `${left}${nameOf(row, columnsBefore(layout, widths), target)}`;
  }
}

function layoutFor(widths: Widths, columns: number | undefined): Layout {
  if (columns === undefined) return WHOLE;
  const needed = Math.min(widths.name, NAME_COLUMNS);
  return LAYOUTS.find((layout) =>
    columnsBefore(layout, widths) + needed <= columns
  ) ?? LAYOUTS.at(-1)!;
}

const DATE_COLUMNS = { none: 0, day: 10, minute: 16 };

function columnsBefore(layout: Layout, widths: Widths): number {
  const parts = [
    widths.bytes,
    DATE_COLUMNS[layout.date],
    Math.min(layout.holders, widths.holders),
    layout.mark ? widths.mark : 0,
  ].filter((columns) => columns > 0);
  return parts.reduce((sum, columns) => sum + columns + GAP.length, 0);
}

function partsOf(row: FileRow, { layout, widths, target, size }: {
  layout: Layout;
  widths: Widths;
  target: TableTarget;
  size: (bytes: number) => string;
}): string[] {
  const holders = Math.min(layout.holders, widths.holders);
  const mark = padEnd(row.mark, widths.mark);
  return [
    size(row.bytes).padStart(widths.bytes),
    ...(layout.date === "none" ? [] : [
      formatDate(row.modifiedMs, {
        columns: DATE_COLUMNS[layout.date],
        isLocal: target.columns !== undefined,
      }),
    ]),
    ...(holders > 0 ? [padEnd(cutEnd(row.holders, holders), holders)] : []),
    ...(layout.mark && widths.mark > 0
      ? [target.colours ? coloured(mark, MARK_COLOUR[row.mark]) : mark]
      : []),
  ];
}

function nameOf(
  { name, indent, isFolder }: FileRow,
  before: number,
  { columns, colours }: TableTarget,
): string {
  const whole = showWhole(name);
  const room = (columns ?? Infinity) - before - indent;
  const cut = columns === undefined
    ? whole
    : cutStart(whole, Math.max(1, room));
  const blue = isFolder && colours ? FOLDER_COLOUR : undefined;
  return " ".repeat(indent) + coloured(cut, blue);
}

const FOLDER_COLOUR = "34"; // blue
const MARK_COLOUR = { "": undefined, only: "33", differs: "31" }; // yellow, red

function coloured(text: string, colour: string | undefined): string {
  return colour === undefined ? text : `\x1b[${colour}m${text}\x1b[0m`;
}

// The range of a date in milliseconds, either way, in any time zone.
const LAST_MS = 8.64e15 - 24 * 3_600_000;

/** A time in the local time zone, or in UTC with a `T` in it. */
function formatDate(
  ms: number,
  { columns, isLocal }: { columns: number; isLocal: boolean },
): string {
  if (Math.abs(ms) > LAST_MS) return "-".padEnd(columns);
  const offsetMs = isLocal ? new Date(ms).getTimezoneOffset() * 60_000 : 0;
  const text = new Date(ms - offsetMs).toISOString().slice(0, columns);
  return (isLocal ? text.replace("T", " ") : text).padEnd(columns);
}

/** The rows of `--long`: nothing is cut, and times and ids are whole. */
export function* formatLongRows(
  rows: Iterable<FileRow>,
): Generator<string, void> {
  const cells = function* () {
    for (const row of rows) {
      const { bytes, modifiedMs, content, nodes, mark, name, indent } = row;
      const time = Math.abs(modifiedMs) > LAST_MS
        ? "-"
        : new Date(modifiedMs).toISOString();
      const ids = nodes.length === 0 ? "-" : nodes.join(",");
      const shown = " ".repeat(indent) + showWhole(name);
      yield [String(bytes), time, content ?? "-", ids, mark, shown];
    }
  };
  const widths: number[] = [];
  for (const row of cells()) {
    for (const [at, { length }] of row.entries()) {
      widths[at] = Math.max(widths[at] ?? 0, length);
    }
  }
  for (const [bytes, ...row] of cells()) {
    const name = row.pop();
    const left = row.map((cell, at) => cell.padEnd(widths[at + 1]!));
    yield [bytes!.padStart(widths[0]!), ...left, name].join(GAP);
  }
}

/** The last line: how many files, and how much. */
export function formatTotal(
  { files, bytes }: { files: number; bytes: number },
): string {
  return `${counted(files, "file")}, ${formatBytes(bytes)}`;
}

// More nodes are only counted.
const MOST_NAMES = 3;

/** The names of the nodes that have a file: `nas, laptop +3`. */
export function formatHolders(names: readonly string[]): string {
  const shown = names.slice(0, MOST_NAMES).map(showWhole).join(",");
  const more = names.length - MOST_NAMES;
  return more > 0 ? `${shown} +${more}` : shown;
}
