import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import {
  aborted,
  CallDeadline,
  firstGiven,
  orAborted,
  within,
} from "../../lib/base/waiting.ts";
import { FakeTime } from "../_fake_time.ts";

const never = new Promise<never>(() => {});
const LATE = new Error("too late");
const STOP = new Error("stop");

/** What a promise rejects with. */
async function reasonOf(work: Promise<unknown>): Promise<unknown> {
  return await work.then(() => "no rejection", (reason) => reason);
}

Deno.test("orAborted gives the value, the error, or the reason of the signal", async () => {
  const abort = new AbortController();
  const { signal } = abort;
  assertEquals(await orAborted(Promise.resolve(7), signal), 7);
  assertEquals(await orAborted(Promise.resolve(7), undefined), 7);
  const failed = orAborted(Promise.reject(LATE), signal);
  assertStrictEquals(await reasonOf(failed), LATE);
  const waiting = orAborted(never, signal);
  abort.abort(STOP);
  assertStrictEquals(await reasonOf(waiting), STOP);
  assertStrictEquals(await reasonOf(orAborted(never, signal)), STOP);
});

Deno.test("orAborted leaves no rejection unhandled when the work fails later", async () => {
  const work = Promise.withResolvers<never>();
  const waiting = orAborted(work.promise, AbortSignal.abort(STOP));
  assertStrictEquals(await reasonOf(waiting), STOP);
  work.reject(LATE); // an unhandled rejection would fail this test
});

Deno.test("aborted resolves at the abort, even if that came before", async () => {
  const abort = new AbortController();
  const waiting = aborted(abort.signal);
  abort.abort();
  assertEquals([await waiting, await aborted(abort.signal)], [
    undefined,
    undefined,
  ]);
});

Deno.test("within waits for the work, the time, or the signal, and stops its timer", async () => {
  using time = new FakeTime();
  assertEquals(await within(Promise.resolve(7), 100), 7);
  const late = within(never, 100);
  await time.advance(100);
  assertEquals(await late, undefined);
  const abort = new AbortController();
  const stopped = within(never, 100, abort.signal);
  abort.abort(STOP);
  assertStrictEquals(await reasonOf(stopped), STOP);
  assertEquals(time.timerCount, 0);
});

for (const end of ["time", "signal", "signal before"] as const) {
  Deno.test(`CallDeadline ends a step by its ${end}, with that reason`, async () => {
    using time = new FakeTime();
    const outer = new AbortController();
    if (end === "signal before") outer.abort(STOP);
    const options = { timeoutMs: 100, signal: outer.signal };
    using deadline = new CallDeadline(options, () => LATE);
    const step = Promise.withResolvers<never>();
    deadline.onEnd(() => step.reject(new Error("interrupted")));
    const guarded = reasonOf(deadline.guard(step.promise));
    if (end === "time") await time.advance(100);
    if (end === "signal") outer.abort(STOP);
    assertStrictEquals(await guarded, end === "time" ? LATE : STOP);
  });
}

Deno.test("CallDeadline passes on the error of a step, and ends nothing once disposed", async () => {
  using time = new FakeTime();
  const outer = new AbortController();
  const options = { timeoutMs: 100, signal: outer.signal };
  const deadline = new CallDeadline(options, () => LATE);
  await assertRejects(
    () => deadline.guard(Promise.reject(new TypeError("bug"))),
    TypeError,
    "bug",
  );
  deadline[Symbol.dispose]();
  outer.abort(STOP);
  assertEquals([deadline.signal.aborted, time.timerCount], [false, 0]);
});

Deno.test("firstGiven asks the next when one gives nothing, and ends with the first that gives", async () => {
  const asked: number[] = [];
  let over: AbortSignal | undefined;
  const ask = (item: number, signal: AbortSignal) => {
    asked.push(item);
    over = signal;
    return Promise.resolve(item === 2 ? "two" : undefined);
  };
  const patience = { patienceMs: 60_000 };
  assertEquals(await firstGiven([1, 2, 3], ask, patience), "two");
  assertEquals([asked, over?.aborted], [[1, 2], true]);
  assertEquals(await firstGiven([1, 3], ask, patience), undefined);
  assertEquals(await firstGiven([], ask, patience), undefined);
});

Deno.test("firstGiven waits for none longer than its patience while there is another to ask", async () => {
  const slow = Promise.withResolvers<string>();
  const ask = (item: string) =>
    item === "slow" ? slow.promise : Promise.resolve(item);
  const items = ["slow", "quick"];
  assertEquals(await firstGiven(items, ask, { patienceMs: 1 }), "quick");
  const last = firstGiven(["slow"], ask, { patienceMs: 1 });
  slow.resolve("after all");
  assertEquals(await last, "after all");
});

Deno.test("firstGiven throws an error of one that it waits for", async () => {
  const fails = () => Promise.reject(LATE);
  const given = firstGiven([1, 2], fails, { patienceMs: 60_000 });
  assertStrictEquals(await reasonOf(given), LATE);
});
