/**
 * The rendezvous of a relay: pairs the two sides of each tunnel by one-time
 * keys, and limits the number of tunnels. If there are too many, one of them
 * may be evicted. Pure: time and keys are arguments, there are no timers and no
 * sockets.
 *
 * ```
 * open → waiting ──join──→ half ──join──→ joined → ended
 *           └────────┴─ declined, left, too late ──┘
 * ```
 *
 * @module
 */

import { countUnder, keepNewest } from "../base/collections.ts";
import type { Limits } from "../base/limits.ts";
import {
  type GroupedPlace,
  GroupSizes,
  placeToEvict,
} from "../guard/eviction.ts";

/** How a tunnel ended; the same word in event, metric and test. */
export type TunnelEnding =
  /** Both sides ended their streams, and all bytes have arrived. */
  | "completed"
  /** A side left before that. */
  | "abandoned"
  /** The node declined. */
  | "refused"
  /** A side did not join in time, or no byte moved for too long. */
  | "expired"
  /** The relay stopped it. */
  | "failed";

/** The two sides of a tunnel. */
export type TunnelSide = "client" | "node";

/** A tunnel, as far as its place is concerned. */
export interface TunnelPlace extends GroupedPlace {
  readonly phase: "waiting" | "half" | "joined" | "ended";
  /** When a byte last moved, or when it was joined; at first its opening. */
  readonly activeAt: number;
}

/** A tunnel, from the request to its end. */
export interface Tunnel extends TunnelPlace {
  /** Id of the node it leads to. */
  readonly node: string;
  /** The group of the client's address; empty if it is not counted. */
  readonly source: string;
  /** The one-time key of each side. */
  readonly keys: Readonly<Record<TunnelSide, string>>;
  /** When it ends unless both sides have joined. */
  readonly joinBefore: number;
}

/** Why a tunnel was not opened. */
export type OpenRefusal =
  | "too_many_tunnels"
  | "too_many_tunnels_for_node"
  | "too_many_tunnels_for_address";

/** A tunnel that was replaced by another. */
export interface EvictedTunnel {
  readonly tunnel: Tunnel;
  /** The limit that was reached. */
  readonly reason: OpenRefusal;
}

/** The outcome of a request for a tunnel. */
export type TunnelOpening =
  | {
    readonly kind: "opened";
    readonly tunnel: Tunnel;
    /** Tunnels that were evicted, and have ended: the caller closes them. */
    readonly evicted: readonly EvictedTunnel[];
  }
  | { readonly kind: "refused"; readonly reason: OpenRefusal };

/** The outcome of showing a key. */
export type JoinOutcome =
  /** The other side has not joined yet. */
  | {
    readonly kind: "waits";
    readonly tunnel: Tunnel;
    readonly side: TunnelSide;
  }
  /** Both sides have joined. */
  | {
    readonly kind: "joined";
    readonly tunnel: Tunnel;
    readonly side: TunnelSide;
  }
  /** No tunnel waits for this key: it is wrong, used, or too late. */
  | { readonly kind: "refused"; readonly reason: "unknown_key" };

/** A request for a tunnel. */
export interface TunnelRequest {
  /** Id of the node. */
  readonly node: string;
  /** The group of the client's address; with `undefined` it is not counted. */
  readonly source: string | undefined;
  /** Identifies the client if its address is not counted. */
  readonly client: string;
  /** Fresh keys that nobody can guess. */
  readonly keys: Readonly<Record<TunnelSide, string>>;
}

interface MutableTunnel extends Tunnel {
  phase: Tunnel["phase"];
  activeAt: number;
}

/** A limit that is reached, and the tunnels that it applies to. */
interface FullScope {
  readonly reason: OpenRefusal;
  has(tunnel: Tunnel): boolean;
}

/**
 * The tunnel that a new one of `group` replaces; `undefined` if none does.
 * That is one of the group with most tunnels, if it has at least two more than
 * `group`. Otherwise it is one in which nothing moved since `idleSince`, of a
 * group with more tunnels, or of `group` itself: of these, one of the group with
 * most tunnels. Within a group, tunnels that are not joined go first, then those
 * that have been idle for longest.
 */
export function tunnelFor<Place extends TunnelPlace>(
  places: readonly Place[],
  { group, idleSince }: { readonly group: string; readonly idleSince: number },
): Place | undefined {
  const sizes = new GroupSizes(places);
  const sizeOf = (place: Place) => sizes.of(place.group);
  const isJoined = ({ phase }: Place) => Number(phase === "joined");
  const order = (one: Place, other: Place) =>
    isJoined(one) - isJoined(other) || one.activeAt - other.activeAt;
  const idle = places.filter((place) =>
    place.activeAt <= idleSince && sizes.yields(place, group)
  );
  return placeToEvict(places, { own: sizes.of(group), sizeOf, order }) ??
    placeToEvict(idle, { sizeOf, order });
}

