/**
 * Hashes the pieces of files. The hashers here use the main thread; `lane.ts`
 * uses a worker.
 *
 * @module
 */

import { sha256 } from "../base/hash.ts";
import type { LaneConn, LanePieces, LaneSaved } from "./lane_conn.ts";

/** Bytes with the hashes of their parts. */
export interface Hashed {
  /** The given bytes, in a buffer that may be another object now. */
  readonly bytes: Uint8Array;
  /** SHA-256 of each part, in order. */
  readonly hashes: readonly Uint8Array[];
}

/** The results of pieces that a lane saves. */
export interface Saving {
  /** Number of correct pieces, from the first on. */
  readonly right: Promise<number>;
  /**
   * Resolves when these are written, to whether the file still has a name;
   * rejects with the error of the disk.
   */
  readonly written: Promise<boolean>;
}

/** A file that a lane writes to. The caller that opened it closes it. */
export interface LaneFile {
  /**
   * Writes the parts of `bytes`, which are in shared memory, up to the first
   * one with a wrong hash; `hashes` has 32 bytes for each part. The bytes may
   * be used again when they have been written.
   */
  save(
    bytes: Uint8Array,
    options: {
      readonly position: number;
      readonly partBytes: number;
      readonly hashes: Uint8Array;
    },
  ): Saving;
  /**
   * Orders the lane of `conn` to save the pieces of a request, if the file is
   * open in that lane.
   */
  expect(
    conn: LaneConn,
    request: number,
    pieces: Omit<LanePieces, "file">,
  ): LaneSaved | undefined;
  /** Closes it after earlier orders. Then nothing more is written. */
  close(): Promise<void>;
}

/** Identifies a file. */
export interface FileIdentity {
  /** Its inode. */
  readonly ino: number | null;
  /** The disk that it is on. */
  readonly dev: number;
}

/** Hashes buffers in parts. */
export interface Hasher extends Disposable {
  /**
   * Hashes `bytes` in parts of `partBytes`. Takes the buffer over until it
   * resolves.
   */
  hash(bytes: Uint8Array, partBytes: number): Promise<Hashed>;
  /**
   * Opens the file at `path` in the lane that hashes, if the lane can write.
   * Returns nothing if it is another file, or cannot be opened.
   */
  open?(path: string, file: FileIdentity): Promise<LaneFile | undefined>;
}

/** Up to this many bytes are hashed at once: faster than sending them away. */
export const HASHED_AT_ONCE_BYTES = 128 * 1024;

/** Hashes at once: for small data, and if there is no worker. */
export class PlainHasher implements Hasher {
  hash(bytes: Uint8Array, partBytes: number): Promise<Hashed> {
    return Promise.resolve({ bytes, hashes: hashParts(bytes, partBytes) });
  }

  [Symbol.dispose](): void {}
}

/** SHA-256 of each part of `bytes`. */
export function hashParts(bytes: Uint8Array, partBytes: number): Uint8Array[] {
  // As with small files: no view of a part.
  if (bytes.length > 0 && bytes.length <= partBytes) return [sha256(bytes)];
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += partBytes) {
    hashes.push(sha256(bytes.subarray(at, at + partBytes)));
  }
  return hashes;
}
