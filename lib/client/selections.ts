/**
 * Splits the user's selection, names and patterns without duplicates, into
 * batches for the nodes. Pure.
 *
 * @module
 */

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