/** The tunnels of one relay. */
export class Rendezvous {
  readonly #limits: Limits;
  /** Keys that no side has shown yet. */
  readonly #waiting = new Map<
    string,
    { tunnel: MutableTunnel; side: TunnelSide }
  >();
  /** In order of opening, which is also the order of `joinBefore`. */
  readonly #unjoined = new Set<MutableTunnel>();
  readonly #all = new Set<MutableTunnel>();
  readonly #perNode = new Map<string, number>();
  readonly #perSource = new Map<string, number>();
  /** Keys of nodes whose tunnels ended before the keys were shown. */
  readonly #late = new Set<string>();

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Tunnels that have not ended. */
  get count(): number {
    return this.#all.size;
  }

  /**
   * Opens a tunnel, which then waits for both sides. At each limit, another one
   * must be evicted: see {@linkcode tunnelFor}.
   */
  open(request: TunnelRequest, now: number): TunnelOpening {
    const { node, keys, source = "", client } = request;
    const group = source === "" ? client : source;
    const { tunnelSpareMs, tunnelJoinMs } = this.#limits;
    const newcomer = { group, idleSince: now - tunnelSpareMs };
    const evicted: (EvictedTunnel & { readonly tunnel: MutableTunnel })[] = [];
    for (const scope of this.#fullScopes({ node, source })) {
      if (evicted.some(({ tunnel }) => scope.has(tunnel))) continue;
      const { reason } = scope;
      const places = [...this.#all].filter(scope.has);
      const tunnel = tunnelFor(places, newcomer);
      if (tunnel === undefined) return { kind: "refused", reason };
      evicted.push({ tunnel, reason });
    }
    for (const { tunnel } of evicted) this.end(tunnel);
    const tunnel: MutableTunnel = {
      ...{ node, source, group, keys },
      joinBefore: now + tunnelJoinMs,
      phase: "waiting",
      activeAt: now,
    };
    this.#waiting.set(keys.client, { tunnel, side: "client" });
    this.#waiting.set(keys.node, { tunnel, side: "node" });
    this.#unjoined.add(tunnel);
    this.#all.add(tunnel);
    countUnder(this.#perNode, node, 1);
    if (source !== "") countUnder(this.#perSource, source, 1);
    return { kind: "opened", tunnel, evicted };
  }

  /** The limits that are reached, that with the fewest tunnels first. */
  #fullScopes(
    { node, source }: Pick<Tunnel, "node" | "source">,
  ): FullScope[] {
    const limits = this.#limits;
    const scopes: FullScope[] = [];
    if (countOf(this.#perSource, source) >= limits.tunnelsPerAddressCount) {
      scopes.push({
        reason: "too_many_tunnels_for_address",
        has: (tunnel) => tunnel.source === source,
      });
    }
    if (countOf(this.#perNode, node) >= limits.tunnelsPerNodeCount) {
      scopes.push({
        reason: "too_many_tunnels_for_node",
        has: (tunnel) => tunnel.node === node,
      });
    }
    if (this.#all.size >= limits.tunnelCount) {
      scopes.push({ reason: "too_many_tunnels", has: () => true });
    }
    return scopes;
  }

  /** Joins the side that shows `key`. Each key works once. */
  join(key: string, now: number): JoinOutcome {
    const waiting = this.#waiting.get(key);
    if (waiting === undefined || waiting.tunnel.joinBefore <= now) {
      return { kind: "refused", reason: "unknown_key" };
    }
    this.#waiting.delete(key);
    const { tunnel, side } = waiting;
    if (tunnel.phase === "waiting") {
      tunnel.phase = "half";
      return { kind: "waits", tunnel, side };
    }
    tunnel.phase = "joined";
    tunnel.activeAt = now;
    this.#unjoined.delete(tunnel);
    return { kind: "joined", tunnel, side };
  }

  /** The tunnel that waits for `key`. */
  find(key: string): Tunnel | undefined {
    return this.#waiting.get(key)?.tunnel;
  }

  /** Notes that a byte has moved through a tunnel. */
  moved(tunnel: Tunnel, now: number): void {
    (tunnel as MutableTunnel).activeAt = now;
  }

  /**
   * Whether a node got this key for a tunnel that ended before it showed the key.
   * Answers `true` once: the node could not know.
   */
  wasEarlier(key: string): boolean {
    return this.#late.delete(key);
  }

  /** Removes a tunnel: nobody can join it, and it no longer counts. */
  end(tunnel: Tunnel): void {
    if (tunnel.phase === "ended") return;
    const { node, source, keys } = tunnel;
    (tunnel as MutableTunnel).phase = "ended";
    this.#waiting.delete(keys.client);
    if (this.#waiting.delete(keys.node)) this.#keepLate(keys.node);
    this.#unjoined.delete(tunnel);
    this.#all.delete(tunnel);
    countUnder(this.#perNode, node, -1);
    if (source !== "") countUnder(this.#perSource, source, -1);
  }

  #keepLate(key: string): void {
    this.#late.add(key);
    keepNewest(this.#late, this.#limits.tunnelLateKeyCount);
  }

  /** Ends, and returns, the tunnels that a side did not join in time. */
  expire(now: number): Tunnel[] {
    const late: Tunnel[] = [];
    for (const tunnel of this.#unjoined) {
      if (tunnel.joinBefore > now) break; // the others are newer
      late.push(tunnel);
      this.end(tunnel);
    }
    return late;
  }
}

function countOf(counts: ReadonlyMap<string, number>, key: string): number {
  return counts.get(key) ?? 0;
}
