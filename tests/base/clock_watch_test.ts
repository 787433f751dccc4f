import { assert, assertEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import {
  type ClockEvent,
  ClockWatch,
  Slept,
} from "../../lib/base/clock_watch.ts";
import { FakeTime } from "../_fake_time.ts";

Deno.test("ClockWatch wakes once after a sleep, within a second, and not for a clock that went back", async () => {
  using time = new FakeTime();
  const events: ClockEvent[] = [];
  using watch = new ClockWatch({
    limits: LIMITS,
    onGap: (event) => void events.push(event),
  });
  const first = watch.wake;
  await time.advance(10_000);
  assertEquals(events, []);
  time.setWall(60_000);
  await time.advance(LIMITS.clockCheckMs);
  assertEquals(events, [{ event: "clock_gap", kind: "slept", seconds: 60 }]);
  assert(first.aborted && first.reason instanceof Slept);
  const second = watch.wake;
  assertEquals(second.aborted, false);
  time.setWall(-3_600_000);
  await time.advance(10_000);
  assertEquals(events.slice(1), [
    { event: "clock_gap", kind: "went_back", seconds: 3_600 },
  ]);
  assertEquals(second.aborted, false);
});

Deno.test("ClockWatch leaves no timer behind", () => {
  using time = new FakeTime();
  const watch = new ClockWatch({ limits: LIMITS });
  assertEquals(time.timerCount, 1);
  watch[Symbol.dispose]();
  assertEquals(time.timerCount, 0);
});
