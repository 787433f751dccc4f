/**
 * Work that is begun before it is its turn.
 */

import { assertEquals } from "@std/assert";
import { prefetched } from "../../lib/client/prefetch.ts";

Deno.test("prefetched starts a fixed number in advance, and returns all in order", () => {
  const begun: number[] = [];
  const begin = (item: number) => {
    begun.push(item);
    return item * 10;
  };
  const seen: [number, number][] = [];
  for (const result of prefetched([1, 2, 3, 4, 5], 3, begin)) {
    seen.push([result, begun.length]);
  }
  assertEquals(seen, [[10, 3], [20, 4], [30, 5], [40, 5], [50, 5]]);
});

Deno.test("prefetched starts nothing before the first request, and returns a few items too", () => {
  const begun: number[] = [];
  const begin = (item: number) => begun.push(item);
  const ahead = prefetched([1, 2], 3, begin);
  assertEquals(begun, []);
  assertEquals([...ahead], [1, 2]);
  assertEquals([...prefetched([], 3, begin)], []);
});
