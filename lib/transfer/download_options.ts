/**
 * The options and events of a download.
 *
 * @module
 */

import type { Path } from "../base/conn.ts";
import type { Limits } from "../base/limits.ts";
import type { RateLimit } from "../base/rate.ts";
import type { Hasher } from "./hashing.ts";
import type { Task } from "./plan_types.ts";
import type { SourceTrouble } from "./source.ts";

/** Bytes that have arrived and are correct. */
export interface Arrived {
  /** The node that sent them. */
  readonly source: string;
  /** The path by which they arrived. */
  readonly path: Path;
  /** The file they are of. */
  readonly file: number;
  /** How many. */
  readonly bytes: number;
}

/** Why a file could not be received. */
export type FileFailure = "undelivered" | "corrupt";

/** Options of {@linkcode Download}. */
export interface DownloadOptions {
  /** The numbers. */
  readonly limits: Limits;
  /** Hashes large buffers. */
  readonly hasher: Hasher;
  /**
   * Whether sinks and hasher get large buffers in memory that threads share,
   * which need not move between them.
   */
  readonly sharesSlabs?: boolean;
  /** Sessions with each node. */
  readonly connections: number;
  /** Sessions in lanes, over all nodes, and one with each node at least. */
  readonly laneCount?: number;
  /** Holds all receiving to a rate. */
  readonly rate?: RateLimit | undefined;
  /** A source slower than this is excluded while there is another. */
  readonly lowestBytesPerSecond: number;
  /** Stops everything. */
  readonly signal: AbortSignal;
  /** Bytes of a source have been verified, and are being written. */
  readonly onBytes: (arrived: Arrived) => void;
  /** Pieces of a file have been verified, and are written. */
  readonly onSaved?: (task: Task) => void;
  /** A file is complete. */
  readonly onFinished: (file: number) => void;
  /**
   * A file cannot be received. In a swarm, it also lists the pieces that no
   * source had.
   */
  readonly onFailed: (
    file: number,
    failure: FileFailure,
    nowhere: readonly number[],
  ) => void;
  /** A source had a problem. */
  readonly onTrouble: (trouble: SourceTrouble) => void;
  /** Words for what a source failed with. */
  readonly describe?: (error: unknown) => string;
}
