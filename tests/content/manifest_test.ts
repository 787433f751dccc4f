import { assertEquals, assertThrows } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import {
  isContentId,
  Manifest,
  pieceBytesOf,
  pieceCountOf,
  pieceLength,
} from "../../lib/content/manifest.ts";
import { randomBytes, seededRandom } from "../_random.ts";

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
    [2 ** 32 + 1, PIECE, 16_385, 1],
    [16 * GIB - 1, PIECE, 65_536, PIECE - 1],
    [16 * GIB, PIECE, 65_536, PIECE],
    [16 * GIB + 1, 2 * PIECE, 32_769, 1],
    [32 * GIB, 2 * PIECE, 65_536, 2 * PIECE],
    [32 * GIB + 1, 4 * PIECE, 32_769, 1],
    [LIMITS.fileBytes, 16 * KIB * KIB, 65_536, 16 * KIB * KIB],
  ] as const
) {
  Deno.test(`A file of ${size} bytes has ${count} pieces of ${bytes}`, () => {
    assertEquals(pieceBytesOf(size), bytes);
    assertEquals(pieceCountOf(size), count);
    if (last !== undefined) assertEquals(pieceLength(size, count - 1), last);
    if (count > 1) assertEquals(pieceLength(size, count - 2), bytes);
  });
}

for (const size of [-1, 0.5, NaN, Infinity, LIMITS.fileBytes + 1, 2 ** 53]) {
  Deno.test(`No file has ${size} bytes, and no manifest is of one`, () => {
    assertThrows(() => pieceBytesOf(size), RangeError, "Cannot cut a file");
    assertThrows(() => pieceCountOf(size), RangeError, "Cannot cut a file");
    assertThrows(
      () => new Manifest(size, new Uint8Array()),
      RangeError,
      "Cannot cut a file",
    );
  });
}

Deno.test("The pieces of a file are its bytes, whatever its size", () => {
  const random = seededRandom(1);
  for (let round = 0; round < 200; round++) {
    const size = Math.floor(2 ** (random() * 34));
    let sum = 0;
    for (let piece = 0; piece < pieceCountOf(size); piece++) {
      sum += pieceLength(size, piece);
    }
    assertEquals(sum, size);
  }
});

