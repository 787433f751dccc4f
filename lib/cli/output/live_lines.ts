/**
 * Lines at the end of a terminal that change in place. One line needs no escape sequences, so it works on every terminal; several
 * lines need them. Pure.
 *
 * @module
 */

import { startOf, widthOf } from "./width.ts";

const TO_LINE_END = "\x1b[K";
const TO_SCREEN_END = "\x1b[J";

/** The text that replaces `old` with `next` on a terminal with `columns` columns.
 * The cursor stays at the end of the last line. A terminal that became narrower
 * has wrapped the old lines.
 */
export function replaceLines(
  old: readonly string[],
  next: readonly string[],
  columns: number,
): string {
  const rows = old.reduce((sum, line) => sum + rowsOf(line, columns), 0);
  if (rows <= 1 && next.length <= 1) {
    const [line = ""] = next;
    const [before = ""] = old;
    const blank = " ".repeat(Math.max(0, widthOf(before) - widthOf(line)));
    return `\r${line}${blank}${line === "" ? "\r" : ""}`;
  }
  const up = rows > 1 ? `\x1b[${rows - 1}A` : "";
  return `\r${up}${next.join(`${TO_LINE_END}\n`)}${TO_SCREEN_END}`;
}

function rowsOf(line: string, columns: number): number {
  return Math.max(1, Math.ceil(widthOf(line) / columns));
}

/** Each line in one row of a terminal; the last column stays free. */
export function cutLines(
  lines: readonly string[],
  columns: number,
): readonly string[] {
  return lines.map((line) => startOf(line, columns - 1));
}
