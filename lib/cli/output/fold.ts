/**
 * Breaks lines that are too long for a terminal, at words. Words longer than a
 * line stay whole, so that addresses can be copied.
 *
 * @module
 */

import { widthOf } from "./width.ts";

// Below this, text beside a wide column would have one or two words a line.
const LEAST_COLUMNS = 16;
const NARROW_INDENT = 4;

/**
 * `text` in lines of at most `columns`, if they are known. The rest of a line continues below its
 * last column. A command that is indented stays whole: two halves of it are no
 * command.
 *
 * @example
 * ```ts
 * import { fold } from "./fold.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(
 *   fold("ok  folder  it can be written to", 28),
 *   "ok  folder  it can be\n            written to",
 * );
 * ```
 */
export function fold(text: string, columns: number | undefined): string {
  if (columns === undefined) return text;
  return text.split("\n").map((line) => foldLine(line, columns)).join("\n");
}

function foldLine(line: string, columns: number): string {
  if (widthOf(line) <= columns) return line;
  const { indent, isCommand } = layoutOf(line);
  if (isCommand) return line;
  const next = columns - indent < LEAST_COLUMNS
    ? Math.min(indent, NARROW_INDENT)
    : indent;
  const [first = "", ...words] = line.slice(indent).split(" ");
  const rows: string[] = [];
  let row = line.slice(0, indent) + first;
  for (const word of words) {
    const longer = `${row} ${word}`;
    if (widthOf(longer) <= columns) row = longer;
    else {
      rows.push(row);
      row = " ".repeat(next) + word;
    }
  }
  return [...rows, row].join("\n");
}

/** Where the last column of a line begins. */
function layoutOf(line: string): { indent: number; isCommand: boolean } {
  const [left = ""] = /^ */.exec(line)!;
  const [columns] = /^.*\S {2,}(?=\S)/.exec(line) ?? [];
  if (columns !== undefined) {
    return { indent: columns.length, isCommand: false };
  }
  const isCommand = left.length > 0 && left.length <= NARROW_INDENT;
  return { indent: left.length, isCommand };
}
