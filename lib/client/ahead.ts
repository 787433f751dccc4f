/**
 * Yields items in order, and starts work on them ahead of their turn. Pure.
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

/** The first, and then those that follow. */
export async function* followedBy<T>(
  first: T,
  others: AsyncIterable<T>,
): AsyncGenerator<T> {
  yield first;
  yield* others;
}
