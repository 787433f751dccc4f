/**
 * The options and events of a relay. Types only.
 *
 * @module
 */

import type { Secrets } from "../access/relay_access.ts";
import type { Endpoint } from "../base/conn.ts";
import type { Limits } from "../base/limits.ts";
import type { ClockEvent } from "../base/clock_watch.ts";
import type { IncidentEvent } from "../guard/incidents.ts";
import type { Identity } from "../identity/identity.ts";
import type { RelayNotices } from "../protocol/hello.ts";
import type { ClusterEvent, Replicator } from "../cluster/replicator.ts";
import type { NodesEvent } from "./context.ts";
import type { RelayStats } from "./stats.ts";

/** Events of a relay. */
export type RelayEvent =
  | IncidentEvent
  | ClusterEvent
  | NodesEvent
  | ClockEvent
  /** The relay accepts connections; `address` pins its id. */
  | {
    event: "relay_listening";
    host: string;
    port: number;
    id: string;
    address: string;
    encrypted: boolean;
    /** Whether it serves only peers with a token or a link. */
    private: boolean;
    /** The second port for tunnels, if there is one. */
    tunnelPort?: number;
  };

/** Options of {@linkcode serveRelay}. */
export interface RelayOptions extends RelayNotices {
  /** Port to listen on; 0 lets the system pick. */
  port: number;
  /** Address to bind; all addresses of the machine by default. */
  host?: string;
  /** The host and port in the relay address, if they differ. */
  advertise?: { host: string; port?: number };
  /** The identity of the relay; by default a new one. */
  identity?: Identity;
  /** Whether nodes may know it from an earlier run, and will return. */
  hasRunBefore?: boolean;
  /** Runs without encryption; nodes and clients must do the same. */
  plaintext?: boolean;
  /**
   * Carries tunnels for nodes that cannot be dialled, unless `false`. Tunnels
   * enter by the relay's own port, or at less cost by a second port. The system
   * picks the second port if none is given.
   */
  tunnels?: false | { port?: number };
  /** Makes the relay private: its tokens, links and grants come from these. */
  secrets?: Secrets;
  /**
   * The most memory for fingerprints of names, in bytes, by default 240 MB. With
   * 0 the relay keeps none, and clients ask all nodes.
   */
  indexBytes?: number;
  /**
   * Makes it one of several instances with the same identity, which list each
   * other's nodes. The relay disposes of the replicator. `address` is where this
   * instance alone can be dialled, by default where it listens.
   */
  cluster?: { replicator: Replicator; address?: Endpoint };
  /** Numbers that replace those of `limits.ts`. */
  limits?: Partial<Limits>;
  /** Closes the relay when aborted. */
  signal?: AbortSignal;
  /** Called for every event. */
  onEvent?: (event: RelayEvent) => void;
}

/** A running relay. Disposing closes it. */
export interface RelayServer extends AsyncDisposable {
  /** The address that it listens at. */
  readonly address: Endpoint;
  /** Its id. */
  readonly id: string;
  /** `p2p://HOST:PORT/RELAY_ID`, for nodes and clients. */
  readonly relayAddress: string;
  /** Nodes with a lease. */
  readonly nodeCount: number;
  /** Open connections. */
  readonly connectionCount: number;
  /** Tunnels that have not ended. */
  readonly tunnelCount: number;
  /** A snapshot of the relay in numbers. */
  stats(): RelayStats;
  /**
   * Replaces the secrets. The relay makes grants with the previous secret until
   * all listed nodes know the new one. A peer that was admitted by a secret
   * which is no longer valid is refused at its next message.
   *
   * @throws {TypeError} if the relay is open.
   */
  replaceSecrets(secrets: Secrets): void;
  /** Stops accepting, and ends open connections. Idempotent. */
  close(): Promise<void>;
}
