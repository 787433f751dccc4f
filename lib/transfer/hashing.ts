/**
 * What hashes the pieces of files: here on the spot; `lane.ts` does it beside
 * the event loop.
 *
 * @module
 */

import { sha256 } from "../base/hash.ts";
import type { LaneConn, LanePieces, LaneSaved } from "./lane_conn.ts";

/** Bytes with the hashes of their parts. */
export interface Hashed {
  /** The bytes that were given, in a buffer that may be another object now. */
  readonly bytes: Uint8Array;
  /** SHA-256 of each part, in order. */
  readonly hashes: readonly Uint8Array[];
}

/** What becomes of pieces that a lane saves. */
export interface Saving {
  /** How many of them, from the first on, are right. */
  readonly right: Promise<number>;
  /**
   * These have been written. Whether the file still has a name; rejects with the
   * error of the disk.
   */
  readonly written: Promise<boolean>;
}

/** A file that a lane writes to. Who opened it closes it. */
export interface LaneFile {
  /**
   * Writes the parts of `bytes`, which lie in shared memory, up to the first
   * that does not have its hash; 32 bytes of `hashes` are for each. The bytes
   * may be used again when they have been written.
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
   * Has the pieces of a request saved where `conn` receives them, if that is
   * where the file is open.
   */
  expect(
    conn: LaneConn,
    request: number,
    pieces: Omit<LanePieces, "file">,
  ): LaneSaved | undefined;
  /** Closes it, after what was ordered before. Then nothing more is written. */
  close(): Promise<void>;
}

/** What tells one file from all others. */
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
   * Opens the file at `path` where pieces are hashed, if they can be written
   * there; nothing where that is not the file meant, or cannot be opened.
   */
  open?(path: string, file: FileIdentity): Promise<LaneFile | undefined>;
}

/** Up to so many bytes are hashed on the spot: quicker than telling another to. */
export const HASHED_AT_ONCE_BYTES = 128 * 1024;

/** Hashes on the spot. For what is small, and for where there is no worker. */
export class PlainHasher implements Hasher {
  hash(bytes: Uint8Array, partBytes: number): Promise<Hashed> {
    return Promise.resolve({ bytes, hashes: hashParts(bytes, partBytes) });
  }

  [Symbol.dispose](): void {}
}

/** SHA-256 of each part of `bytes`. */
export function hashParts(bytes: Uint8Array, partBytes: number): Uint8Array[] {
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += partBytes) {
    hashes.push(sha256(bytes.subarray(at, at + partBytes)));
  }
  return hashes;
}
