import { assertEquals } from "@std/assert";
import { limitsWith } from "../../lib/base/limits.ts";
import { whenAdmitted } from "../../lib/transport/admission_retry.ts";
import { FakeTime } from "../_fake_time.ts";

const HUNG_UP = new Deno.errors.UnexpectedEof("unexpected end of file");

Deno.test("whenAdmitted waits longer after each refusal, up to its longest wait", async () => {
  using time = new FakeTime();
  const at: number[] = [];
  const startedAt = performance.now();
  const entering = whenAdmitted(() => {
    at.push(performance.now() - startedAt);
    return at.length < 7 ? Promise.reject(HUNG_UP) : Promise.resolve("in");
  }, { limits: limitsWith({}), random: () => 1 });
  await time.advance(12_000);
  assertEquals(await entering, "in");
  assertEquals(at, [0, 250, 750, 1_750, 3_750, 5_750, 7_750]);
});

Deno.test("whenAdmitted waits only once for all dials that share their patience, if peers keep closing connections", async () => {
  using time = new FakeTime();
  const limits = limitsWith({});
  const startedAt = performance.now();
  const patience = {};
  const endedAt: number[] = [];
  const dial = () =>
    whenAdmitted(() => Promise.reject(HUNG_UP), {
      limits,
      patience,
      random: () => 1,
    }).catch(() => void endedAt.push(performance.now() - startedAt));
  const first = dial();
  await time.advance(5_000);
  const second = dial();
  await time.advance(20_000);
  await Promise.all([first, second]);
  await dial();
  // The pauses grow to 2 s, so the last attempts are a little before the end.
  assertEquals(endedAt.length, 3);
  assertEquals(
    endedAt.slice(0, 2).every((ms) => ms <= limits.turnedAwayMs),
    true,
  );
  assertEquals(endedAt[2], 25_000);
});

Deno.test("whenAdmitted tries again a long time after a shared patience was over", async () => {
  using time = new FakeTime();
  const limits = limitsWith({});
  const patience = {};
  let count = 0;
  const dial = () =>
    whenAdmitted(() => {
      count++;
      return Promise.reject(HUNG_UP);
    }, { limits, patience, random: () => 1 }).catch(() => {});
  for (let n = 0; n < 2; n++) {
    count = 0;
    const dialling = dial();
    await time.advance(7 * limits.turnedAwayMs);
    await dialling;
    assertEquals(count > 2, true, `${n}: ${count}`);
  }
});
