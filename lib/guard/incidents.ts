/**
 * Reports problems with strangers as events, at a limited rate and with the
 * right level.
 *
 * @module
 */

import { addressGroup } from "../base/address.ts";
import type { Endpoint } from "../base/conn.ts";
import { Counts } from "./counts.ts";
import { isDisconnect } from "../base/errors.ts";
import { RefusalLog } from "./refusals.ts";

/** The events about strangers of a relay or node. */
export type IncidentEvent =
  /** Something was refused, `count` times since the last such event. */
  | { event: "refused"; reason: string; from: string; count: number }
  /** A connection failed with an error that is not a known ending. */
  | { event: "connection_failed"; from: string; error: unknown }
  /** The system refused to accept, `count` times since the last such event. */
  | { event: "accept_stalled"; why: string; count: number };

/** The number of all incidents, reported or not. */
export interface IncidentTotals {
  /** Refusals by reason. */
  readonly refusals: Readonly<Record<string, number>>;
  /** Connections that failed with an error that is not a known ending. */
  readonly failedConnections: number;
  /** Times the system refused to accept connections. */
  readonly acceptStalls: number;
}

/** Reports incidents, each kind at a limited rate for one address or cause. */
export class Incidents {
  readonly #log: RefusalLog;
  readonly #emit: (event: IncidentEvent) => void;
  readonly #refusals = new Counts();
  #failedConnections = 0;
  #acceptStalls = 0;

  /**
   * Reports through `emit`, each reason and address at most once in `pauseMs`.
   */
  constructor(pauseMs: number, emit: (event: IncidentEvent) => void) {
    this.#log = new RefusalLog(pauseMs);
    this.#emit = emit;
  }

  get totals(): IncidentTotals {
    return {
      refusals: this.#refusals.snapshot(),
      failedConnections: this.#failedConnections,
      acceptStalls: this.#acceptStalls,
    };
  }

  /** Notes that a peer was refused; `reason` is a stable code. */
  refused(reason: string, remote: Endpoint): void {
    this.#refusals.add(reason);
    const from = addressGroup(remote.host);
    const count = this.#log.note(reason, from, performance.now());
    if (count > 0) this.#emit({ event: "refused", reason, from, count });
  }

  /**
   * Notes that a handler threw. If a peer disconnected, nothing is reported.
   */
  failed(error: unknown, remote: Endpoint): void {
    if (isDisconnect(error)) return;
    this.#failedConnections++;
    const from = addressGroup(remote.host);
    this.#emit({ event: "connection_failed", from, error });
  }

  /** Notes that the system refused to accept. */
  stalled(why: string): void {
    this.#acceptStalls++;
    const count = this.#log.note("accept_stalled", why, performance.now());
    if (count > 0) this.#emit({ event: "accept_stalled", why, count });
  }
}
