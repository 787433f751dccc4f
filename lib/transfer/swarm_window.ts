/**
 * How many pieces may be requested from one source of a swarm at once. Pure.
 *
 * It is small at first: many clients that begin together would otherwise have
 * the same pieces waiting in the seed's queue.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";

/** The limits of a swarm that the plan obeys. */
export type SwarmNumbers = Pick<
  Limits,
  | "swarmWindowPieceCount"
  | "swarmAloneWindowPieceCount"
  | "swarmQuickMs"
  | "swarmSlowMs"
  | "swarmRunPieceCount"
  | "swarmEndPieceCount"
  | "swarmTakeOverMs"
>;

/** The window of one source. */
export class SwarmWindow {
  readonly #numbers: SwarmNumbers;
  #pieceCount = 1;

  constructor(numbers: SwarmNumbers) {
    this.#numbers = numbers;
  }

  /** Pieces that may be in flight. */
  get pieceCount(): number {
    return this.#pieceCount;
  }

  /**
   * Notes that a piece arrived, `ms` after its request. A client that is alone
   * does not make others wait: its window grows with each piece.
   */
  came(ms: number, isAlone = false): void {
    const { swarmQuickMs, swarmSlowMs } = this.#numbers;
    const most = isAlone
      ? this.#numbers.swarmAloneWindowPieceCount
      : this.#numbers.swarmWindowPieceCount;
    const isQuick = isAlone || ms < swarmQuickMs;
    if (ms > swarmSlowMs) this.#pieceCount = 1;
    else this.#pieceCount = Math.min(most, this.#pieceCount + Number(isQuick));
  }
}
