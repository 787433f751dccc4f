/**
 * What the conversations of a relay tell of its nodes where it is one instance
 * of several, and ask. Types only.
 *
 * @module
 */

import type { Use } from "../access/uses.ts";
import type { ClusterStats } from "../cluster/replicator.ts";
import type { Lease } from "./lease.ts";

/** One instance of a relay. Disposing leaves the others. */
export interface ClusterSide extends AsyncDisposable {
  /** The cluster in numbers. */
  stats(): ClusterStats;
  /** A node has registered here. */
  registered(id: string): void;
  /** A node has renewed here, or was attached or detached. */
  renewed(id: string): void;
  /** A node has left before the end of its lease. */
  left(id: string, sequence: number): void;
  /** A link was used here. */
  used(use: Use): void;
  /**
   * The other instance that a node is attached to, as `HOST:PORT`; `undefined`
   * if it is attached to none that is there.
   */
  tunnelAt(
    lease: Pick<Lease, "holder" | "isAttachedThere">,
  ): string | undefined;
}
