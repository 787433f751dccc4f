import { assertEquals } from "@std/assert";
import {
  formatCursor,
  parseCursor,
  placeOf,
  skipTo,
  startWalk,
} from "../../lib/relay/listing_order.ts";
import { seededRandom } from "../_random.ts";

Deno.test("A walk visits each place once, also through cursors", () => {
  const random = seededRandom(3);
  for (let span = 1; span <= 60; span++) {
    let walk = startWalk(span, random)!;
    const visited: number[] = [];
    for (; skipTo(walk, span); walk.step++) {
      visited.push(placeOf(walk));
      walk = parseCursor(formatCursor(walk), 60)!;
    }
    assertEquals(visited.sort((a, b) => a - b), [...Array(span).keys()]);
  }
});

Deno.test("A walk skips only the places that no longer exist", () => {
  const random = seededRandom(4);
  for (let round = 0; round < 500; round++) {
    const span = 1 + Math.floor(random() * 200);
    const count = Math.floor(random() * (span + 1));
    const walk = startWalk(span, random)!;
    const visited: number[] = [];
    for (; skipTo(walk, count); walk.step++) visited.push(placeOf(walk));
    assertEquals(visited.sort((a, b) => a - b), [...Array(count).keys()]);
  }
});

Deno.test("A walk through no places does not start", () => {
  assertEquals(startWalk(0, () => 0.5), undefined);
});

for (
  const cursor of ["", "0.1.5", "5.1.5.0", "0.0.5.0", "0.2.4.0", "0.1.99.0"]
) {
  Deno.test(`parseCursor refuses ${JSON.stringify(cursor)}`, () => {
    assertEquals(parseCursor(cursor, 60), undefined);
  });
}
