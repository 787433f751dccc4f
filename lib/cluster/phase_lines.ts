/**
 * Keeps what is told of the store to a line a minute for each phase. Pure: time
 * is an argument.
 *
 * @module
 */

import type { ClusterEvent, ClusterPhase } from "./replicator.ts";

/** Tells of phases. */
export class PhaseLines {
  readonly #pauseMs: number;
  readonly #tell: (event: ClusterEvent) => void;
  readonly #toldAt = new Map<ClusterPhase, number>();
  #last: ClusterPhase | undefined;

  /** Tells of the same phase again after `pauseMs` at the earliest. */
  constructor(pauseMs: number, tell: (event: ClusterEvent) => void) {
    this.#pauseMs = pauseMs;
    this.#tell = tell;
  }

  /** The phase at `now`; one without a reason is told only if it is another. */
  tell(phase: ClusterPhase, why: string | undefined, now: number): void {
    if (phase === this.#last && why === undefined) return;
    if (phase === "stale" && why === undefined) return; // on its way to whole
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
