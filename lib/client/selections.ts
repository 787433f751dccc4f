/**
 * Splits the user's selection, names and patterns without duplicates, into
 * batches for the nodes. Pure.
 *
 * @module
 */

import { foldCase } from "../base/text.ts";
import { isHidden } from "../content/glob.ts";

/** A name to fetch, or a pattern for all matching names. */
export type Selection =
  | { readonly kind: "name"; readonly name: string }
  | {
    readonly kind: "matching";
    /** As the user wrote it. */
    readonly pattern: string;
    /** The start of every match. */
    readonly prefix: string;
    readonly matches: (name: string) => boolean;
    /** Whether to count a name that does not match. */
    readonly leavesOut?: (name: string) => boolean;
  };

/**
 * Everything below a folder, `folder` without a slash at its end. Components
 * below it that begin with a dot are left out.
 */
export function folderSelection(
  folder: string,
  { ignoreCase = false }: { ignoreCase?: boolean } = {},
): Selection & { kind: "matching" } {
  const pattern = `${folder}/`;
  const wanted = foldCase(pattern);
  const isBelow = (name: string) =>
    ignoreCase
      ? foldCase(name.slice(0, pattern.length)) === wanted
      : name.startsWith(pattern);
  const isHiddenBelow = (name: string) => isHidden(name.slice(pattern.length));
  return {
    kind: "matching",
    pattern,
    prefix: ignoreCase ? "" : pattern,
    matches: (name) => isBelow(name) && !isHiddenBelow(name),
    leavesOut: (name) => isBelow(name) && isHiddenBelow(name),
  };
}

/** Removes duplicate names and patterns, so that no node is asked twice. */
export function distinct(selections: readonly Selection[]): Selection[] {
  const byText = new Map(selections.map((selection) => [
    `${selection.kind} ${
      selection.kind === "name" ? selection.name : selection.pattern
    }`,
    selection,
  ]));
  return [...byText.values()];
}

/** Names in batches of `count`; patterns go with the first batch. */
export function batchesOf(
  selections: readonly Selection[],
  count: number,
): Selection[][] {
  const names = selections.filter(({ kind }) => kind === "name");
  const patterns = selections.filter(({ kind }) => kind === "matching");
  const batches = [[...patterns, ...names.slice(0, count)]];
  for (let at = count; at < names.length; at += count) {
    batches.push(names.slice(at, at + count));
  }
  return batches;
}
