import { assertEquals } from "@std/assert";
import { Pieces } from "../../lib/transfer/pieces.ts";

function ask(pieces: Pieces, most: number): [number, number] | undefined {
  const run = pieces.firstMissing(most);
  if (run === undefined) return undefined;
  for (let n = 0; n < run.count; n++) pieces.request(run.first + n);
  return [run.first, run.count];
}

Deno.test("Pieces gives runs of missing pieces from the front, around those that are there", () => {
  const pieces = new Pieces({ count: 8, have: [0, 3] });
  assertEquals(pieces.left, 6);
  assertEquals(ask(pieces, 3), [1, 2]);
  assertEquals(ask(pieces, 3), [4, 3]);
  assertEquals(ask(pieces, 3), [7, 1]);
  assertEquals(ask(pieces, 3), undefined);
  assertEquals([pieces.isRequested(0), pieces.isRequested(1)], [false, true]);
});

Deno.test("Pieces counts a piece that arrives once, and asks again for one that is given back", () => {
  const pieces = new Pieces({ count: 3 });
  assertEquals(ask(pieces, 3), [0, 3]);
  assertEquals([pieces.arrive(1), pieces.arrive(1)], [true, false]);
  assertEquals([pieces.left, pieces.isRequested(1)], [2, false]);
  pieces.giveBack(2);
  assertEquals(ask(pieces, 3), [2, 1]);
  pieces.giveBack(0);
  assertEquals(ask(pieces, 3), [0, 1]);
  assertEquals([pieces.arrive(0), pieces.arrive(2), pieces.left], [
    true,
    true,
    0,
  ]);
});

Deno.test("Pieces looks only a limited number of pieces ahead of the consumer", () => {
  const pieces = new Pieces({ count: 9, have: [0, 1], lookahead: 3 });
  assertEquals(ask(pieces, 9), [2, 3]);
  assertEquals(ask(pieces, 9), undefined);
  pieces.consume(4);
  assertEquals(ask(pieces, 9), [5, 2]);
  pieces.consume(9);
  assertEquals(ask(pieces, 9), [7, 2]);
});

Deno.test("Pieces of an existing or empty file are never requested", () => {
  for (const pieces of [{ count: 2, have: [0, 1] }, { count: 0 }]) {
    const there = new Pieces({ ...pieces, lookahead: 3 });
    assertEquals([there.left, ask(there, 9)], [0, undefined]);
  }
});
