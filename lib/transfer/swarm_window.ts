/**
 * How many pieces one source of a swarm may be asked for at once. Pure.
 *
 * It is small at first: many clients that begin together would otherwise have
 * the same pieces waiting in the seed's queue.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";

/** The numbers of a swarm that the plan keeps to. */
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

  /** Pieces that may be under way. */
  get pieceCount(): number {
    return this.#pieceCount;
  }

  /**
   * A piece came, `ms` after it was asked for. A client that is alone makes no
   * other wait: its window grows as long as pieces arrive.
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
