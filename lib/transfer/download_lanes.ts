/**
 * Begins sessions in lanes, in addition to the first session with a node:
 * decides how many each source has, and when no more are opened.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import { Connection, type Work } from "./connection.ts";
import type { Plan } from "./plan.ts";
import type { NodeSession } from "./session.ts";
import type { Source } from "./source.ts";
import type { Sources } from "./sources.ts";

/** Options of {@linkcode DownloadLanes}. */
export interface DownloadLanesOptions {
  /** The numbers. */
  readonly limits: Limits;
  /** Sessions in lanes over all nodes, and one with each node at least. */
  readonly laneCount: number;
  /** What the sessions work for. */
  readonly work: () => Work;
  readonly plan: Plan;
  readonly sources: Sources;
  /** A session has ended, so something has changed for all. */
  readonly ended: () => void;
}

/** The sessions in lanes of one download. */
export class DownloadLanes {
  readonly #options: DownloadLanesOptions;
  #begun = 0;

  /** None has begun. */
  constructor(options: DownloadLanesOptions) {
    this.#options = options;
  }

  /** A node was reached: sessions in lanes do the rest if they can. */
  opened(source: Source, session: NodeSession): void {
    const { openInLane } = source.given;
    if (openInLane === undefined || session.path !== "direct") return;
    const { sourceFailureCount } = this.#options.limits;
    // After this many failures only the usual connections are used.
    const isTired = source.laneRounds >= sourceFailureCount;
    if (source.laneCount > 0 || isTired) return;
    const count = this.#countFor(source);
    if (count <= 0) return;
    source.laneRounds++;
    this.#begun += count;
    for (let n = 0; n < count; n++) {
      const id = `${source.given.id} lane ${source.laneRounds} ${n}`;
      this.#begin(id, source, async (signal) => {
        try {
          return await openInLane(session, signal);
        } catch (error) {
          source.refusesLane();
          throw error;
        }
      });
    }
  }

  /** The number of lanes that a source should have. */
  #countFor(source: Source): number {
    const { laneCount, sources } = this.#options;
    const each = Math.ceil(laneCount / Math.max(1, sources.activeCount));
    // Each has a buffer of its own: what is begun counts, not what has opened.
    return Math.min(laneCount - this.#begun, each, source.laneRoom);
  }

  #begin(
    id: string,
    source: Source,
    open: (signal: AbortSignal) => Promise<NodeSession>,
  ): void {
    const { limits, plan, sources, work, ended } = this.#options;
    const connection = new Connection(id, {
      source,
      work: work(),
      session: undefined,
    });
    source.connections.push(id);
    sources.addConnection(connection);
    plan.addSource(id, source.given.id, performance.now(), {
      mostBytes: limits.laneTaskBytes,
      mostMs: limits.laneTaskMs,
    });
    const serving = connection.serveInLane(open);
    work().track(serving.finally(() => {
      this.#begun--;
      plan.release(id, undefined, false);
      ended();
    }));
  }
}
