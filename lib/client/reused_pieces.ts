/**
 * Finds the pieces of a large file that no node has to send: those of an
 * earlier run, zeros, and right pieces of older files.
 *
 * @module
 */

import {
  lengthOf,
  type Manifest,
  pieceCountOf,
  pieceLength,
} from "../content/manifest.ts";
import { zeroPieces } from "../content/zeros.ts";
import { BaseFile } from "../disk/base_file.ts";
import type { PartialFile } from "../disk/partial.ts";
import type { Hasher } from "../transfer/hashing.ts";
import type { Job } from "./jobs.ts";
import type { SaveReport } from "./save_report.ts";

/** Options of {@linkcode reusedPieces}. */
export interface ReusedPiecesOptions {
  /** The manifest of the file, if it is known. */
  readonly manifest: Manifest | undefined;
  /** A file that the user named, to take pieces from. */
  readonly base: BaseFile | undefined;
  /** Whether the file replaces another. */
  readonly overwrite: boolean;
  /** Hashes the existing bytes. */
  readonly hasher: Hasher;
  /** Called with the number of these bytes. */
  readonly outcomes: SaveReport;
  /** Asks for the manifest of a file; throws a `Failure` if no node gives it. */
  readonly describe: (job: Job) => Promise<Manifest>;
  /** Stops it. */
  readonly signal: AbortSignal;
}

/** Pieces that are in the partial file, and right. */
export interface ReusedPieces {
  readonly have: readonly number[];
  /** The manifest, if anything needed it. */
  readonly manifest: Manifest | undefined;
}

/**
 * Writes the pieces into the partial file that no node has to send.
 *
 * @throws {Failure} if no node describes the file, or the disk fails.
 */
export async function reusedPieces(
  job: Job,
  partial: PartialFile,
  options: ReusedPiecesOptions,
): Promise<ReusedPieces> {
  const { path, group: { size } } = job;
  const { base, overwrite, hasher, outcomes, describe, signal } = options;
  using replaced = overwrite ? await BaseFile.openReplaced(path) : undefined;
  const bases = [base, replaced].filter((file) => mayHelp(file, size));
  const isResumed = await partial.byteCount() > 0;
  const manifest = options.manifest ??
    (isResumed || bases.length > 0 ? await describe(job) : undefined);
  if (manifest === undefined) {
    outcomes.start(job, { earlier: 0, zeros: 0 });
    return { have: [], manifest };
  }
  const earlier = isResumed
    ? await partial.resume(manifest, hasher, signal)
    : [];
  const have = new Set(earlier);
  const zeros = zeroPieces(manifest).filter((piece) => !have.has(piece));
  await partial.clear(zeros);
  outcomes.start(job, {
    earlier: lengthOf(earlier, size),
    zeros: lengthOf(zeros, size),
  });
  for (const piece of zeros) have.add(piece);
  for (const file of bases) {
    let bytes = 0;
    for await (
      const run of file.rightPieces(manifest, {
        isWanted: (piece) => !have.has(piece),
        hasher,
        signal,
      })
    ) {
      signal.throwIfAborted();
      await partial.write(run.first, run.bytes);
      for (let at = 0; at < run.count; at++) have.add(run.first + at);
      outcomes.keep(job, run.bytes.length);
      bytes += run.bytes.length;
    }
    if (bytes > 0) outcomes.kept(job, { base: file.path, bytes });
  }
  return { have: [...have], manifest };
}

/** Whether a file can have a piece of one of `size` bytes that is worth it. */
function mayHelp(
  file: BaseFile | undefined,
  size: number,
): file is BaseFile {
  return file !== undefined && pieceCountOf(size) > 1 &&
    file.size >= pieceLength(size, 0);
}
