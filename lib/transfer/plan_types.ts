/**
 * The input and the output of a plan.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import type { PieceRun } from "../content/piece_set.ts";

/** A request to one source: consecutive pieces of one file. */
export interface Task extends PieceRun {
  /** Index of the file in the plan. */
  readonly file: number;
}

/** Whether a piece that has arrived was wanted. */
export type Arrival = "wanted" | "duplicate" | "unsolicited";

/** Options of {@linkcode Plan}. */
export interface PlanOptions {
  /** Files worked on at once. */
  readonly openFileCount: number;
  /**
   * A file fails after this many failures of one of its pieces, if each
   * remaining holder has failed to send that piece.
   */
  readonly pieceFailureCount: number;
  /**
   * Another source takes over a piece only if the slow source would need at least
   * this many milliseconds longer.
   */
  readonly takeOverMs: number;
  /**
   * A second connection to the same holder takes over pieces only if the first
   * one has delivered nothing for this many milliseconds.
   */
  readonly connectionQuietMs: number;
  /**
   * Milliseconds, up to `now`, in which the client waited for a source. Only
   * these count for its speed; by default all time counts.
   */
  readonly waitedMs?: (source: string, now: number) => number;
  /** The numbers for files in a swarm; by default those of `LIMITS`. */
  readonly swarm?: Limits;
}

/** The order of a file that many clients fetch together. */
export interface RarestFirst {
  /** Returns a number from 0 to below 1, for an order of this client's own. */
  readonly random: () => number;
}

/** A file to be planned. */
export interface PlannedFile {
  /** Number of its pieces. */
  readonly pieceCount: number;
  /** Bytes of a piece. */
  readonly pieceBytes: number;
  /** Pieces in one task at most. */
  readonly taskPieces: number;
  /** Holders that have it. */
  readonly holders: Iterable<string>;
  /** Pieces that exist already. */
  readonly have?: Iterable<number>;
  /**
   * For a file that is consumed in order: how many pieces after the last
   * consumed one may be requested. With `rarest`, these are requested first,
   * then others.
   */
  readonly lookahead?: number;
  /**
   * Requests the rarest pieces first, a few at a time from each source. By
   * default the first pieces are requested first.
   */
  readonly rarest?: RarestFirst;
}

/** Tasks of more pieces than usual, for a fast source. */
export interface LongTasks {
  /** Most bytes of one task. */
  readonly mostBytes: number;
  /** Most milliseconds that one task may take at the rate of its source. */
  readonly mostMs: number;
}
