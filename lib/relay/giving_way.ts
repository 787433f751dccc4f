/**
 * Decides which tunnel gives way to a newcomer if all places are taken. Pure.
 *
 * @module
 */

/** A tunnel, as far as its place is concerned. */
export interface TunnelPlace {
  /** The clients that it is counted with. */
  readonly group: string;
  readonly phase: "waiting" | "half" | "joined" | "ended";
  /** When a byte last moved, or when it was joined; at first its opening. */
  readonly activeAt: number;
}

/**
 * The tunnel that gives way to a new one of `group`; `undefined` if none does.
 * That is one of the group with most tunnels, if it has at least two more than
 * `group`. Otherwise it is one in which nothing moved since `idleSince`, of any
 * group with more tunnels, or of `group` itself. Tunnels that are not joined go
 * first, then those that have been idle for longest.
 *
 * With N places, attackers of fewer than N groups therefore cannot take the last
 * tunnel of another group, and cannot keep it from getting one.
 */
export function givesWay<Place extends TunnelPlace>(
  places: readonly Place[],
  { group, idleSince }: { readonly group: string; readonly idleSince: number },
): Place | undefined {
  const sizes = new Map<string, number>();
  for (const { group } of places) {
    sizes.set(group, (sizes.get(group) ?? 0) + 1);
  }
  const own = sizes.get(group) ?? 0;
  const most = Math.max(...sizes.values());
  const sizeOf = (place: Place) => sizes.get(place.group)!;
  return leastUsed(
    most > own + 1
      ? places.filter((place) => sizeOf(place) === most)
      : places.filter((place) =>
        place.activeAt <= idleSince &&
        (sizeOf(place) > own || place.group === group)
      ),
  );
}

function leastUsed<Place extends TunnelPlace>(
  places: readonly Place[],
): Place | undefined {
  const isJoined = ({ phase }: Place) => Number(phase === "joined");
  const order = (one: Place, other: Place) =>
    isJoined(one) - isJoined(other) || one.activeAt - other.activeAt;
  return places.toSorted(order)[0];
}
