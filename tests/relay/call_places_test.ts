import { assertEquals } from "@std/assert";
import { CallPlaces } from "../../lib/relay/call_places.ts";
import { FakeTime } from "../_fake_time.ts";

Deno.test("CallPlaces lets the callers of all addresses take turns, however many wait for one", async () => {
  const places = new CallPlaces(1);
  const order: string[] = [];
  const held = await places.take("first", 0);
  const calls = ["a", "a", "a", "b", "a", "c"].map(async (group) => {
    using _place = await places.take(group, 600_000);
    order.push(group);
  });
  held![Symbol.dispose]();
  held![Symbol.dispose](); // gives back one place, not two
  await Promise.all(calls);
  assertEquals(order.join(""), "abcaaa");
});

Deno.test("CallPlaces gives no place after clusterCallWaitMs, and passes it to the next caller", async () => {
  using time = new FakeTime();
  const places = new CallPlaces(1);
  const held = await places.take("a", 0);
  const late = places.take("b", 1_000);
  await time.advance(1_000);
  assertEquals(await late, undefined);
  const next = places.take("c", 1_000);
  held![Symbol.dispose]();
  assertEquals(await next === undefined, false);
});
