/**
 * Turns the events and a snapshot of a relay or a node into metrics and a
 * health verdict. Pure: time is an argument, in milliseconds on any monotonic
 * clock.
 *
 * No label holds a name, an id or an address: metrics say how much, never who.
 *
 * @module
 */

import { Counts } from "../guard/counts.ts";
import type { MetricFamily } from "./exposition.ts";
import { LIMITS } from "../base/limits.ts";
import type { NodeEvent, NodeStats } from "../node/server.ts";
import type { RelayStats } from "../relay/stats.ts";
import type { RelayEvent } from "../relay/server.ts";

/** Why a relay is unhealthy. */
export type RelayTrouble = "not_accepting" | "registry_full";

/** Why a node is unhealthy. */
export type NodeTrouble =
  | "not_accepting"
  | "not_registered"
  | "share_unreadable";

// A listener that cannot accept notices this again at its next check at the
// latest, and the event is repeated at a limited rate.
const STALLED_MS = LIMITS.refusalPauseMs + 2 * LIMITS.acceptCheckMs;

/** Whether an engine's listener accepts, judged by its events. */
class Accepting {
  #stalledAt = -Infinity;

  stalled(now: number): void {
    this.#stalledAt = now;
  }

  isAt(now: number): boolean {
    return now - this.#stalledAt >= STALLED_MS;
  }
}