/** SHA-256 by the other implementation that the platform has. */
async function digest(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** The bytes of a manifest, laid out by hand. */
function layOut(
  size: number,
  pieceBytes: number,
  hashes: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const bigEndian = (value: number, width: number) =>
    Array.from(
      { length: width },
      (_, at) => Math.floor(value / 256 ** (width - 1 - at)) % 256,
    );
  return new Uint8Array([
    ...bigEndian(size, 8),
    ...bigEndian(pieceBytes, 4),
    ...hashes.flatMap((hash) => [...hash]),
  ]);
}

/** Hashes of the pieces of `content`, which is cut by hand. */
async function hashPieces(
  content: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array[]> {
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < content.length; at += PIECE) {
    hashes.push(await digest(content.slice(at, at + PIECE)));
  }
  return hashes;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

for (const size of [0, 1, 17, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 5]) {
  Deno.test(`Manifest of ${size} bytes has the id that its layout says`, async () => {
    const content = randomBytes(size, seededRandom(size));
    const hashes = await hashPieces(content);
    const manifest = new Manifest(size, concat(hashes));
    const id = await digest(layOut(size, PIECE, hashes));
    assertEquals(manifest.contentId, id.toHex());
    assertEquals(manifest.contentId.length, 64);
    assertEquals(manifest.size, size);
    assertEquals(manifest.pieceCount, hashes.length);
    assertEquals(
      hashes.map((_, index) => manifest.hashOf(index)),
      hashes.map((hash) => hash.toHex()),
    );
  });
}

// Made with sha256sum and xxd. They never change: nodes of all versions must give
// the same content the same id.
for (
  const [what, size, hashes, id] of [
    [
      "an empty file",
      0,
      "",
      "3f7b491f456970beda36f164b52300f9ea7a4304a6c4368a2bdeb9612b53432d",
    ],
    [
      "files/one/1.txt",
      17,
      "c38f9ece14cfd7b03b9c0084882584604ad8b27fb53992387e58fd7722f3535f",
      "b7af2a5779a599aaa55ba3f6fdba0a968a6ba254b5653f55458831f6ffb444e2",
    ],
    [
      "a piece of zeros and one zero more",
      PIECE + 1,
      "8a39d2abd3999ab73c34db2476849cddf303ce389b35826850f9a700589b4a90" +
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
      "7169b3c26c6776f8794cc857fa7b7c7061d1fc116c62f140406129165f4b290c",
    ],
  ] as const
) {
  Deno.test(`Manifest of ${what} has its id forever`, () => {
    const manifest = new Manifest(size, Uint8Array.fromHex(hashes));
    assertEquals(manifest.contentId, id);
  });
}

Deno.test("Manifest of a file over 4 GiB, and over 16, writes its size whole", async () => {
  for (
    const [size, pieceBytes] of [
      [2 ** 32 + 1, PIECE],
      [16 * GIB + 1, 2 * PIECE],
      [LIMITS.fileBytes, 64 * PIECE],
    ] as const
  ) {
    const hashes = randomBytes(pieceCountOf(size) * 32, seededRandom(2));
    const head = layOut(size, pieceBytes, []);
    const whole = new Uint8Array(head.length + hashes.length);
    whole.set(head);
    whole.set(hashes, head.length);
    const id = await digest(whole);
    assertEquals(new Manifest(size, hashes).contentId, id.toHex());
  }
});

Deno.test("Manifest gives another id for another size, hash or order of hashes", () => {
  const hashes = randomBytes(64, seededRandom(3));
  const swapped = concat([hashes.subarray(32), hashes.subarray(0, 32)]);
  const ids = [new Manifest(PIECE + 1, hashes), new Manifest(PIECE + 2, hashes)]
    .concat(new Manifest(PIECE + 1, swapped))
    .map(({ contentId }) => contentId);
  for (let at = 0; at < hashes.length; at++) {
    const other = hashes.slice();
    other[at] = other[at]! ^ 1;
    ids.push(new Manifest(PIECE + 1, other).contentId);
  }
  assertEquals(new Set(ids).size, 3 + 64);
});

for (
  const [size, length, wanted] of [
    [0, 32, 0],
    [1, 0, 32],
    [1, 31, 32],
    [1, 33, 32],
    [PIECE, 64, 32],
    [PIECE + 1, 32, 64],
  ] as const
) {
  Deno.test(`Manifest of ${size} bytes refuses ${length} bytes of hashes`, () => {
    assertThrows(
      () => new Manifest(size, new Uint8Array(length)),
      RangeError,
      `hashes must be ${wanted} bytes, found ${length}`,
    );
  });
}

Deno.test("Manifest has a hash at its place, and nothing else", () => {
  const one = randomBytes(32, seededRandom(4));
  const other = randomBytes(32, seededRandom(5));
  const manifest = new Manifest(PIECE + 1, concat([one, other]));
  assertEquals([manifest.has(0, one), manifest.has(1, other)], [true, true]);
  assertEquals([manifest.has(1, one), manifest.has(0, other)], [false, false]);
  assertEquals(manifest.has(2, one), false, "beyond the end");
  assertEquals(manifest.has(-1, one), false);
  for (let at = 0; at < 32; at++) {
    const wrong = one.slice();
    wrong[at] = wrong[at]! ^ 0x80;
    assertEquals(manifest.has(0, wrong), false, `byte ${at} is wrong`);
  }
});

Deno.test("Manifest refuses shorter and longer hashes", () => {
  const manifest = new Manifest(1, new Uint8Array(32));
  assertEquals(manifest.has(0, new Uint8Array(32)), true);
  for (const length of [0, 31, 33, 64]) {
    assertEquals(manifest.has(0, new Uint8Array(length)), false);
  }
  // Beyond the end there is nothing, which must not equal nothing.
  assertEquals(manifest.has(1, new Uint8Array()), false);
});

for (
  const [text, is] of [
    ["0123456789abcdef".repeat(4), true],
    ["f".repeat(64), true],
    ["", false],
    ["a".repeat(63), false],
    ["a".repeat(65), false],
    ["A".repeat(64), false],
    ["g".repeat(64), false],
    [`${"a".repeat(63)}\n`, false],
    [`${"a".repeat(64)}\n`, false],
    [`../${"a".repeat(61)}`, false],
    ["a".repeat(32), false],
  ] as const
) {
  Deno.test(`isContentId is ${is} for ${JSON.stringify(text)}`, () => {
    assertEquals(isContentId(text), is);
  });
}
