/**
 * Reports problems with strangers as events, limited in number and at the right
 * level.
 *
 * @module
 */

import { addressGroup } from "../base/address.ts";
import type { Endpoint } from "../base/conn.ts";
import { Counts } from "./counts.ts";
import { isDisconnect } from "../base/errors.ts";
import { RefusalLog } from "./refusals.ts";

/** What a relay or node tells of strangers. */
export type IncidentEvent =
  /** Something was refused, `count` times since it was last told. */
  | { event: "refused"; reason: string; from: string; count: number }
  /** A connection failed in a way that nobody foresaw. */
  | { event: "connection_failed"; from: string; error: unknown }
  /** The system refused to accept, `count` times since it was last told. */
  | { event: "accept_stalled"; why: string; count: number };

/** How often what went wrong, told or not. */
export interface IncidentTotals {
  /** Refusals by reason. */
  readonly refusals: Readonly<Record<string, number>>;
  /** Connections that failed in a way that nobody foresaw. */
  readonly failedConnections: number;
  /** Times the system refused to accept connections. */
  readonly acceptStalls: number;
}

/** Tells incidents, each kind only now and then for one address or cause. */
export class Incidents {
  readonly #log: RefusalLog;
  readonly #tell: (event: IncidentEvent) => void;
  readonly #refusals = new Counts();
  #failedConnections = 0;
  #acceptStalls = 0;

  /** Tells through `tell`, one reason and address at most once in `pauseMs`. */
  constructor(pauseMs: number, tell: (event: IncidentEvent) => void) {
    this.#log = new RefusalLog(pauseMs);
    this.#tell = tell;
  }

  /** All incidents so far. */
  get totals(): IncidentTotals {
    return {
      refusals: this.#refusals.snapshot(),
      failedConnections: this.#failedConnections,
      acceptStalls: this.#acceptStalls,
    };
  }

  /** A peer was refused something, for a reason with a stable code. */
  refused(reason: string, remote: Endpoint): void {
    this.#refusals.add(reason);
    const from = addressGroup(remote.host);
    const count = this.#log.note(reason, from, performance.now());
    if (count > 0) this.#tell({ event: "refused", reason, from, count });
  }

  /** A handler threw. That the peer went away is no incident. */
  failed(error: unknown, remote: Endpoint): void {
    if (isDisconnect(error)) return;
    this.#failedConnections++;
    const from = addressGroup(remote.host);
    this.#tell({ event: "connection_failed", from, error });
  }

  /** Accepting failed. */
  stalled(why: string): void {
    this.#acceptStalls++;
    const count = this.#log.note("accept_stalled", why, performance.now());
    if (count > 0) this.#tell({ event: "accept_stalled", why, count });
  }
}
