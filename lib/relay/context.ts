/**
 * The state that all conversations of a relay share.
 *
 * @module
 */

import type { Counts } from "../guard/counts.ts";
import type { Incidents } from "../guard/incidents.ts";
import type { Limits } from "../base/limits.ts";
import type { Registry } from "./registry.ts";
import type { DialBacks } from "./dial_backs.ts";
import type { Entries } from "./entries.ts";
import type { Holders } from "./holders.ts";
import type { Listings } from "./listings.ts";
import type { IndexedNodes } from "./indexed_nodes.ts";
import type { RenewalTokens } from "./renewal_tokens.ts";
import type { IdleConnections } from "./idle_connections.ts";
import type { TunnelEvent, Tunnels } from "./tunnels.ts";
import type { AddressTurns } from "./address_turns.ts";
import type { ClusterSide } from "./cluster_side.ts";

/** Events about the nodes of a relay. */
export type NodesEvent =
  | TunnelEvent
  /** A node has a lease and had none before. */
  | {
    event: "node_registered";
    id: string;
    name: string;
    addresses: string[];
    from: string;
  }
  /** A node no longer has a lease. */
  | {
    event: "node_left";
    id: string;
    name: string;
    how: "withdrawn" | "expired" | "found_dead";
  };

/** Everything that a conversation with a peer needs from its relay. */
export interface RelayContext {
  /** Id of the relay. */
  readonly id: string;
  /** Whether the relay runs without encryption. */
  readonly plaintext: boolean;
  readonly limits: Limits;
  /** The leases. */
  readonly registry: Registry;
  /** The indexes of their names; `null` if the relay keeps none. */
  readonly names: IndexedNodes | null;
  /** Base64 of the key of the fingerprints in them. */
  readonly indexKey: string;
  /** Lets nodes renew without a signature. */
  readonly renewals: RenewalTokens;
  /** Packs and unpacks what the registry stores. */
  readonly entries: Entries;
  /** Gets refusals. */
  readonly incidents: Incidents;
  /**
   * Granted requests by kind: `registration` and `lookup`. Look-ups also count
   * as `index_some` (answered from the index) or `index_all` (too many nodes).
   * Swarms count as `holding` and `holders`. `index_wrong` counts nodes that
   * the index named wrongly, as clients report.
   */
  readonly requests: Counts;
  /** Reports of dead nodes, by outcome. */
  readonly reports: Counts;
  /** Makes the pages of listings. */
  readonly listings: Listings;
  /** Delays the requests of busy addresses. */
  readonly turns: AddressTurns;
  /** Checks nodes that clients report as dead. */
  readonly dialBacks: DialBacks;
  /**
   * Checks nodes that ask whether others can dial them. Separate from
   * `dialBacks`, so that neither delays the other.
   */
  readonly reachChecks: DialBacks;
  /** Checks holders, apart from nodes for the same reason. */
  readonly holderChecks: DialBacks;
  /** Decides which nodes stay connected between renewals. */
  readonly stays: IdleConnections;
  /** Clients that hold contents for a swarm. */
  readonly holders: Holders;
  /** The tunnels; `null` if the relay offers none. */
  readonly tunnels: Tunnels | null;
  /** This relay as one of several instances; `null` if it is the only one. */
  readonly cluster: ClusterSide | null;
  /** Reports an event. */
  readonly emit: (event: NodesEvent) => void;
}

/** Reports that a node no longer has the lease with this `entry`. */
export function reportNodeRemoved(
  { emit, entries, names }: Pick<RelayContext, "emit" | "entries" | "names">,
  { id, entry }: { id: string; entry: string },
  how: "withdrawn" | "expired" | "found_dead",
): void {
  names?.left(id);
  emit({ event: "node_left", id, name: entries.nameIn(entry), how });
}
