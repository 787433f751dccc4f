import { assertEquals } from "@std/assert";
import {
  collectInTime,
  CollectionPlan,
  ofClient,
} from "../../../lib/cli/roles/memory.ts";
import { LIMITS } from "../../../lib/base/limits.ts";
import { within } from "../../_event_log.ts";

const MIB = 1024 ** 2;

Deno.test("CollectionPlan collects when a small process has grown by 4 MiB", () => {
  const plan = new CollectionPlan(LIMITS, 70 * MIB);
  assertEquals(plan.isDue(70 * MIB + LIMITS.collectGrowthBytes - 1, 0), false);
  assertEquals(plan.isDue(70 * MIB + LIMITS.collectGrowthBytes, 0), true);
});

Deno.test("CollectionPlan collects when a large process has grown by 5 %", () => {
  const plan = new CollectionPlan(LIMITS, 1_000 * MIB);
  assertEquals(plan.isDue(1_049 * MIB, 0), false);
  assertEquals(plan.isDue(1_050 * MIB, 0), true);
});

Deno.test("CollectionPlan uses the least memory so far as its floor", () => {
  const plan = new CollectionPlan(LIMITS, 70 * MIB);
  assertEquals(plan.isDue(60 * MIB, 0), false);
  assertEquals(plan.isDue(65 * MIB, 0), true);
});

Deno.test("CollectionPlan rests until collecting took 5 % of the time", () => {
  const plan = new CollectionPlan(LIMITS, 70 * MIB);
  plan.collected({ ms: 10, residentBytes: 70 * MIB }, 1_010);
  assertEquals(plan.isDue(90 * MIB, 1_199), false);
  assertEquals(plan.isDue(90 * MIB, 1_200), true);
});

Deno.test("CollectionPlan does not collect again what could not be given back", () => {
  const plan = new CollectionPlan(LIMITS, 70 * MIB);
  plan.collected({ ms: 10, residentBytes: 90 * MIB }, 0);
  assertEquals(plan.isDue(90 * MIB, 9_999), false);
  assertEquals(plan.isDue(95 * MIB, 9_999), true);
});

Deno.test("CollectionPlan collects after 10 s what has left meanwhile", () => {
  const plan = new CollectionPlan(LIMITS, 70 * MIB);
  plan.collected({ ms: 10, residentBytes: 90 * MIB }, 0);
  assertEquals(plan.isDue(90 * MIB, LIMITS.collectIdleMs - 1), false);
  assertEquals(plan.isDue(90 * MIB, LIMITS.collectIdleMs), true);
  assertEquals(plan.isDue(73 * MIB, LIMITS.collectIdleMs), false);
});

Deno.test("A client collects from a certain size on, and when it has grown by 16 MiB, a quarter of the time at most", () => {
  const plan = new CollectionPlan(ofClient(), 160 * MIB);
  assertEquals(plan.isDue(176 * MIB - 1, 0), false);
  assertEquals(plan.isDue(176 * MIB, 0), true);
  plan.collected({ ms: 200, residentBytes: 160 * MIB }, 1_000);
  assertEquals(plan.isDue(190 * MIB, 1_599), false);
  assertEquals(plan.isDue(190 * MIB, 1_600), true);
  const small = new CollectionPlan(ofClient(), 80 * MIB);
  assertEquals(small.isDue(LIMITS.collectClientFromBytes - 1, 0), false);
  assertEquals(small.isDue(LIMITS.collectClientFromBytes, 0), true);
});

Deno.test("collectInTime collects when the process has grown", async () => {
  const collected = Promise.withResolvers<void>();
  const registry = new FinalizationRegistry(() => collected.resolve());
  using _collect = collectInTime({
    ...LIMITS,
    collectCheckMs: 5,
    collectGrowthPercent: 0,
    collectBusyPercent: 50,
  });
  (() => registry.register({}, undefined))();
  const grown = new Uint8Array(2 * LIMITS.collectGrowthBytes).fill(1);
  // Timers that are unreferenced do not run while nobody else waits.
  const waiting = setInterval(() => {}, 1_000);
  await within(collected.promise, "a collection");
  clearInterval(waiting);
  assertEquals(grown.at(-1), 1);
});
