/**
 * The orders in which files are listed. Pure.
 *
 * @module
 */

import type { FileListing } from "../../client/listing.ts";

/** What files are sorted by. */
export type SortBy = "name" | "size" | "date";

/** Files with a number for each. */
export interface NumberedFiles {
  places(): Iterable<number>;
  nameAt(place: number): string;
  at(place: number): Pick<FileListing, "size" | "modifiedMs">;
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
  const places = Uint32Array.from(files.places());
  // The places come in the order of code points, which decides between equals.
  const compare = sort === "name"
    ? byName(files, places)
    : byNumber(files, places, sort === "size" ? "size" : "modifiedMs");
  const order = places.map((_, at) => at)
    .sort((a, b) => compare(a, b) || a - b);
  if (reverse) order.reverse();
  return order.map((at) => places[at]!);
}

type Compare = (a: number, b: number) => number;

function byName(files: NumberedFiles, places: Uint32Array): Compare {
  const keys = Array.from(
    places,
    (place) => naturalKey(files.nameAt(place)),
  );
  return (a, b) => compareText(keys[a]!, keys[b]!);
}

function byNumber(
  files: NumberedFiles,
  places: Uint32Array,
  field: "size" | "modifiedMs",
): Compare {
  const numbers = Float64Array.from(
    places,
    (place) => files.at(place)[field],
  );
  const names = byName(files, places);
  return (a, b) => numbers[b]! - numbers[a]! || names(a, b);
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

// Numbers of so many digits have their length in one digit before them.
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
