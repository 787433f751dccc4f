/**
 * The events of a fetch in swarms.
 *
 * @module
 */

import type { HolderEvent } from "../uplink/holder_lease.ts";

/** Events of a fetch in swarms. */
export type SwarmEvent =
  | HolderEvent
  /** All files are saved; this client continues to serve, at most this long. */
  | { event: "swarm_lingers"; ms: number }
  /** It continues to serve; reported once a second. */
  | {
    event: "swarm_serving";
    /** Other clients that are connected. */
    readers: number;
    /** Milliseconds until it stops, at most. */
    leftMs: number;
  }
  /** This client no longer serves others. */
  | {
    event: "swarm_ended";
    /** Bytes that it has sent to others. */
    given: number;
    /** Why it could not serve, or stopped before the fetch ended. */
    why?: string;
  };
