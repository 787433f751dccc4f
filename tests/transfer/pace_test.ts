import { assertAlmostEquals, assertEquals } from "@std/assert";
import { Pace } from "../../lib/transfer/pace.ts";

const PIECE = 256 * 1024;

Deno.test("Pace gives no rate before enough bytes have arrived", () => {
  const pace = new Pace(0);
  assertEquals(pace.rateFor(PIECE), 0);
  pace.note(64 * 1024 - 1, 10);
  assertEquals(pace.rateFor(PIECE), 0);
  // A few small pieces are enough to judge.
  assertEquals(pace.rateFor(1_000) > 0, true);
  pace.note(1, 20);
  assertEquals(pace.rateFor(PIECE) > 0, true);
});

Deno.test("Pace follows the recent rate: after some seconds the old rate no longer counts", () => {
  const pace = new Pace(0);
  let now = 0;
  const run = (ms: number, bytesPerMs: number) => {
    for (const end = now + ms; now < end;) {
      pace.note(bytesPerMs * 10, now += 10);
    }
  };
  run(5_000, 1_000);
  assertAlmostEquals(pace.rateFor(PIECE), 1_000, 1);
  run(1_000, 100);
  const half = pace.rateFor(PIECE);
  assertEquals(half > 300 && half < 600, true, `${half}`);
  run(9_000, 100);
  assertAlmostEquals(pace.rateFor(PIECE), 100, 1);
});

Deno.test("Pace estimates how long bytes will take, and no less than the current silence", () => {
  const pace = new Pace(0);
  assertEquals(pace.msFor(PIECE, PIECE, 70), 70);
  pace.note(PIECE, 100);
  const rate = pace.rateFor(PIECE);
  assertAlmostEquals(pace.msFor(PIECE, PIECE, 100), PIECE / rate, 0.001);
  assertEquals(pace.msFor(PIECE, PIECE, 9_100), 9_000);
  pace.begin(9_100); // it had nothing to do meanwhile
  assertAlmostEquals(pace.msFor(PIECE, PIECE, 9_100), PIECE / rate, 0.001);
});

Deno.test("Pace does not count time without a request to the source", () => {
  const pace = new Pace(0);
  let now = 5_000;
  for (let piece = 0; piece < 200; piece++) {
    if (piece === 100) now += 60_000;
    if (piece % 100 === 0) pace.begin(now);
    pace.note(1_000, now += 10);
  }
  assertAlmostEquals(pace.rateFor(PIECE), 100, 0.001);
});
