import { assert, assertEquals, assertThrows } from "@std/assert";
import { PieceSet, runsOf } from "../../lib/content/piece_set.ts";
import { seededRandom } from "../_random.ts";

Deno.test("PieceSet writes the first piece as the highest bit of the first byte", () => {
  const set = new PieceSet(10, [0, 9]);
  assertEquals(Uint8Array.fromBase64(set.format()), Uint8Array.of(0x80, 0x40));
  assertEquals([set.size, set.isComplete], [2, false]);
  assertEquals([set.has(0), set.has(1), set.has(9)], [true, false, true]);
});

Deno.test("PieceSet reads back what it wrote, for counts around the end of a byte", () => {
  const random = seededRandom(17);
  for (const count of [1, 7, 8, 9, 128, 1_000]) {
    const have = [...Array(count).keys()].filter(() => random() < 0.5);
    const set = new PieceSet(count, have);
    const again = PieceSet.parse(set.format(), count);
    assert(again !== undefined);
    assertEquals([...again.pieces()], have);
    assertEquals(again.size, have.length);
  }
});

for (
  const [what, bitmap] of [
    ["a byte too few", "gA=="],
    ["a byte too many", "gAAA"],
    ["a piece behind the last", "gCA="],
    ["no base64", "g*A="],
    ["base64 without its padding", "gAA"],
    ["nothing", ""],
  ] as const
) {
  Deno.test(`PieceSet.parse takes no bitmap of ten pieces with ${what}`, () => {
    assertEquals(PieceSet.parse(bitmap, 10), undefined);
  });
}

Deno.test("PieceSet counts a piece once, and has a run only if it has all of it", () => {
  const set = new PieceSet(4);
  assertEquals([set.add(2), set.add(2), set.add(3)], [true, false, true]);
  assertEquals(set.hasAll({ first: 2, count: 2 }), true);
  assertEquals(set.hasAll({ first: 1, count: 2 }), false);
  assertEquals(set.hasAll({ first: 3, count: 2 }), false, "behind the last");
  assertThrows(() => set.add(4), RangeError);
  set.add(0);
  set.add(1);
  assertEquals(set.isComplete, true);
});

Deno.test("runsOf joins neighbours, in rising order", () => {
  assertEquals(runsOf([]), []);
  assertEquals(runsOf([9, 3, 5, 4]), [
    { first: 3, count: 3 },
    { first: 9, count: 1 },
  ]);
});
