/**
 * A snapshot of a relay in numbers.
 *
 * @module
 */

import type { HistogramSnapshot } from "../guard/counts.ts";
import type { IncidentTotals } from "../guard/incidents.ts";

/** A relay in numbers, at one moment; counts are since it started. */
export interface RelayStats extends IncidentTotals {
  /** Nodes that hold a lease. */
  readonly nodeCount: number;
  /** Nodes that may hold one. */
  readonly nodeLimit: number;
  /** Connections that are open. */
  readonly connectionCount: number;
  /** Those of them that have not said hello yet. */
  readonly handshakeCount: number;
  /** Seconds from accept to hello. */
  readonly handshakes: HistogramSnapshot;
  /** Registrations granted, renewals included. */
  readonly registrations: number;
  /** Listings asked for. */
  readonly lookups: number;
  /** Tunnels that have not ended. */
  readonly tunnelCount: number;
  /** Reports of dead nodes by outcome. */
  readonly reports: Readonly<Record<string, number>>;
}
