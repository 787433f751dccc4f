/**
 * Yields items in order, and starts work on them ahead of their turn. Pure.
 *
 * @module
 */

/**
 * Yields the result of `begin` for each item, in order. When it yields one,
 * `count` more have begun, or all that are left.
 */
export function* prefetched<Item, Begun>(
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

/** Yields the first item, and then the others. */
export async function* followedBy<T>(
  first: T,
  others: AsyncIterable<T>,
): AsyncGenerator<T> {
  yield first;
  yield* others;
}
