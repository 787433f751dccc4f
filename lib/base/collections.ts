/**
 * What tables have in common: the oldest entry is evicted at a limit, an empty
 * group is not kept, places in an order are found by binary search. Pure.
 *
 * @module
 */

/** Where the next oldest entry of a table is looked for. */
interface Search<Key> {
  readonly keys: Iterator<Key, undefined>;
  /** Calls since it was last needed. */
  idleCalls: number;
}

// A new iterator would pass the places of all entries that were removed, which
// takes time by their number. But as long as an unused iterator exists, V8
// keeps all memory that the table has used since, with all keys and values in
// it.
const SEARCHES = new WeakMap<object, Search<unknown>>();

/**
 * Removes the entries that were added first, until `most` are left. To be called
 * after each addition.
 */
export function keepNewest<Key>(
  entries: Map<Key, unknown> | Set<Key>,
  most: number,
): void {
  if (entries.size <= most) {
    const search = SEARCHES.get(entries);
    if (search && ++search.idleCalls > most) SEARCHES.delete(entries);
    return;
  }
  while (entries.size > most) {
    const search = (SEARCHES.get(entries) ??
      { keys: entries.keys(), idleCalls: 0 }) as Search<Key>;
    const { value, done } = search.keys.next();
    if (done) SEARCHES.delete(entries);
    else {
      search.idleCalls = 0;
      SEARCHES.set(entries, search);
      entries.delete(value);
    }
  }
}

/** Sets an entry as the newest one; keeps the newest `most`. */
export function putLast<Key, Value>(
  entries: Map<Key, Value>,
  [key, value]: readonly [Key, Value],
  most = Infinity,
): void {
  entries.delete(key); // to the end of the order
  entries.set(key, value);
  keepNewest(entries, most);
}

/** The group under `key`; adds an empty one if there is none. */
export function groupUnder<Key, Value>(
  groups: Map<Key, Set<Value>>,
  key: Key,
): Set<Value> {
  const group = groups.get(key) ?? new Set<Value>();
  groups.set(key, group);
  return group;
}

/**
 * Removes a value from its group, and the group with its last value. Returns
 * whether it was there.
 */
export function removeUnder<Key, Value>(
  groups: Map<Key, Set<Value>>,
  key: Key,
  value: Value,
): boolean {
  const group = groups.get(key);
  if (!group?.delete(value)) return false;
  if (group.size === 0) groups.delete(key);
  return true;
}

/** Changes a count, and returns it. A count of 0 is not kept. */
export function countUnder<Key>(
  counts: Map<Key, number>,
  key: Key,
  change: number,
): number {
  const count = (counts.get(key) ?? 0) + change;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
  return count;
}

/**
 * The first of the places from `low` on, and before `high`, that is not before
 * the wanted one; `high` if all are. They must be in order.
 */
export function firstNotBefore(
  low: number,
  high: number,
  isBefore: (place: number) => boolean,
): number {
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Something that calls `end` when it is disposed of; only the first time. */
export function onDispose(end: () => void): Disposable {
  let isOver = false;
  return {
    [Symbol.dispose]: () => {
      if (isOver) return;
      isOver = true;
      end();
    },
  };
}
