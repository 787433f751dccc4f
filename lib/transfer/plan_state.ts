/**
 * What a plan knows of its files and sources. Pure.
 *
 * @module
 */

import type { Pace } from "./pace.ts";
import type { Pieces } from "./pieces.ts";
import type { LongTasks, PlannedFile, Task } from "./plan_types.ts";
import type { RarestPieces } from "./rarest_pieces.ts";
import type { SwarmWindow } from "./swarm_window.ts";

/** A file that has not ended. */
export interface FileProgress {
  readonly index: number;
  readonly planned: PlannedFile;
  readonly holders: Set<string>;
  readonly pieces: Pieces;
  /** The same pieces, if the rarest are requested first. */
  readonly rarest: RarestPieces | undefined;
  phase: "waiting" | "open";
}

/** A piece requested from a source. */
export interface RequestedPiece {
  readonly file: number;
  readonly piece: number;
  readonly bytes: number;
  /** When, on the clock of its source. */
  readonly at: number;
}

/** A source and what was requested from it. */
export interface PlannedSource {
  readonly holder: string;
  readonly longTasks: LongTasks | undefined;
  readonly requested: Map<number, RequestedPiece>;
  /** Those of `requested` that are in a swarm. */
  readonly swarmRequested: Set<number>;
  readonly window: SwarmWindow;
  readonly pace: Pace;
  out: boolean;
}

// A file has at most 65,536 pieces, so this numbers all of them.
const PIECES = 65_536;

/** One number for a piece of a file. */
export function keyOf(file: number, piece: number): number {
  return file * PIECES + piece;
}

/** Pieces in one task of a source. */
export function piecesOf(
  { pieceBytes, taskPieces }: PlannedFile,
  { longTasks, pace }: PlannedSource,
): number {
  if (longTasks === undefined) return taskPieces;
  const { mostBytes, mostMs } = longTasks;
  const bytes = Math.min(mostBytes, pace.rateFor(pieceBytes) * mostMs);
  return Math.max(taskPieces, Math.floor(bytes / pieceBytes));
}

/** Whether a piece is part of a task. */
export function includes(task: Task, { file, piece }: RequestedPiece): boolean {
  return file === task.file && piece >= task.first &&
    piece < task.first + task.count;
}

/** Whether a holder has a piece of a file. */
export function hasPiece(
  { holders, rarest }: FileProgress,
  holder: string,
  piece: number,
): boolean {
  return holders.has(holder) && (rarest?.isHeldBy(holder, piece) ?? true);
}
