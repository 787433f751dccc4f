/**
 * What a plan is given, and what it answers.
 *
 * @module
 */

import type { SwarmNumbers } from "./swarm_window.ts";

/** Pieces in a row. */
export interface PieceRun {
  /** First piece. */
  readonly first: number;
  /** Number of pieces. */
  readonly count: number;
}

/** What one source is asked for: pieces of one file in a row. */
export interface Task extends PieceRun {
  /** Index of the file in the plan. */
  readonly file: number;
}

/** What a piece that has arrived is good for. */
export type Arrival = "wanted" | "duplicate" | "unasked";

/** Options of {@linkcode Plan}. */
export interface PlanOptions {
  /** Files worked on at once. */
  readonly openFileCount: number;
  /** Failures of a piece, of each holder left one at least, that end its file. */
  readonly pieceFailureCount: number;
  /** How much longer, in milliseconds, a slow source must need to lose work. */
  readonly takeOverMs: number;
  /**
   * For how long, in milliseconds, a connection must bring nothing to lose work
   * to another connection of its holder.
   */
  readonly connectionQuietMs: number;
  /**
   * Milliseconds for which a source has been waited for, up to `now`: it is
   * judged by these alone. By all of the time where this is not given.
   */
  readonly waitedMs?: (source: string, now: number) => number;
  /** The numbers of files in a swarm; those of {@linkcode LIMITS} by default. */
  readonly swarm?: SwarmNumbers;
}

/** The order of a file that many clients fetch together. */
export interface RarestFirst {
  /** Returns a number from 0 to below 1: makes this client's own order. */
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
  /** Pieces that are there already. */
  readonly have?: Iterable<number>;
  /**
   * Pieces that may be under way beyond the last that has been consumed, for a
   * file that is consumed in order. With `rarest`, these come first, and others
   * follow.
   */
  readonly lookahead?: number;
  /**
   * Asks for the rarest pieces first, each source for a few at a time. From the
   * front where this is not given.
   */
  readonly rarest?: RarestFirst;
}

/** Tasks of more pieces than usual, for a source that is quick. */
export interface LongTasks {
  /** Bytes of one at most. */
  readonly mostBytes: number;
  /** Milliseconds that one is to take at most, at the rate of its source. */
  readonly mostMs: number;
}
