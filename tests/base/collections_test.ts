/**
 * Tables with a limit: which entry is evicted, and when a group is gone.
 */

import { assert, assertEquals } from "@std/assert";
import {
  countUnder,
  firstNotBefore,
  groupUnder,
  keepNewest,
  onDispose,
  putLast,
  removeUnder,
} from "../../lib/base/collections.ts";
import { collectGarbage } from "../_garbage.ts";

Deno.test("keepNewest removes the oldest entries, also after others were removed, moved or cleared", () => {
  const entries = new Set([1, 2, 3, 4, 5]);
  keepNewest(entries, 3);
  assertEquals([...entries], [3, 4, 5]);
  entries.delete(3);
  entries.delete(4);
  entries.add(4).add(6).add(3);
  keepNewest(entries, 3);
  assertEquals([...entries], [4, 6, 3]);
  keepNewest(entries, 0);
  entries.add(7).add(8);
  keepNewest(entries, 1);
  assertEquals([...entries], [8]);
  entries.clear();
  entries.add(9).add(10);
  keepNewest(entries, 1);
  assertEquals([...entries], [10]);
});

Deno.test("putLast holds nothing of earlier entries while known ones are put again in a full table", () => {
  const entries = new Map<number, { at: number }>();
  for (let key = 0; key <= 100; key++) putLast(entries, [key, { at: 0 }], 100);
  const before = collectGarbage();
  for (let at = 0; at < 100_000; at++) putLast(entries, [100, { at }], 100);
  const grown = collectGarbage() - before;
  assertEquals(entries.size, 100);
  assert(grown < 1_000_000, `${grown} bytes`);
});

Deno.test("putLast moves an entry to the end before the oldest is evicted", () => {
  const entries = new Map([["a", 1], ["b", 2]]);
  putLast(entries, ["a", 3], 2);
  putLast(entries, ["c", 4], 2);
  assertEquals([...entries], [["a", 3], ["c", 4]]);
});

Deno.test("A group goes with its last value, and a count that is 0", () => {
  const groups = new Map<string, Set<number>>();
  groupUnder(groups, "a").add(1);
  groupUnder(groups, "a").add(2);
  assertEquals(removeUnder(groups, "a", 1), true);
  assertEquals(removeUnder(groups, "b", 1), false);
  assertEquals(removeUnder(groups, "a", 2), true);
  assertEquals(groups.size, 0);
  const counts = new Map<string, number>();
  assertEquals(countUnder(counts, "a", 1), 1);
  assertEquals(countUnder(counts, "a", -1), 0);
  assertEquals(counts.size, 0);
});

Deno.test("firstNotBefore finds each place, and the end", () => {
  const sorted = [1, 3, 3, 5];
  const place = (wanted: number) =>
    firstNotBefore(0, sorted.length, (at) => sorted[at]! < wanted);
  assertEquals([0, 1, 2, 3, 4, 5, 6].map(place), [0, 0, 1, 1, 3, 3, 4]);
});

Deno.test("onDispose calls its function once", () => {
  let calls = 0;
  const ending = onDispose(() => calls++);
  ending[Symbol.dispose]();
  ending[Symbol.dispose]();
  assertEquals(calls, 1);
});
