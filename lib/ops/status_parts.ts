/**
 * The metrics that a status page shows, and their texts.
 *
 * @module
 */

import type { NodeTrouble, RelayTrouble } from "./metrics.ts";

/** One number of the last hour, with its plot. */
export interface Card {
  /** Its heading. */
  readonly title: string;
  /** The metric. */
  readonly name: string;
  /** A level is drawn as a line, a counter as its increase per minute. */
  readonly kind: "level" | "counter";
  /** What it counts. */
  readonly unit: "count" | "bytes";
}

/** Counts by label. */
export interface CountTable {
  /** Its caption. */
  readonly title: string;
  /** The metric. */
  readonly name: string;
}

function level(title: string, name: string, unit: Card["unit"] = "count") {
  return { title, name, kind: "level", unit } as const;
}

function counter(title: string, name: string, unit: Card["unit"] = "count") {
  return { title, name, kind: "counter", unit } as const;
}

const MEMORY = level("Memory", "process_resident_memory_bytes", "bytes");
const CONNECTIONS = level("Connections", "relay_p2p_connections");
const REFUSALS = counter("Refusals", "relay_p2p_refusals_total");
const REFUSALS_BY_REASON = {
  title: "Refusals, by reason",
  name: "relay_p2p_refusals_total",
};

/** The cards of each role, in their order. */
export const CARDS: Readonly<Record<"relay" | "node", readonly Card[]>> = {
  relay: [
    level("Nodes", "relay_p2p_leases"),
    counter("Look-ups", "relay_p2p_lookups_total"),
    level("Tunnels", "relay_p2p_tunnels"),
    counter(
      "Bytes of tunnels that ended",
      "relay_p2p_tunnel_bytes_total",
      "bytes",
    ),
    REFUSALS,
    CONNECTIONS,
    level("Nodes reached through the relay", "relay_p2p_nodes_attached"),
    counter("Registrations", "relay_p2p_registrations_total"),
    level("Fingerprints of names", "relay_p2p_index_entries"),
    level("Clients in swarms", "relay_p2p_holders"),
    MEMORY,
  ],
  node: [
    counter("Bytes sent", "relay_p2p_sent_bytes_total", "bytes"),
    counter("Requests", "relay_p2p_requests_total"),
    counter("Clients served", "relay_p2p_clients_served_total"),
    CONNECTIONS,
    REFUSALS,
    level("Files", "relay_p2p_files"),
    level("Files still to be hashed", "relay_p2p_hashing_backlog_files"),
    level("Listed by the relay (1 or 0)", "relay_p2p_registered"),
    MEMORY,
  ],
};

/** The tables of each role, in their order. */
export const TABLES: Readonly<
  Record<"relay" | "node", readonly CountTable[]>
> = {
  relay: [
    REFUSALS_BY_REASON,
    { title: "Tunnels, by how they ended", name: "relay_p2p_tunnels_total" },
    {
      title: "Nodes whose lease ended, by how",
      name: "relay_p2p_nodes_left_total",
    },
    {
      title: "Reports of dead nodes, by outcome",
      name: "relay_p2p_reports_total",
    },
    {
      title: "Look-ups in the index, by the nodes in the answer",
      name: "relay_p2p_index_lookups_total",
    },
  ],
  node: [
    REFUSALS_BY_REASON,
    { title: "Requests, by kind", name: "relay_p2p_requests_total" },
  ],
};

/** The reasons of bad health, with advice. */
export const TROUBLES: Readonly<Record<RelayTrouble | NodeTrouble, string>> = {
  // deno-lint-ignore camelcase
  not_accepting:
    "The program could not accept connections recently: raise the limit on open files.",
  // deno-lint-ignore camelcase
  registry_full: "The registry holds the largest number of nodes.",
  // deno-lint-ignore camelcase
  not_registered:
    "The node cannot reach the relay, or the relay refuses it: see the log. The node continues to serve.",
  // deno-lint-ignore camelcase
  share_unreadable: "The folder is missing: is its disk mounted?",
};
