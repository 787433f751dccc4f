/**
 * Verifies the pieces of one request: in this thread, in the hasher, or in the
 * lane that writes them.
 *
 * @module
 */

import { HASH_BYTES } from "../base/hash.ts";
import { HASHED_AT_ONCE_BYTES, type Hasher, hashParts } from "./hashing.ts";
import type { IncomingFile } from "./receiving.ts";

/** Consecutive whole pieces, as they have arrived. */
export interface ReceivedPieces {
  /** The file that they belong to. */
  readonly file: IncomingFile;
  /** The number of the first. */
  readonly first: number;
  /** Their bytes, in a slab. */
  readonly bytes: Uint8Array;
  /** Their hashes, as the node sent them. */
  readonly claimed: Uint8Array;
}

/** The result. */
export interface Verified {
  /** Number of correct pieces, from the first on. */
  readonly right: number;
  /** Their bytes, in a buffer that may be another object now. */
  readonly bytes: Uint8Array;
  /** The hashes of all, unless a manifest has them. */
  readonly hashes?: readonly Uint8Array[];
  /** Resolves when the right ones are written, if writing has already begun. */
  readonly written?: Promise<void>;
}

/** Verifies a few bytes at once; `undefined` if there are more. */
export function verifyNow(
  { file, first, bytes, claimed }: ReceivedPieces,
): Verified | undefined {
  if (bytes.length > HASHED_AT_ONCE_BYTES) return undefined;
  const hashes = hashParts(bytes, file.pieceBytes);
  return { bytes, hashes, right: file.countRight(first, hashes, claimed) };
}

/** Verifies pieces, and has them written at once if that is possible. */
export async function verify(
  pieces: ReceivedPieces,
  hasher: Hasher,
): Promise<Verified> {
  const { file, first, bytes, claimed } = pieces;
  const saving = save(pieces);
  if (saving !== undefined) {
    const { right, written } = saving;
    return { bytes, right: await right, written };
  }
  const hashed = await hasher.hash(bytes, file.pieceBytes);
  const right = file.countRight(first, hashed.hashes, claimed);
  return { ...hashed, right };
}

/**
 * Only with a manifest: otherwise two nodes may send different pieces, and the
 * plan decides which one is written.
 */
function save({ file, first, bytes, claimed }: ReceivedPieces) {
  const { manifest, sink } = file.given;
  if (manifest === undefined || file.ended) return undefined;
  const start = first * HASH_BYTES;
  // A copy: sending part of a buffer to another thread copies the whole buffer.
  const hashes = manifest.hashes.slice(start, start + claimed.length);
  return sink.save?.(first, bytes, hashes);
}
