/**
 * Limits reports about the store to one a minute for each phase. Pure: time is
 * an argument.
 *
 * @module
 */

import type { ClusterEvent, ClusterPhase } from "./replicator.ts";

/** Reports phases. */
export class PhaseLines {
  readonly #pauseMs: number;
  readonly #tell: (event: ClusterEvent) => void;
  readonly #toldAt = new Map<ClusterPhase, number>();
  #last: ClusterPhase | undefined;

  /** Reports the same phase again after `pauseMs` at the earliest. */
  constructor(pauseMs: number, tell: (event: ClusterEvent) => void) {
    this.#pauseMs = pauseMs;
    this.#tell = tell;
  }

  /**
   * Notes the phase at `now`. A phase without a reason is reported only if it
   * has changed.
   */
  tell(phase: ClusterPhase, why: string | undefined, now: number): void {
    if (phase === this.#last && why === undefined) return;
    if (phase === "stale" && why === undefined) return; // about to become whole
    const toldAt = this.#toldAt.get(phase) ?? -Infinity;
    if (now - toldAt < this.#pauseMs) return;
    this.#toldAt.set(phase, now);
    this.#last = phase;
    this.#tell({
      event: "cluster",
      phase,
      ...(why === undefined ? {} : { why }),
    });
  }
}
