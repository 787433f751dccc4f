import { LIMITS } from "../lib/limits.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { pieceBytesOf, pieceCountOf, pieceLength } from "../lib/manifest.ts";

const KIB = 1024;
const PIECE = 256 * KIB;
const GIB = 1024 ** 3;

for (
  const [size, bytes, count, last] of [
    [0, PIECE, 0, undefined],
    [1, PIECE, 1, 1],
    [PIECE - 1, PIECE, 1, PIECE - 1],
    [PIECE, PIECE, 1, PIECE],
    [PIECE + 1, PIECE, 2, 1],
    [16 * GIB, PIECE, 65_536, PIECE],
    [16 * GIB + 1, 2 * PIECE, 32_769, 1],
    [LIMITS.fileBytes, 16 * KIB * KIB, 65_536, 16 * KIB * KIB],
  ] as const
) {
  Deno.test(`A file of ${size} bytes has ${count} pieces of ${bytes}`, () => {
    assertEquals(pieceBytesOf(size), bytes);
    assertEquals(pieceCountOf(size), count);
    if (last !== undefined) assertEquals(pieceLength(size, count - 1), last);
  });
}

for (const size of [-1, 0.5, NaN, Infinity, LIMITS.fileBytes + 1, 2 ** 53]) {
  Deno.test(`pieceBytesOf refuses a size of ${size}`, () => {
    assertThrows(() => pieceBytesOf(size), RangeError, "Cannot cut a file");
  });
}
