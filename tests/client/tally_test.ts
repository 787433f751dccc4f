/**
 * How much of a fetch is there, how fast it goes, and how long it takes.
 */

import { assertAlmostEquals, assertEquals } from "@std/assert";
import { Tally } from "../../lib/client/tally.ts";

/** A tally of one file, to which bytes come at a constant rate. */
function steadily(
  tally: Tally,
  { from, to, bytesPerSecond }: {
    from: number;
    to: number;
    bytesPerSecond: number;
  },
) {
  for (let now = from + 100; now <= to; now += 100) {
    tally.add("direct", bytesPerSecond / 10);
    tally.progress(now, 1);
  }
}

Deno.test("Tally counts bytes received in this run by path, separately from existing ones", () => {
  const tally = new Tally();
  tally.expect(1_000);
  tally.start("a", 400);
  tally.add("direct", 100);
  tally.add("tunnel", 20);
  const { received, total, paths } = tally.progress(1_000, 2);
  assertEquals([received, total], [520, 1_000]);
  assertEquals(paths, { direct: 100, tunnel: 20 });
  tally.add("tunnel", 1);
  assertEquals(paths, { direct: 100, tunnel: 20 }); // it was of that moment
  assertEquals(tally.progress(2_000, 2).paths.tunnel, 21);
});

Deno.test("Tally gives the bytes of all files from the start, without those that will not arrive", () => {
  const tally = new Tally();
  for (let file = 0; file < 60; file++) tally.expect(1_000);
  tally.start("a", 0);
  tally.start("b", 0);
  tally.add("direct", 1_500);
  tally.complete();
  const { name, received, total, files, filesStarted, fileCount } = tally
    .progress(1_000, 1);
  assertEquals(
    { name, received, total, files, filesStarted, fileCount },
    {
      name: "b",
      received: 1_500,
      total: 60_000,
      files: 1,
      filesStarted: 2,
      fileCount: 60,
    },
  );
  tally.forgo(500);
  assertEquals(tally.progress(1_000, 1).total, 59_500);
});

Deno.test("Tally gives no remaining time during the first second", () => {
  const tally = new Tally();
  tally.expect(25_000_000);
  tally.expectNoMore();
  tally.start("a", 0);
  assertEquals(tally.progress(5_000, 1).secondsLeft, undefined);
  tally.add("direct", 100_000);
  assertEquals(tally.progress(5_100, 1).secondsLeft, undefined); // the first part
  steadily(tally, { from: 5_100, to: 7_000, bytesPerSecond: 1_000_000 });
  const { bytesPerSecond, secondsLeft } = tally.progress(7_000, 1);
  // What was waited at the start, for nodes to answer, is not part of it.
  assertAlmostEquals(bytesPerSecond, 1_000_000, 1);
  assertAlmostEquals(secondsLeft!, 23, 0.01);
});

Deno.test("Tally gives no remaining time while there may be more files", () => {
  const tally = new Tally();
  tally.expect(10_000_000);
  tally.start("a", 0);
  steadily(tally, { from: 0, to: 5_000, bytesPerSecond: 1_000_000 });
  assertEquals(tally.progress(5_000, 1).secondsLeft, undefined);
  tally.expect(5_000_000);
  tally.expectNoMore();
  assertAlmostEquals(tally.progress(5_000, 1).secondsLeft!, 10, 0.01);
});

Deno.test("Tally gives the rate of the last five seconds", () => {
  const tally = new Tally();
  tally.expect(1_000_000_000);
  tally.start("a", 0);
  steadily(tally, { from: 0, to: 20_000, bytesPerSecond: 1_000_000 });
  steadily(tally, { from: 20_000, to: 26_000, bytesPerSecond: 50_000 });
  assertAlmostEquals(tally.progress(26_000, 1).bytesPerSecond, 50_000, 1);
});

Deno.test("Tally gives a steady rate if large parts arrive rarely", () => {
  const tally = new Tally();
  tally.expect(1_000_000);
  tally.start("a", 0);
  for (let now = 100; now <= 60_000; now += 100) {
    if (now % 20_000 === 0) tally.add("direct", 200_000);
    const { bytesPerSecond } = tally.progress(now, 1);
    assertEquals(bytesPerSecond, now < 40_000 ? 0 : 10_000, `at ${now}`);
  }
  // The next part is late.
  assertEquals(tally.progress(90_000, 1).bytesPerSecond < 7_000, true);
});

Deno.test("Tally shows when nothing arrives any more", () => {
  const tally = new Tally();
  tally.expect(100_000_000);
  tally.expectNoMore();
  tally.start("a", 0);
  steadily(tally, { from: 0, to: 10_000, bytesPerSecond: 1_000_000 });
  const { bytesPerSecond, secondsLeft } = tally.progress(15_001, 1);
  assertEquals([bytesPerSecond, secondsLeft], [0, undefined]);
});

Deno.test("Tally counts the bytes of other clients separately, if there are any", () => {
  const tally = new Tally();
  tally.expect(1_000);
  tally.start("a", 0);
  tally.add("direct", 100);
  assertEquals(tally.progress(1_000, 1).swarm, undefined);
  assertEquals(tally.progress(1_000, 1, 2).swarm, { holders: 2, bytes: 0 });
  tally.add("direct", 300, { isHolder: true });
  assertEquals(tally.progress(2_000, 1, 2).swarm, { holders: 2, bytes: 300 });
  assertEquals(tally.progress(2_000, 1).received, 400);
});
