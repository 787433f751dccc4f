/**
 * Decides which place a newcomer gets if all places are taken. Pure.
 *
 * A place is a connection, a tunnel, a dial or an offer. Places are shared out
 * by group, in most cases a group of addresses. A newcomer replaces a place of
 * the largest group if that has at least two more than the newcomer's own. With
 * N places, attackers of fewer than N groups therefore cannot take the last place
 * of another group, and cannot keep it from getting one.
 *
 * @module
 */

/** A place that counts in a group. */
export interface GroupedPlace {
  readonly group: string;
}

/** Options of {@linkcode placeToEvict}. */
export interface EvictionOptions<Place> {
  /**
   * The size of the newcomer's group, without the newcomer. Omit it if even a
   * place of a small group may be evicted.
   */
  readonly own?: number;
  /** The size of the group of a place. */
  readonly sizeOf: (place: Place) => number;
  /**
   * Compares two places of groups of the same size. Negative if the first one
   * is evicted first. By default that is the one that comes first in `places`.
   */
  readonly order?: (one: Place, other: Place) => number;
}

/**
 * The place that a newcomer replaces: the first one of the largest groups
 * among `places`, if these have at least two more than `own`; `undefined` if none
 * is evicted.
 */
export function placeToEvict<Place>(
  places: Iterable<Place>,
  { own = -Infinity, sizeOf, order = () => 0 }: EvictionOptions<Place>,
): Place | undefined {
  let first: { readonly place: Place; readonly size: number } | undefined;
  for (const place of places) {
    const size = sizeOf(place);
    if (size <= own + 1) continue;
    const isFirst = first === undefined || size > first.size ||
      (size === first.size && order(place, first.place) < 0);
    if (isFirst) first = { place, size };
  }
  return first?.place;
}

/** Options of {@linkcode evictions}. */
export interface EvictionsOptions<Group, Place> {
  readonly sizeOf: (group: Group) => number;
  /** Whether peers that have nothing to do with each other share the group. */
  readonly isOfMany: (group: Group) => boolean;
  /** The places of a group, in the order of eviction. */
  readonly inOrder: (group: Group) => Iterable<Place>;
}

/**
 * The places to evict if there must be many, one after the other: each is of a
 * group that is the largest then. Each place in a group of many peers counts as
 * a group of its own. Takes time by the number of groups and of evicted places,
 * where {@linkcode placeToEvict} would look at all groups for each place.
 */
export function* evictions<Group, Place>(
  groups: Iterable<Group>,
  { sizeOf, isOfMany, inOrder }: EvictionsOptions<Group, Place>,
): Generator<Place, void> {
  const bySize: Group[][] = [];
  for (const group of groups) {
    const size = sizeOf(group);
    const isSplit = isOfMany(group);
    const same = bySize[isSplit ? 1 : size] ??= [];
    for (let n = isSplit ? size : 1; n > 0; n--) same.push(group);
  }
  const places = new Map<Group, Iterator<Place>>();
  for (let size = bySize.length - 1; size > 0; size--) {
    for (const group of bySize[size] ?? []) {
      const order = places.get(group) ?? Iterator.from(inOrder(group));
      places.set(group, order);
      const { value, done } = order.next();
      if (!done) yield value;
      if (size > 1) (bySize[size - 1] ??= []).push(group);
    }
  }
}

/** The number of places in each group. */
export class GroupSizes<Place extends GroupedPlace> {
  readonly #sizes = new Map<string, number>();

  constructor(places: Iterable<Place>) {
    for (const { group } of places) {
      this.#sizes.set(group, this.of(group) + 1);
    }
  }

  of(group: string): number {
    return this.#sizes.get(group) ?? 0;
  }

  /**
   * Whether a newcomer of `group` replaces an idle place: it is of the same
   * group, or of one with more places.
   */
  yields(place: Place, group: string): boolean {
    return place.group === group || this.of(place.group) > this.of(group);
  }
}
