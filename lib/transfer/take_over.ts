/**
 * Chooses pieces that were requested from one source and are now requested from a
 * second one: pieces of a much slower source, if the second one has no other
 * work, and the last pieces in a swarm. Pure.
 *
 * @module
 */

import {
  type FileProgress,
  hasPiece,
  keyOf,
  type PlannedSource,
  type RequestedPiece,
} from "./plan_state.ts";
import type { PlanOptions, Task } from "./plan_types.ts";
import { LIMITS } from "../base/limits.ts";

/** The files and sources of a plan. */
export interface PlannedPieces {
  /** Files that have not ended, by index. */
  readonly files: ReadonlyMap<number, FileProgress>;
  readonly sources: ReadonlyMap<string, PlannedSource>;
  readonly options: PlanOptions;
  /** Counts the steps of the search. */
  readonly step: () => void;
}

/**
 * The piece that `thief` would deliver much earlier than the source that it was
 * requested from; of several, the one that gains most time.
 */
export function takeOver(
  all: PlannedPieces,
  { id, thief, now }: { id: string; thief: PlannedSource; now: number },
): Task | undefined {
  if (thief.requested.size > 0) return undefined; // it has work
  const { takeOverMs, connectionQuietMs, waitedMs } = all.options;
  const { swarm = LIMITS } = all.options;
  let best: { task: Task; gainMs: number } | undefined;
  for (const [otherId, victim] of all.sources) {
    if (otherId === id || victim.out) continue;
    const waited = waitedMs?.(otherId, now) ?? now;
    // While a node sends, a second connection to it gains nothing: it would
    // only take bandwidth from the first.
    const isHelp = thief.holder !== victim.holder ||
      victim.pace.silentMs(waited) >= connectionQuietMs;
    if (!isHelp) continue;
    const last = takeable(all, thief.holder, victim);
    if (last === undefined) continue;
    const pieceBytes = last.bytes;
    const rate = thief.pace.rateFor(pieceBytes);
    const thiefMs = rate > 0 ? pieceBytes / rate : 0;
    const gainMs = remainingMs(all, victim, waited) - thiefMs;
    const isSwarm = all.files.get(last.file)?.rarest !== undefined;
    const leastMs = isSwarm ? swarm.swarmTakeOverMs : takeOverMs;
    if (gainMs >= leastMs && gainMs > (best?.gainMs ?? 0)) {
      best = { task: { file: last.file, first: last.piece, count: 1 }, gainMs };
    }
  }
  return best?.task;
}

/** How long a source will take to deliver all pieces requested from it. */
function remainingMs(
  { step }: PlannedPieces,
  source: PlannedSource,
  waitedMs: number,
): number {
  let bytes = 0;
  let pieceBytes = Infinity;
  for (const requested of source.requested.values()) {
    step();
    pieceBytes = requested.bytes;
    bytes += pieceBytes;
  }
  return source.pace.msFor(bytes, pieceBytes, waitedMs);
}

/**
 * The best piece to take over from `victim`: the last one requested from it. In
 * a file that is consumed in order, the first one: the reader waits for it.
 */
function takeable(
  all: PlannedPieces,
  thief: string,
  victim: PlannedSource,
): RequestedPiece | undefined {
  let last: RequestedPiece | undefined;
  for (const requested of victim.requested.values()) {
    all.step();
    const file = all.files.get(requested.file);
    if (!file?.pieces.isRequested(requested.piece)) continue;
    if (!hasPiece(file, thief, requested.piece)) continue;
    // A second connection to a slow node does not help if another node has it.
    if (thief === victim.holder && hasOther(all, file, thief)) continue;
    if (isRequestedElsewhere(all, requested, victim)) continue;
    if (file.planned.lookahead !== undefined) return requested;
    last = requested;
  }
  return last;
}

/** Whether a source of another holder has a file. */
function hasOther(
  { sources, step }: PlannedPieces,
  { holders }: FileProgress,
  holder: string,
): boolean {
  for (const other of sources.values()) {
    step();
    if (other.out || other.holder === holder) continue;
    if (holders.has(other.holder)) return true;
  }
  return false;
}

/** Whether a piece was requested from another source. */
export function isRequestedElsewhere(
  { sources, step }: Pick<PlannedPieces, "sources" | "step">,
  requested: RequestedPiece,
  except: PlannedSource,
): boolean {
  const key = keyOf(requested.file, requested.piece);
  for (const source of sources.values()) {
    step();
    if (source !== except && source.requested.has(key)) return true;
  }
  return false;
}

/**
 * One of the last pieces in a swarm that was requested from one other holder
 * only. If that holder never answered, the file would not be finished.
 */
export function inEndgame(
  all: PlannedPieces,
  source: PlannedSource,
  room: number,
): Task | undefined {
  if (room <= 0) return undefined;
  const { swarmEndPieceCount } = all.options.swarm ?? LIMITS;
  for (const victim of all.sources.values()) {
    if (victim.holder === source.holder || victim.out) continue;
    for (const key of victim.swarmRequested) {
      const requested = victim.requested.get(key)!;
      all.step();
      const file = all.files.get(requested.file);
      if (!file?.pieces.isRequested(requested.piece)) continue;
      if (file.pieces.left > swarmEndPieceCount) continue;
      if (!hasPiece(file, source.holder, requested.piece)) continue;
      if (isRequestedElsewhere(all, requested, victim)) continue;
      return { file: requested.file, first: requested.piece, count: 1 };
    }
  }
  return undefined;
}
