/**
 * The rendezvous of a relay: pairs the two sides of each tunnel by one-time
 * keys, and limits the number of tunnels. Pure: time and keys are arguments,
 * there are no timers and no sockets.
 *
 * ```
 * open → waiting ──join──→ half ──join──→ joined → ended
 *           └────────┴─ declined, left, too late ──┘
 * ```
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";

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

/** A tunnel, from the request to its end. */
export interface Tunnel {
  /** Id of the node it leads to. */
  readonly node: string;
  /** The group of the client's address. */
  readonly source: string;
  /** The one-time key of each side. */
  readonly keys: Readonly<Record<TunnelSide, string>>;
  /** When it ends unless both sides have joined. */
  readonly joinBefore: number;
  readonly phase: "waiting" | "half" | "joined" | "ended";
}

/** Why a tunnel was not opened. */
export type OpenRefusal =
  | "too_many_tunnels"
  | "too_many_tunnels_for_node"
  | "too_many_tunnels_for_address";

/** The outcome of a request for a tunnel. */
export type TunnelOpening =
  | { readonly kind: "opened"; readonly tunnel: Tunnel }
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

/** The numbers of `limits.ts` that bound tunnels. */
export type RendezvousLimits = Pick<
  Limits,
  | "tunnelJoinMs"
  | "tunnelCount"
  | "tunnelsPerNodeCount"
  | "tunnelsPerAddressCount"
>;

/** A request for a tunnel. */
export interface TunnelRequest {
  /** Id of the node. */
  readonly node: string;
  /** The group of the client's address; with `undefined` it is not counted. */
  readonly source: string | undefined;
  /** Fresh keys that nobody can guess. */
  readonly keys: Readonly<Record<TunnelSide, string>>;
}

interface MutableTunnel extends Tunnel {
  phase: Tunnel["phase"];
}

/** The tunnels of one relay. */
export class Rendezvous {
  readonly #limits: RendezvousLimits;
  /** Keys that no side has shown yet. */
  readonly #waiting = new Map<
    string,
    { tunnel: MutableTunnel; side: TunnelSide }
  >();
  /** In order of opening, which is also the order of `joinBefore`. */
  readonly #unjoined = new Set<MutableTunnel>();
  readonly #perNode = new Map<string, number>();
  readonly #perSource = new Map<string, number>();
  #count = 0;

  constructor(limits: RendezvousLimits) {
    this.#limits = limits;
  }

  /** Tunnels that have not ended. */
  get count(): number {
    return this.#count;
  }

  /** Opens a tunnel, which then waits for both sides. */
  open(request: TunnelRequest, now: number): TunnelOpening {
    const { node, keys, source = "" } = request;
    const limits = this.#limits;
    const reason = this.#count >= limits.tunnelCount
      ? "too_many_tunnels"
      : countOf(this.#perNode, node) >= limits.tunnelsPerNodeCount
      ? "too_many_tunnels_for_node"
      : countOf(this.#perSource, source) >= limits.tunnelsPerAddressCount
      ? "too_many_tunnels_for_address"
      : undefined;
    if (reason !== undefined) return { kind: "refused", reason };
    const tunnel: MutableTunnel = {
      node,
      source,
      keys,
      joinBefore: now + limits.tunnelJoinMs,
      phase: "waiting",
    };
    this.#waiting.set(keys.client, { tunnel, side: "client" });
    this.#waiting.set(keys.node, { tunnel, side: "node" });
    this.#unjoined.add(tunnel);
    this.#add(tunnel, 1);
    return { kind: "opened", tunnel };
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
    this.#unjoined.delete(tunnel);
    return { kind: "joined", tunnel, side };
  }

  /** The tunnel that waits for `key`. */
  find(key: string): Tunnel | undefined {
    return this.#waiting.get(key)?.tunnel;
  }

  /** Removes a tunnel: nobody can join it, and it no longer counts. */
  end(tunnel: Tunnel): void {
    if (tunnel.phase === "ended") return;
    (tunnel as MutableTunnel).phase = "ended";
    this.#waiting.delete(tunnel.keys.client);
    this.#waiting.delete(tunnel.keys.node);
    this.#unjoined.delete(tunnel);
    this.#add(tunnel, -1);
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

  #add({ node, source }: Tunnel, count: 1 | -1): void {
    this.#count += count;
    change(this.#perNode, node, count);
    if (source !== "") change(this.#perSource, source, count);
  }
}

function countOf(counts: ReadonlyMap<string, number>, key: string): number {
  return counts.get(key) ?? 0;
}

function change(counts: Map<string, number>, key: string, by: number): void {
  const count = countOf(counts, key) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
