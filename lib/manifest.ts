/**
 * How a file is cut into pieces. Pure.
 *
 * @module
 */

import { LIMITS } from "./limits.ts";

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

/** Bytes of piece `index`: all are equal but the last. */
export function pieceLength(size: number, index: number): number {
  const bytes = pieceBytesOf(size);
  return Math.min(bytes, size - index * bytes);
}
