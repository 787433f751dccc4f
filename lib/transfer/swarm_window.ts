/**
 * How many pieces may be requested from one source of a swarm at once. Pure.
 *
 * It is small at first: many clients that begin together would otherwise have
 * the same pieces waiting in the seed's queue.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";

/** The window of one source. */
export class SwarmWindow {
  readonly #numbers: Limits;
  #pieceCount = 1;

  constructor(numbers: Limits) {
    this.#numbers = numbers;
  }

  /** Pieces that may be in flight. */
  get pieceCount(): number {
    return this.#pieceCount;
  }

  /** Whether the source has been quick: it may have more than one run at once. */
  get isWide(): boolean {
    return this.#pieceCount > this.#numbers.swarmRunPieceCount;
  }

  /**
   * Notes that a piece arrived, `ms` after its request. A client that is alone
   * does not make others wait: its window grows with each piece.
   */
  arrived(ms: number, isAlone = false): void {
    const { swarmQuickMs, swarmSlowMs } = this.#numbers;
    if (ms > swarmSlowMs) {
      this.#pieceCount = 1;
      return;
    }
    const most = isAlone
      ? this.#numbers.swarmAloneWindowPieceCount
      : this.#numbers.swarmWindowPieceCount;
    const isQuick = isAlone || ms < swarmQuickMs;
    // Over a fast line, one more piece at a time would take many round trips.
    const inTime = Math.floor(swarmQuickMs / Math.max(1, ms));
    const wider = Math.max(inTime, this.#pieceCount + Number(isQuick));
    this.#pieceCount = Math.min(most, wider);
  }
}
