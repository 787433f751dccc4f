import { assertEquals, assertRejects } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { Channel } from "../../lib/protocol/channel.ts";
import { Deadlines } from "../../lib/protocol/deadline.ts";
import type { ProtocolError } from "../../lib/base/errors.ts";
import { FakeTime } from "../_fake_time.ts";
import { memoryPair } from "../_memory_conn.ts";

Deno.test("A thousand channels that wait hold one timer, and each ends at its own time", async () => {
  using time = new FakeTime();
  const deadlines = new Deadlines();
  const ended: number[] = [];
  const waits: Promise<unknown>[] = [];
  const startedAt = performance.now();
  for (let n = 0; n < 1_000; n++) {
    const [near] = memoryPair();
    const channel = new Channel(near, {
      limits: LIMITS,
      writeStallMs: 10_000,
      idleMs: 10_000,
      deadlines,
    });
    const waiting = assertRejects(() => channel.receive(["list"]))
      .then((error) => {
        assertEquals((error as ProtocolError).code, "idle");
        ended[n] = performance.now() - startedAt;
      });
    waits.push(waiting);
    await time.advance(1);
  }
  assertEquals(time.timerCount, 1);
  await time.advance(11_000);
  await Promise.all(waits);
  assertEquals(ended, Array.from({ length: 1_000 }, (_, n) => n + 10_000));
  assertEquals(time.timerCount, 0);
});

Deno.test("Deadlines that were disposed of never pass, and the last one removes the timer", async () => {
  using time = new FakeTime();
  const deadlines = new Deadlines();
  const came: string[] = [];
  const first = deadlines.set(100, () => came.push("first"));
  await time.advance(40);
  const second = deadlines.set(100, () => came.push("second"));
  const short = deadlines.set(10, () => came.push("short"));
  first[Symbol.dispose]();
  await time.advance(99);
  assertEquals(came, ["short"]);
  await time.advance(1);
  assertEquals(came, ["short", "second"]);
  assertEquals(time.timerCount, 0);
  const third = deadlines.set(100, () => came.push("third"));
  assertEquals(time.timerCount, 1);
  for (const deadline of [second, short, third]) deadline[Symbol.dispose]();
  assertEquals(time.timerCount, 0);
  await time.advance(1_000);
  assertEquals(came, ["short", "second"]);
});

Deno.test("Deadlines set while others pass are kept", async () => {
  using time = new FakeTime();
  const deadlines = new Deadlines();
  const came: number[] = [];
  const again = () => {
    came.push(performance.now());
    if (came.length < 3) deadlines.set(10, again);
  };
  const startedAt = performance.now();
  deadlines.set(10, again);
  await time.advance(5);
  deadlines.set(10, again);
  await time.advance(100);
  assertEquals(came.map((at) => at - startedAt), [10, 15, 20, 25]);
  assertEquals(time.timerCount, 0);
});
