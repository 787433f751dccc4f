/**
 * A snapshot of a relay in numbers.
 *
 * @module
 */

import type { ClusterStats } from "../cluster/replicator.ts";
import type { HistogramSnapshot } from "../guard/counts.ts";
import type { Listener } from "../transport/listen.ts";
import type { RelayContext } from "./context.ts";
import { type IndexStats, NO_INDEX } from "./indexed_nodes.ts";
import type { IncidentTotals } from "../guard/incidents.ts";

/** A relay in numbers, at one moment. Counts are since its start. */
export interface RelayStats extends IncidentTotals {
  /** Nodes with a lease. */
  readonly nodeCount: number;
  /** The most nodes that may have one. */
  readonly nodeLimit: number;
  /** Open connections. */
  readonly connectionCount: number;
  /** Of these, connections that have not said hello yet. */
  readonly handshakeCount: number;
  /** Seconds from accept to hello. */
  readonly handshakes: HistogramSnapshot;
  /** Registrations granted, renewals included. */
  readonly registrations: number;
  /** Listings requested. */
  readonly lookups: number;
  /** The index of names; all zeros if the relay keeps none. */
  readonly index: IndexStats;
  /** Listings answered from the index, and listings of all nodes instead. */
  readonly indexLookups: { readonly some: number; readonly all: number };
  /** Reports of clients that the index named a node wrongly. */
  readonly indexWrongHits: number;
  /** Clients that hold contents for a swarm. */
  readonly holderCount: number;
  /** The most clients that may. */
  readonly holderLimit: number;
  /** Contents with at least one holder. */
  readonly heldContentCount: number;
  /** Number of reports of held contents, renewals included. */
  readonly holdings: number;
  /** Times that clients asked who holds a content. */
  readonly holderLookups: number;
  /** Tunnels that have not ended. */
  readonly tunnelCount: number;
  /** The other instances of the relay; `null` if there can be none. */
  readonly cluster: ClusterStats | null;
  /** Leases that other instances have granted. */
  readonly replicaCount: number;
  /** Reports of dead nodes by outcome. */
  readonly reports: Readonly<Record<string, number>>;
}

/** The numbers of a relay at its two ports; `null` for a port that is closed. */
export function statsOf(
  relay: RelayContext,
  { listeners, handshakes }: {
    readonly listeners: readonly (Listener | null)[];
    readonly handshakes: HistogramSnapshot;
  },
): RelayStats {
  const { incidents, limits, requests, reports, registry, holders } = relay;
  const now = performance.now();
  const counts = requests.snapshot();
  const sum = (of: "connectionCount" | "handshakeCount") =>
    listeners.reduce((total, listener) => total + (listener?.[of] ?? 0), 0);
  return {
    ...incidents.totals,
    nodeCount: registry.count(now),
    nodeLimit: limits.nodeCount,
    connectionCount: sum("connectionCount"),
    handshakeCount: sum("handshakeCount"),
    handshakes,
    registrations: counts["registration"] ?? 0,
    lookups: counts["lookup"] ?? 0,
    tunnelCount: relay.tunnels?.count ?? 0,
    index: relay.names?.stats ?? NO_INDEX,
    holderCount: holders.count,
    holderLimit: limits.holderCount,
    heldContentCount: holders.contentCount,
    holdings: counts["holding"] ?? 0,
    holderLookups: counts["holders"] ?? 0,
    indexLookups: {
      some: counts["index_some"] ?? 0,
      all: counts["index_all"] ?? 0,
    },
    indexWrongHits: counts["index_wrong"] ?? 0,
    reports: reports.snapshot(),
    cluster: relay.cluster?.stats() ?? null,
    replicaCount: registry.replicas.count(now),
  };
}
