/**
 * Starts work ahead of its turn, and yields the results in order. Pure.
 *
 * @module
 */

/**
 * What `begin` makes of each item, in order. When one is handed out, `count` have
 * been begun that were not handed out before, or all that are left.
 */
export function* begunAhead<Item, Begun>(
  items: Iterable<Item>,
  count: number,
  begin: (item: Item) => Begun,
): Generator<Begun, void> {
  const ahead: Begun[] = [];
  for (const item of items) {
    ahead.push(begin(item));
    if (ahead.length >= count) yield ahead.shift()!;
  }
  yield* ahead;
}
