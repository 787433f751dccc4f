import { assertEquals } from "@std/assert";
import {
  type ByteRange,
  cutToSection,
  piecesOfSection,
  sectionOf,
} from "../../lib/content/section.ts";

const PIECE = 256 * 1024;

for (
  const [range, size, wanted] of [
    [undefined, 10, [0, 10]],
    [{ first: 0, last: 0 }, 10, [0, 1]],
    [{ first: 2, last: 5 }, 10, [2, 6]],
    [{ first: 2 }, 10, [2, 10]],
    [{ first: 9, last: 100 }, 10, [9, 10]],
    [{ first: 10 }, 10, undefined],
    [{ first: 0 }, 0, [0, 0]],
    [{ first: 1 }, 0, undefined],
    [{ tail: 3 }, 10, [7, 10]],
    [{ tail: 30 }, 10, [0, 10]],
    [{ tail: 0 }, 10, [10, 10]],
    [{ tail: 5 }, 0, [0, 0]],
  ] as readonly [ByteRange | undefined, number, [number, number] | undefined][]
) {
  const words = wanted === undefined ? "nothing" : wanted.join(" to ");
  Deno.test(`sectionOf gives ${words} for ${JSON.stringify(range)} of ${size} bytes`, () => {
    const section = sectionOf(range, size);
    assertEquals(section && [section.start, section.end], wanted);
  });
}

for (
  const [start, end, first, last] of [
    [0, 1, 0, 1],
    [0, PIECE, 0, 1],
    [PIECE - 1, PIECE + 1, 0, 2],
    [PIECE, PIECE + 1, 1, 2],
    [PIECE, PIECE, 1, 1],
    [0, 3 * PIECE + 5, 0, 4],
  ] as const
) {
  Deno.test(`piecesOfSection gives pieces ${first} to ${last} for the bytes ${start} to ${end}`, () => {
    const size = 3 * PIECE + 5;
    assertEquals(piecesOfSection({ start, end }, size), { first, end: last });
  });
}

Deno.test("cutToSection keeps the bytes of a part that are in the section", () => {
  const bytes = Uint8Array.of(10, 11, 12, 13);
  const cut = (start: number, end: number) => [
    ...cutToSection(bytes, 10, { start, end }),
  ];
  assertEquals(cut(0, 100), [10, 11, 12, 13]);
  assertEquals(cut(11, 13), [11, 12]);
  assertEquals(cut(14, 20), []);
  assertEquals(cut(0, 10), []);
});
