import { assertEquals } from "@std/assert";
import { hashParts } from "../../lib/transfer/hashing.ts";
import {
  Manifest,
  pieceBytesOf,
  pieceCountOf,
} from "../../lib/content/manifest.ts";
import { sha256 } from "../../lib/base/hash.ts";
import {
  isZeros,
  manifestIfZeros,
  runsOfData,
  zeroPieces,
} from "../../lib/content/zeros.ts";
import { randomBytes, seededRandom } from "../_random.ts";

const PIECE = 256 * 1024;

function manifestOf(bytes: Uint8Array): Manifest {
  const hashes = hashParts(bytes, pieceBytesOf(bytes.length));
  return new Manifest(
    bytes.length,
    new Uint8Array(hashes.flatMap((hash) => [...hash])),
  );
}

/** So many zeros, with one byte of data at each of these places. */
function zerosBut(length: number, places: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(length);
  for (const place of places) bytes[place] = 1;
  return bytes;
}

for (
  const [what, bytes, zeros] of [
    ["nothing", new Uint8Array(), []],
    ["whole pieces of zeros", new Uint8Array(3 * PIECE), [0, 1, 2]],
    ["a shorter last piece", new Uint8Array(2 * PIECE + 7), [0, 1, 2]],
    ["one byte in the middle", zerosBut(4 * PIECE, [2 * PIECE]), [0, 1, 3]],
    ["the last byte of a piece", zerosBut(3 * PIECE, [PIECE - 1]), [1, 2]],
    ["the very last byte", zerosBut(PIECE + 5, [PIECE + 4]), [0]],
    ["data alone", randomBytes(2 * PIECE, seededRandom(1)), []],
  ] as const
) {
  Deno.test(`zeroPieces finds the pieces of zeros of a file of ${what}`, () => {
    assertEquals(zeroPieces(manifestOf(bytes)), [...zeros]);
  });
}

Deno.test("zeroPieces finds the pieces of zeros of a file with larger pieces", () => {
  const size = 2 ** 34 + 1; // 512 KiB a piece, and one byte
  const count = pieceCountOf(size);
  const hashes = new Uint8Array(count * 32).fill(9);
  const whole = sha256(new Uint8Array(pieceBytesOf(size)));
  for (const piece of [0, 700]) hashes.set(whole, piece * 32);
  hashes.set(sha256(new Uint8Array(1)), (count - 1) * 32);
  assertEquals(zeroPieces(new Manifest(size, hashes)), [0, 700, count - 1]);
});

Deno.test("manifestIfZeros recognises the content of zeros of any length up to a piece, and no other", () => {
  for (const size of [1, 31, 4095, 4096, 4097, 70_000, PIECE - 1, PIECE]) {
    const { contentId: content } = manifestOf(new Uint8Array(size));
    assertEquals(manifestIfZeros({ size, content })?.contentId, content);
    const other = manifestOf(zerosBut(size, [size - 1])).contentId;
    assertEquals(manifestIfZeros({ size, content: other }), undefined);
    assertEquals(manifestIfZeros({ size }), undefined);
  }
  const { contentId: content } = manifestOf(new Uint8Array());
  assertEquals(manifestIfZeros({ size: 0, content }), undefined);
});

Deno.test("isZeros looks at every byte, wherever the bytes begin", () => {
  for (let start = 0; start < 9; start++) {
    for (let length = 0; length < 20; length++) {
      const bytes = new Uint8Array(40).fill(1).subarray(start, start + length);
      bytes.fill(0);
      assertEquals(isZeros(bytes), true);
      for (let at = 0; at < length; at++) {
        bytes[at] = 1;
        assertEquals(isZeros(bytes), false, `${start} ${length} ${at}`);
        bytes[at] = 0;
      }
    }
  }
});

Deno.test("runsOfData gives every part with data once, and no part of zeros", () => {
  const random = seededRandom(7);
  for (let round = 0; round < 200; round++) {
    const length = Math.floor(random() * 40);
    const bytes = Uint8Array.from(
      { length },
      () => random() < 0.15 ? 1 : 0,
    );
    const wanted = Array.from(
      { length: Math.ceil(length / 4) },
      (_, part) => part,
    )
      .filter((part) => !isZeros(bytes.subarray(part * 4, part * 4 + 4)));
    const given = [...runsOfData(bytes, 4)].flatMap(({ start, end }) => {
      assertEquals(start % 4, 0);
      assertEquals(end === length || end % 4 === 0, true);
      const count = Math.ceil((end - start) / 4);
      return Array.from({ length: count }, (_, part) => start / 4 + part);
    });
    assertEquals(given, wanted);
  }
});
