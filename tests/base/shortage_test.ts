import { assertEquals, assertRejects } from "@std/assert";
import { systemErrorCode } from "../../lib/base/errors.ts";
import { whenRoom } from "../../lib/base/shortage.ts";

/** Fails so often for want of a descriptor, and then gives a word. */
function opensAfter(shortCount: number): { open(): string; count: number } {
  return {
    count: 0,
    open() {
      if (this.count++ >= shortCount) return "opened";
      throw Object.assign(new Error("EMFILE"), { code: "EMFILE" });
    },
  };
}

Deno.test("whenRoom returns the result when a descriptor is free", async () => {
  const file = opensAfter(3);
  assertEquals(await whenRoom(() => file.open(), { pauseMs: 1 }), "opened");
  assertEquals(file.count, 4);
});

Deno.test("whenRoom waits for its limit and then throws the cause", async () => {
  const file = opensAfter(Infinity);
  const waiting = whenRoom(() => file.open(), { pauseMs: 1, mostMs: 5 });
  const error = await assertRejects(() => waiting);
  assertEquals(systemErrorCode(error), "EMFILE");
  assertEquals(file.count, 6);
});

Deno.test("whenRoom waits only for file descriptors", async () => {
  let count = 0;
  const open = () => {
    count++;
    throw new Deno.errors.NotFound("gone");
  };
  await assertRejects(
    () => whenRoom(open, { pauseMs: 1 }),
    Deno.errors.NotFound,
  );
  assertEquals(count, 1);
});

Deno.test("whenRoom that is aborted makes a last attempt", async () => {
  const file = opensAfter(Infinity);
  const stop = new AbortController();
  const { signal } = stop;
  const waiting = whenRoom(() => file.open(), { pauseMs: 60_000, signal });
  const refused = assertRejects(() => waiting);
  stop.abort();
  await refused;
  assertEquals(file.count, 2);
});