/** Collects the metrics of one relay. */
export class RelayMetrics {
  readonly #accepting = new Accepting();
  readonly #left = new Counts(["withdrawn", "expired", "found_dead"]);
  readonly #tunnels = new Counts([
    "completed",
    "abandoned",
    "refused",
    "expired",
    "failed",
  ]);
  readonly #tunnelBytes = new Counts(["client", "node"]);
  #joined = 0;
  #attached = 0;

  /** Call this with every event of the relay, at once. */
  onEvent(event: RelayEvent, now: number): void {
    switch (event.event) {
      case "node_registered":
        this.#joined++;
        break;
      case "node_left":
        this.#left.add(event.how);
        break;
      case "node_attached":
        this.#attached++;
        break;
      case "node_detached":
        this.#attached--;
        break;
      case "tunnel_ended":
        this.#tunnels.add(event.how);
        this.#tunnelBytes.add("client", event.toClientBytes);
        this.#tunnelBytes.add("node", event.toNodeBytes);
        break;
      case "accept_stalled":
        this.#accepting.stalled(now);
        break;
    }
  }

  /** Why the relay is unhealthy; empty if it is healthy. */
  troubles(stats: RelayStats, now: number): RelayTrouble[] {
    const troubles: RelayTrouble[] = [];
    if (!this.#accepting.isAt(now)) troubles.push("not_accepting");
    if (stats.nodeCount >= stats.nodeLimit) troubles.push("registry_full");
    return troubles;
  }

  /** Makes the metrics. */
  families(stats: RelayStats): MetricFamily[] {
    return [
      ...connectionFamilies(stats),
      gauge("leases", "Nodes that hold a lease.", stats.nodeCount),
      gauge(
        "leases_max",
        "Largest number of leases that the relay grants.",
        stats.nodeLimit,
      ),
      counter("nodes_joined_total", "Nodes that got a lease.", this.#joined),
      counterBy(
        "nodes_left_total",
        "Nodes whose lease ended, by how.",
        "how",
        this.#left.snapshot(),
      ),
      counter(
        "registrations_total",
        "Registrations granted, renewals included.",
        stats.registrations,
      ),
      counter("lookups_total", "Listings asked for.", stats.lookups),
      ...indexFamilies(stats),
      ...holderFamilies(stats),
      ...clusterFamilies(stats),
      gauge(
        "nodes_attached",
        "Nodes that can be reached through the relay.",
        this.#attached,
      ),
      gauge("tunnels", "Tunnels that have not ended.", stats.tunnelCount),
      counterBy(
        "tunnels_total",
        "Tunnels that have ended, by how.",
        "ending",
        this.#tunnels.snapshot(),
      ),
      counterBy(
        "tunnel_bytes_total",
        "Encrypted bytes of ended tunnels, by receiver.",
        "to",
        this.#tunnelBytes.snapshot(),
      ),
      counterBy(
        "reports_total",
        "Reports of dead nodes, by outcome.",
        "outcome",
        stats.reports,
      ),
    ];
  }
}

function holderFamilies(stats: RelayStats): MetricFamily[] {
  return [
    gauge("holders", "Clients that hold contents.", stats.holderCount),
    gauge(
      "holders_max",
      "Largest number of holders that the relay accepts.",
      stats.holderLimit,
    ),
    gauge("held_contents", "Contents with a holder.", stats.heldContentCount),
    counter(
      "holdings_total",
      "Messages that report held contents, renewals included.",
      stats.holdings,
    ),
    counter(
      "holder_lookups_total",
      "Requests for the holders of a content.",
      stats.holderLookups,
    ),
  ];
}

/** None where the relay is the only instance. */
function clusterFamilies(
  { cluster, replicaCount }: RelayStats,
): MetricFamily[] {
  if (cluster === null) return [];
  const phases = ["away", "stale", "whole"] as const;
  return [
    {
      name: named("cluster_phase"),
      help: "1 for the current state of the instance: away, stale or whole.",
      type: "gauge",
      samples: phases.map((phase) => ({
        labels: { phase },
        value: phase === cluster.phase ? 1 : 0,
      })),
    },
    gauge(
      "cluster_instances",
      "Running instances, this one included.",
      cluster.instances,
    ),
    gauge(
      "cluster_leases",
      "Leases that other instances have granted.",
      replicaCount,
    ),
    gauge(
      "cluster_lag_batches",
      "Batches of the stream that are written but not read yet.",
      cluster.lagBatches,
    ),
    gauge(
      "cluster_lag_seconds",
      "How long such batches have existed.",
      cluster.lagSeconds,
    ),
    gauge("cluster_waiting", "Items still to be written.", cluster.waiting),
    counter("cluster_written_total", "Items written.", cluster.written),
    counter(
      "cluster_taken_total",
      "Items accepted from other instances.",
      cluster.taken,
    ),
    counterBy(
      "cluster_dropped_total",
      "Items of other instances that were rejected, by reason.",
      "reason",
      cluster.dropped,
    ),
    counterBy(
      "cluster_failures_total",
      "Failures of the store, by kind.",
      "kind",
      cluster.failures,
    ),
  ];
}

function indexFamilies(
  { index, indexLookups, indexWrongHits }: RelayStats,
): MetricFamily[] {
  return [
    gauge("index_entries", "Fingerprints in the index.", index.entries),
    gauge("index_bytes", "Bytes of these fingerprints.", index.bytes),
    gauge("index_nodes", "Nodes with a complete index.", index.nodes),
    gauge(
      "index_nodes_unindexed",
      "Nodes that clients ask for every name.",
      index.unindexed,
    ),
    counterBy(
      "index_lookups_total",
      "Listings for some names, by the nodes in the answer.",
      "nodes",
      { ...indexLookups },
    ),
    counter(
      "index_wrong_hits_total",
      "Indexed nodes that lacked a name they were listed for, as clients reported.",
      indexWrongHits,
    ),
  ];
}

/** Collects the metrics of one node. */
export class NodeMetrics {
  readonly #accepting = new Accepting();
  /** The end of each relay's lease; past if it lists the node no longer. */
  readonly #leaseEnds = new Map<string, number>();
  #registrationFailures = 0;
  #clientsServed = 0;

  /** Call this with every event of the node, at once. */
  onEvent(event: NodeEvent, now: number): void {
    switch (event.event) {
      case "registered":
      case "renewed":
        this.#leaseEnds.set(event.relay, now + event.leaseSeconds * 1000);
        break;
      case "registration_failed":
      case "outdated":
      case "turned_away":
        this.#registrationFailures++;
        this.#leaseEnds.set(event.relay, -Infinity);
        break;
      case "withdrawn":
        this.#leaseEnds.set(event.relay, -Infinity);
        break;
      case "served":
        this.#clientsServed++;
        break;
      case "accept_stalled":
        this.#accepting.stalled(now);
        break;
    }
  }

  /** Why the node is unhealthy; empty if it is healthy. */
  troubles(
    { isShareReadable }: { isShareReadable: boolean },
    now: number,
  ): NodeTrouble[] {
    const troubles: NodeTrouble[] = [];
    if (!this.#accepting.isAt(now)) troubles.push("not_accepting");
    if (this.#listingCount(now) === 0) troubles.push("not_registered");
    if (!isShareReadable) troubles.push("share_unreadable");
    return troubles;
  }

  /** Makes the metrics. */
  families(stats: NodeStats, now: number): MetricFamily[] {
    return [
      ...connectionFamilies(stats),
      gauge(
        "registered",
        "1 while a relay lists this node, as far as it knows.",
        Math.min(1, this.#listingCount(now)),
      ),
      gauge(
        "relays_registered",
        "Relays that list this node, as far as it knows.",
        this.#listingCount(now),
      ),
      counter(
        "registration_failures_total",
        "Failed registrations; repeated failures with one cause count once.",
        this.#registrationFailures,
      ),
      gauge("files", "Files shared.", stats.fileCount),
      gauge(
        "hashing_backlog_files",
        "Files that are not scanned or hashed yet.",
        stats.backlogCount,
      ),
      counterBy(
        "requests_total",
        "Requests of clients, by kind.",
        "kind",
        stats.requests,
      ),
      counter("sent_bytes_total", "Bytes of files sent.", stats.sentBytes),
      counter(
        "clients_served_total",
        "Clients that disconnected after they had received data.",
        this.#clientsServed,
      ),
    ];
  }

  /** Relays that list the node. */
  #listingCount(now: number): number {
    return [...this.#leaseEnds.values()].filter((endsAt) => now < endsAt)
      .length;
  }
}

/** Metrics of both listeners. */
function connectionFamilies(
  stats: RelayStats | NodeStats,
): MetricFamily[] {
  return [
    gauge("connections", "Connections that are open.", stats.connectionCount),
    gauge(
      "handshakes_pending",
      "Connections that have not said hello yet.",
      stats.handshakeCount,
    ),
    {
      name: named("handshake_seconds"),
      help: "From accept to hello, in seconds.",
      type: "histogram",
      histogram: stats.handshakes,
    },
    counterBy(
      "refusals_total",
      "Connections and requests refused, by reason.",
      "reason",
      stats.refusals,
    ),
    counter(
      "connections_failed_total",
      "Connections that ended with an unexpected error.",
      stats.failedConnections,
    ),
    counter(
      "accept_stalls_total",
      "Times the system refused to accept connections.",
      stats.acceptStalls,
    ),
  ];
}

function named(name: string): string {
  return `relay_p2p_${name}`;
}

function gauge(name: string, help: string, value: number): MetricFamily {
  return { name: named(name), help, type: "gauge", samples: [{ value }] };
}

function counter(name: string, help: string, value: number): MetricFamily {
  return { name: named(name), help, type: "counter", samples: [{ value }] };
}

function counterBy(
  name: string,
  help: string,
  label: string,
  counts: Readonly<Record<string, number>>,
): MetricFamily {
  const samples = Object.entries(counts)
    .map(([text, value]) => ({ labels: { [label]: text }, value }));
  return { name: named(name), help, type: "counter", samples };
}
