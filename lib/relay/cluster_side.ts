/**
 * What the conversations of a relay report and ask about its nodes, if it is
 * one instance of several. Types only.
 *
 * @module
 */

import type { Use } from "../access/uses.ts";
import type { Conn, Endpoint } from "../base/conn.ts";
import type { ClusterStats } from "../cluster/replicator.ts";
import type { MessageOf, Travelling } from "../protocol/messages.ts";
import type { Holder } from "./holders.ts";
import type { Lease } from "./lease.ts";

/** An end of a tunnel whose key another instance has made. */
export interface StrayEnd {
  readonly conn: Conn;
  readonly key: string;
  /** The group that limits count it in. */
  readonly source: string;
  /** Ends the handshake deadline. */
  settle(): void;
}

/** How the instances of a relay help each other with tunnels. */
export interface InstanceTunnels {
  /** The key with the name of this instance, so that others pass it on. */
  keyHere(key: string): string;
  /**
   * Passes an end on to the instance that made its key, until the tunnel ends.
   * Never rejects because of other instances.
   *
   * @returns why that is not possible, as the code of a refusal.
   */
  passOn(end: StrayEnd, signal: AbortSignal): Promise<string | undefined>;
  /** Opens a tunnel to a node that is attached to the instance at `at`. */
  openThere(
    request: { readonly id: string; readonly at: string },
    from: Endpoint,
  ): Promise<Travelling<"relayToInstance">>;
  /**
   * Whether the instance at `at` answers. It is dialled only from time to time,
   * however often this is called.
   */
  answers(at: string): Promise<boolean>;
  /** Whether another instance passes this end on. */
  isPassed(message: MessageOf<"join">): boolean;
  /** Whether another instance has sent this, in answer to that nonce. */
  isOfInstance(message: MessageOf<"open">, nonce: string): boolean;
}

/** What an instance sends about the clients that hold contents for a swarm. */
export interface HolderSide {
  /** One has entered here, from this host. */
  entered(holder: Holder, host: string): void;
  /** A holder has reported its contents, or the result of a dial is known. */
  held(holder: Holder): void;
  /** One has stopped. */
  left(holder: Holder): void;
}

/** One instance of a relay. Disposing leaves the others. */
export interface ClusterSide extends AsyncDisposable {
  /** The cluster in numbers. */
  stats(): ClusterStats;
  /** A node has registered here. */
  registered(id: string): void;
  /** A node has renewed here, or was attached or detached. */
  renewed(id: string): void;
  /** A node has withdrawn before the end of its lease. */
  left(id: string, sequence: number): void;
  /** What other instances learn about the clients of swarms. */
  readonly holders: HolderSide;
  /** What tunnels need of the other instances. */
  readonly tunnels: InstanceTunnels;
  /** A link was used here. */
  used(use: Use): void;
  /**
   * The other instance that a node is attached to, as `HOST:PORT`; `undefined`
   * if it is attached to none that is alive.
   */
  tunnelAt(
    lease: Pick<Lease, "holder" | "isAttachedThere">,
  ): string | undefined;
}
