/**
 * Splits what a person selected, names and patterns without duplicates, into
 * batches for the nodes. Pure.
 *
 * @module
 */

/** What to fetch: a name, or all names that match. */
export type Selection =
  | { readonly kind: "name"; readonly name: string }
  | {
    readonly kind: "matching";
    /** As the person wrote it. */
    readonly pattern: string;
    /** What every match begins with. */
    readonly prefix: string;
    readonly matches: (name: string) => boolean;
    /** Names that are only counted, of those that do not match. */
    readonly leavesOut?: (name: string) => boolean;
  };

/** Each name and pattern once: a node that is asked twice has one voice. */
export function distinct(selections: readonly Selection[]): Selection[] {
  const byText = new Map(selections.map((selection) => [
    `${selection.kind} ${
      selection.kind === "name" ? selection.name : selection.pattern
    }`,
    selection,
  ]));
  return [...byText.values()];
}

/** Names in batches of `count`; patterns go with the first. */
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
