/**
 * Cuts a file into pieces, and lists their hashes, which identify the content.
 * Pure.
 *
 * A manifest is `size[8] pieceBytes[4] sha256[32] …`, big-endian, one hash for
 * each piece in order. The content id is the SHA-256 of the manifest, as 64
 * hexadecimal digits.
 *
 * @module
 */

import { createSha256, HASH_BYTES, isHashAt } from "../base/hash.ts";
import { LIMITS } from "../base/limits.ts";

const HEAD_BYTES = 12;
// The head of each manifest in turn, and the only hash of a short one: they are
// hashed as soon as they are filled in.
const BEGIN = new Uint8Array(HEAD_BYTES + HASH_BYTES);
const FIELDS = new DataView(BEGIN.buffer);

/**
 * Bytes of a piece of a file of `size` bytes: 256 KiB, doubled until the file
 * has at most 65,536 pieces, up to 16 MiB.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { pieceBytesOf } from "./manifest.ts";
 *
 * assertEquals(pieceBytesOf(17), 256 * 1024);
 * assertEquals(pieceBytesOf(16 * 2 ** 30 + 1), 512 * 1024);
 * ```
 *
 * @throws {RangeError} for a size that no file can have here (over 1 TiB).
 */
export function pieceBytesOf(size: number): number {
  if (!Number.isSafeInteger(size) || size < 0 || size > LIMITS.fileBytes) {
    throw new RangeError(
      `Cannot cut a file: size must be 0 to ${LIMITS.fileBytes}, found ${size}`,
    );
  }
  let bytes: number = LIMITS.pieceMinBytes;
  while (size > bytes * LIMITS.pieceCount) bytes *= 2;
  return bytes;
}

/** Number of pieces of a file of `size` bytes; an empty file has none. */
export function pieceCountOf(size: number): number {
  return Math.ceil(size / pieceBytesOf(size));
}

/** Bytes of piece `index`. All pieces but the last have the same size. */
export function pieceLength(size: number, index: number): number {
  const bytes = pieceBytesOf(size);
  return Math.min(bytes, size - index * bytes);
}

/** Bytes of some pieces of a file of `size` bytes. */
export function lengthOf(pieces: readonly number[], size: number): number {
  return pieces.reduce((sum, piece) => sum + pieceLength(size, piece), 0);
}

/** The hashes of a file's pieces, and the content id that follows from them. */
export class Manifest {
  /** Bytes of the file. */
  readonly size: number;
  /** SHA-256 of each piece, one after the other. */
  readonly hashes: Uint8Array;
  /** SHA-256 of the manifest, 64 hexadecimal digits. */
  readonly contentId: string;

  /**
   * The manifest of a file of `size` bytes.
   *
   * @throws {RangeError} unless there is one hash for each piece.
   */
  constructor(size: number, hashes: Uint8Array) {
    const wanted = pieceCountOf(size) * HASH_BYTES;
    if (hashes.length !== wanted) {
      throw new RangeError(
        `Cannot make a manifest: hashes must be ${wanted} bytes, found ${hashes.length}`,
      );
    }
    this.size = size;
    this.hashes = hashes;
    this.contentId = contentIdOf(size, hashes);
  }

  /** Number of pieces. */
  get pieceCount(): number {
    return this.hashes.length / HASH_BYTES;
  }

  /** Whether `hash` is the hash of piece `index`. */
  has(index: number, hash: Uint8Array): boolean {
    return isHashAt(this.hashes, index, hash);
  }

  /** Hashes of `count` pieces from piece `first` on; not a copy. */
  hashesOf(first: number, count: number): Uint8Array {
    return this.hashes.subarray(
      first * HASH_BYTES,
      (first + count) * HASH_BYTES,
    );
  }

  /** Hash of piece `index`, 64 hexadecimal digits. */
  hashOf(index: number): string {
    const offset = index * HASH_BYTES;
    return this.hashes.subarray(offset, offset + HASH_BYTES).toHex();
  }
}

function contentIdOf(size: number, hashes: Uint8Array): string {
  FIELDS.setBigUint64(0, BigInt(size));
  FIELDS.setUint32(8, pieceBytesOf(size));
  if (hashes.length <= HASH_BYTES) {
    BEGIN.set(hashes, HEAD_BYTES);
    const all = BEGIN.subarray(0, HEAD_BYTES + hashes.length);
    return createSha256().update(all).digest("hex");
  }
  const head = BEGIN.subarray(0, HEAD_BYTES);
  return createSha256().update(head).update(hashes).digest("hex");
}

/** Whether `text` has the form of a content id. */
export function isContentId(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}
