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
import type { Listings } from "./listings.ts";
import type { Stays } from "./stays.ts";
import type { TunnelEvent, Tunnels } from "./tunnels.ts";
import type { AddressTurns } from "./address_turns.ts";

/** What a relay tells of its nodes. */
export type NodesEvent =
  | TunnelEvent
  /** A node holds a lease that did not hold one before. */
  | {
    event: "node_registered";
    id: string;
    name: string;
    addresses: string[];
    from: string;
  }
  /** A node no longer holds a lease. */
  | {
    event: "node_left";
    id: string;
    name: string;
    how: "withdrawn" | "expired" | "found_dead";
  };

/** Made by the relay, used by whoever talks to a peer. */
export interface RelayContext {
  /** Id of the relay. */
  readonly id: string;
  /** Whether nothing is encrypted. */
  readonly plaintext: boolean;
  /** The numbers. */
  readonly limits: Limits;
  /** Who is registered. */
  readonly registry: Registry;
  /** What the registry keeps of each. */
  readonly entries: Entries;
  /** Hears of what was refused. */
  readonly incidents: Incidents;
  /** What was asked and granted: `registration`, `lookup`. */
  readonly requests: Counts;
  /** Reports of dead nodes, by outcome. */
  readonly reports: Counts;
  /** Makes the pages of the listing. */
  readonly listings: Listings;
  /** Whose request is answered next. */
  readonly turns: AddressTurns;
  /** Finds out about nodes that clients report. */
  readonly dialBacks: DialBacks;
  /** Finds out for nodes. Apart from the others: neither holds up the other. */
  readonly reachChecks: DialBacks;
  /** Which nodes stay connected between renewals. */
  readonly stays: Stays;
  /** The tunnels, where the relay carries any. */
  readonly tunnels: Tunnels | null;
  /** Tells an event. */
  readonly tell: (event: NodesEvent) => void;
}

/** Tells that a node no longer holds the lease that had `entry`. */
export function tellLeft(
  { tell, entries }: Pick<RelayContext, "tell" | "entries">,
  { id, entry }: { id: string; entry: string },
  how: "withdrawn" | "expired" | "found_dead",
): void {
  tell({ event: "node_left", id, name: entries.nameIn(entry), how });
}
