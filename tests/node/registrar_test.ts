import { assertEquals, assertGreater, assertLessOrEqual } from "@std/assert";
import { retryDelayMs } from "../../lib/base/waiting.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { FakeTime } from "../_fake_time.ts";
import { seededRandom } from "../_random.ts";
import { GRANTED, start } from "./_registrar.ts";

Deno.test("A registrar renews every 20 s, give or take 10 %, and withdraws", async () => {
  using time = new FakeTime();
  const run = start(seededRandom(1));
  await time.advance(0);
  const waits: number[] = [];
  for (let n = 0; n < 20; n++) {
    waits.push(time.nextTimerMs);
    await time.advance(time.nextTimerMs);
  }
  for (const wait of waits) {
    assertLessOrEqual(wait, 22_000);
    assertGreater(wait, 17_999);
  }
  assertGreater(new Set(waits).size, 10, "they are spread");
  await run.stop();
  assertEquals(run.log.names[0], "registered");
  assertEquals(new Set(run.log.names.slice(1, -1)), new Set(["renewed"]));
  assertEquals(run.log.names.at(-1), "withdrawn");
  assertEquals(run.kinds.filter((kind) => kind === "register").length, 21);
  const rising = run.sequences.slice(0, -1);
  assertEquals(rising, rising.toSorted((a, b) => a - b));
  assertEquals(new Set(rising).size, rising.length);
  assertEquals(
    run.sequences.at(-1),
    rising.at(-1),
    "withdraws the last one sent",
  );
  assertEquals(time.timerCount, 0);
});

Deno.test("A registrar follows the interval that its relay sets, within bounds", async () => {
  for (const [dictated, followed] of [[1, 5], [100, 100], [86_400, 300]]) {
    using time = new FakeTime();
    const run = start(() => 0.5); // the middle of the 10 %
    run.answer = { ...GRANTED, renewSeconds: dictated! };
    await time.advance(0);
    assertEquals(Math.round(time.nextTimerMs), followed! * 1_000);
    await run.stop();
  }
});

Deno.test("A registrar reports once that the relay is down, and retries with back-off", async () => {
  using time = new FakeTime();
  const run = start(() => 0.999, true);
  await time.advance(0);
  const waits: number[] = [];
  for (let n = 0; n < 10; n++) {
    waits.push(Math.round(time.nextTimerMs / 100) / 10);
    await time.advance(time.nextTimerMs);
  }
  assertEquals(
    waits,
    [0.5, 1, 2, 4, 5, 5, 5, 5, 5, 5],
    "four times in one renewal",
  );
  assertEquals(run.log.names, ["registration_failed"]);
  run.dialer.away = false;
  await time.advance(5_000);
  assertEquals(run.log.names, ["registration_failed", "registered"]);
  run.dialer.away = true;
  await time.advance(22_000);
  assertEquals(run.log.names.at(-1), "registration_failed", "reported again");
  await run.stop();
  assertEquals(run.log.names.length, 3, "and withdraws in silence");
});

Deno.test("A registrar retries after half a minute at most, even if it renews less often", async () => {
  using time = new FakeTime();
  const run = start(() => 0.999);
  run.answer = { ...GRANTED, renewSeconds: 300 };
  await time.advance(0);
  run.dialer.away = true;
  await time.advance(330_000);
  assertEquals(run.log.names, ["registered", "registration_failed"]);
  for (let n = 0; n < 10; n++) await time.advance(time.nextTimerMs);
  assertEquals(Math.round(time.nextTimerMs / 100), LIMITS.retryMaxMs / 100);
  await run.stop();
});

Deno.test("A registrar reports that it cannot withdraw, and still ends", async () => {
  using time = new FakeTime();
  const run = start(() => 0.5);
  await time.advance(0);
  run.dialer.away = true;
  await run.stop();
  assertEquals(run.log.names, ["registered", "withdraw_failed"]);
});

Deno.test("A registrar reports a new cause of failure", async () => {
  using time = new FakeTime();
  const run = start(() => 0.999);
  run.answer = { kind: "refused", code: "registry_full", text: "full \x1b[2J" };
  await time.advance(5_000);
  run.answer = null;
  await time.advance(60_000);
  const reported = run.log.events.flatMap((event) =>
    event.event === "registration_failed" ? [event.error.message] : []
  );
  assertEquals(reported, [
    "Cannot register (relay:1700): the relay refused: full \\x1b[2J (registry_full)",
    "Cannot register (relay:1700): the relay closed the connection",
  ]);
  await run.stop();
});

Deno.test("retryDelayMs is full jitter below a doubling bound", () => {
  const random = seededRandom(2);
  const at = (attempt: number) =>
    retryDelayMs(attempt, { firstMs: 500, maxMs: 30_000, random });
  for (let attempt = 0; attempt < 60; attempt++) {
    const bound = Math.min(30_000, 500 * 2 ** attempt);
    const delays = Array.from({ length: 200 }, () => at(attempt));
    assertLessOrEqual(Math.max(...delays), bound);
    assertGreater(Math.max(...delays), 0.9 * bound);
    assertLessOrEqual(Math.min(...delays), 0.1 * bound);
  }
});
