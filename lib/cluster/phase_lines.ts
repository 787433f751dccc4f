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
  readonly #emit: (event: ClusterEvent) => void;
  readonly #reportedAt = new Map<ClusterPhase, number>();
  #last: ClusterPhase | undefined;

  /** Reports the same phase again after `pauseMs` at the earliest. */
  constructor(pauseMs: number, emit: (event: ClusterEvent) => void) {
    this.#pauseMs = pauseMs;
    this.#emit = emit;
  }

  /**
   * Notes the phase at `now`. A phase without a reason is reported only if it
   * has changed.
   */
  emit(phase: ClusterPhase, why: string | undefined, now: number): void {
    if (phase === this.#last && why === undefined) return;
    if (phase === "stale" && why === undefined) return; // about to become whole
    const reportedAt = this.#reportedAt.get(phase) ?? -Infinity;
    if (now - reportedAt < this.#pauseMs) return;
    this.#reportedAt.set(phase, now);
    this.#last = phase;
    this.#emit({
      event: "cluster",
      phase,
      ...(why === undefined ? {} : { why }),
    });
  }
}
