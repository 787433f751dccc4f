/**
 * The orders in which files are listed. Pure.
 *
 * @module
 */

import type { FileBrief } from "../../client/listing.ts";

/** What files are sorted by. */
export type SortBy = "name" | "size" | "date";

/** Files with a number for each. */
export interface NumberedFiles {
  /** By name, numbers in names by their values. */
  naturalPlaces(): Uint32Array;
  briefAt(place: number): Pick<FileBrief, "size" | "modifiedMs">;
}

/**
 * The places of all files, by name with numbers in their natural order, by size
 * with the largest first, or by date with the newest first. Files that are
 * equal in this stay in the order of names.
 */
export function inOrder(
  files: NumberedFiles,
  { sort, reverse = false }: { sort: SortBy; reverse?: boolean },
): Uint32Array {
  const byName = files.naturalPlaces();
  const order = sort === "name"
    ? byName
    : byNumber(files, byName, sort === "size" ? "size" : "modifiedMs");
  return reverse ? order.reverse() : order;
}

function byNumber(
  files: NumberedFiles,
  byName: Uint32Array,
  field: "size" | "modifiedMs",
): Uint32Array {
  const numbers = Float64Array.from(
    byName,
    (place) => files.briefAt(place)[field],
  );
  return byName.map((_, at) => at)
    .sort((a, b) => numbers[b]! - numbers[a]! || a - b)
    .map((at) => byName[at]!);
}

export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * A text that sorts as the name does if its numbers count as numbers: `a2`
 * before `a10`. The files of a folder stay together.
 */
export function naturalKey(name: string): string {
  return name.replaceAll(/\d+|\//g, partKey);
}

// Numbers of at most this many digits have their length in one digit before
// them.
const SHORT = 9;

/** A number begins with a digit, and sorts by its value; a slash comes first. */
function partKey(digits: string): string {
  if (digits === "/") return "\0";
  const number = digits.replace(/^0+(?=\d)/, "");
  const { length } = number;
  return length < SHORT
    ? `${length}${number}`
    : `${SHORT}${String(length).padStart(4, "0")}${number}`;
}
