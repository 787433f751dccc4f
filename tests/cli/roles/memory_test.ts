import { assertEquals } from "@std/assert";
import {
  collectInClient,
  collectInTime,
  CollectionPlan,
  countedBytes,
  ofClient,
  ofGateway,
  ofService,
} from "../../../lib/cli/roles/memory.ts";
import { LIMITS } from "../../../lib/base/limits.ts";
import { within } from "../../_event_log.ts";

const MIB = 1024 ** 2;
/** Collects at the first growth. */
const QUICK = {
  ...LIMITS,
  collectCheckMs: 5,
  collectGrowthPercent: 0,
  collectBusyPercent: 50,
};

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

Deno.test("CollectionPlan measures growth from the smallest size so far", () => {
  const plan = new CollectionPlan(LIMITS, 70 * MIB);
  assertEquals(plan.isDue(60 * MIB, 0), false);
  assertEquals(plan.isDue(65 * MIB, 0), true);
});

Deno.test("CollectionPlan pauses until collecting took 5 % of the time", () => {
  const plan = new CollectionPlan(LIMITS, 70 * MIB);
  plan.collected({ ms: 10, bytes: 70 * MIB }, 1_010);
  assertEquals(plan.isDue(90 * MIB, 1_199), false);
  assertEquals(plan.isDue(90 * MIB, 1_200), true);
});

Deno.test("CollectionPlan does not collect again for memory that could not be freed", () => {
  const plan = new CollectionPlan(LIMITS, 70 * MIB);
  plan.collected({ ms: 10, bytes: 90 * MIB }, 0);
  assertEquals(plan.isDue(90 * MIB, 9_999), false);
  assertEquals(plan.isDue(95 * MIB, 9_999), true);
});

Deno.test("CollectionPlan collects after 10 s if peers have disconnected", () => {
  const plan = new CollectionPlan(LIMITS, 70 * MIB);
  plan.collected({ ms: 10, bytes: 90 * MIB }, 0);
  assertEquals(plan.isDue(90 * MIB, LIMITS.collectIdleMs - 1), false);
  assertEquals(plan.isDue(90 * MIB, LIMITS.collectIdleMs), true);
  assertEquals(plan.isDue(73 * MIB, LIMITS.collectIdleMs), false);
});

Deno.test("CollectionPlan collects when 4 MiB are outside of V8's heap, or its heap has grown by 32 MiB", () => {
  const bytes = (rss: number, heapTotal: number) =>
    countedBytes({ rss: rss * MIB, heapTotal: heapTotal * MIB }, LIMITS);
  const plan = new CollectionPlan(LIMITS, bytes(70, 20));
  assertEquals(plan.isDue(bytes(101, 51), 0), false, "the heap, by 31 MiB");
  assertEquals(plan.isDue(bytes(102, 52), 0), true, "the heap, by 32 MiB");
  assertEquals(plan.isDue(bytes(73, 20), 0), false, "outside, by 3 MiB");
  assertEquals(plan.isDue(bytes(74, 20), 0), true, "outside, by 4 MiB");
});

Deno.test("A client counts all of V8's heap, and nothing of the memory of its workers", () => {
  const use = { rss: 160 * MIB, heapTotal: 90 * MIB };
  assertEquals(countedBytes(use, ofClient()), 90 * MIB);
});

Deno.test("A client collects near the promised limit when it has grown by 16 MiB, in at most a quarter of the time", () => {
  const plan = new CollectionPlan(ofClient(), 160 * MIB);
  assertEquals(plan.isDue(176 * MIB - 1, 0), false);
  assertEquals(plan.isDue(176 * MIB, 0), true);
  plan.collected({ ms: 200, bytes: 160 * MIB }, 1_000);
  assertEquals(plan.isDue(190 * MIB, 1_599), false);
  assertEquals(plan.isDue(190 * MIB, 1_600), true);
  const small = new CollectionPlan(ofClient(), 10 * MIB);
  const rss = LIMITS.collectClientFromBytes;
  assertEquals(small.isDue(60 * MIB, 0, rss - 1), false, "far from the limit");
  assertEquals(small.isDue(60 * MIB, 0, rss), true, "near the limit");
});

Deno.test("A gateway collects near the promised limit when it has grown by 16 MiB, in V8's heap or outside", () => {
  const rss = LIMITS.collectClientFromBytes;
  const limits = ofGateway();
  const bytes = (all: number) =>
    countedBytes({ rss: all, heapTotal: 20 * MIB }, limits);
  const plan = new CollectionPlan(limits, bytes(64 * MIB));
  assertEquals(plan.isDue(bytes(rss - 1), 0, rss - 1), false, "far from it");
  assertEquals(plan.isDue(bytes(rss), 0, rss), true, "near it");
  plan.collected({ ms: 1, bytes: bytes(rss) }, 1);
  assertEquals(plan.isDue(bytes(rss + 16 * MIB - 1), 100, rss), false);
  assertEquals(plan.isDue(bytes(rss + 16 * MIB), 100, rss), true);
  assertEquals(limits.collectsAtOnce, true, "slices give nothing back");
});

for (const collectsAtOnce of [false, true]) {
  const how = collectsAtOnce ? "at once" : "in slices";
  Deno.test(`collectInTime collects ${how} when the process has grown`, async () => {
    const collected = Promise.withResolvers<void>();
    const registry = new FinalizationRegistry(() => collected.resolve());
    using _collect = collectInTime({ ...QUICK, collectsAtOnce });
    (() => registry.register({}, undefined))();
    const grown = new Uint8Array(2 * LIMITS.collectGrowthBytes).fill(1);
    // Timers that are unreferenced do not run while nobody else waits.
    const waiting = setInterval(() => {}, 1_000);
    await within(collected.promise, "a collection");
    clearInterval(waiting);
    assertEquals(grown.at(-1), 1);
  });
}

Deno.test("A node or relay collects at once near the promised limit when it has grown by 16 MiB, in at most a 25th of the time", () => {
  const rss = LIMITS.collectClientFromBytes;
  const limits = ofService();
  const bytes = (all: number) =>
    countedBytes({ rss: all, heapTotal: 20 * MIB }, limits);
  const plan = new CollectionPlan(limits, bytes(64 * MIB));
  assertEquals(plan.isDue(bytes(rss - 1), 0, rss - 1), false, "far from it");
  assertEquals(plan.isDue(bytes(rss), 0, rss), true, "near it");
  plan.collected({ ms: 100, bytes: bytes(rss) }, 100);
  const grown = bytes(rss + 16 * MIB);
  assertEquals(plan.isDue(grown, 2_499, rss), false);
  assertEquals(plan.isDue(grown, 2_500, rss), true);
  assertEquals(plan.isDue(grown - 1, 2_500, rss), false);
  // It uses more than at first: perhaps peers have left.
  assertEquals(plan.isDue(grown - 1, 60_099, rss), false);
  assertEquals(plan.isDue(grown - 1, 60_100, rss), true);
});

Deno.test("A client collects in slices first, and at once only with 20 MiB more", async () => {
  assertEquals(
    LIMITS.collectClientAtOnceBytes,
    LIMITS.collectClientFromBytes + 20 * MIB,
  );
  const collected = Promise.withResolvers<void>();
  const registry = new FinalizationRegistry(() => collected.resolve());
  using _collect = collectInClient({
    ...QUICK,
    collectClientFromBytes: 0,
    collectClientAtOnceBytes: Infinity,
    collectClientGrowthBytes: MIB,
    collectClientBusyPercent: 50,
  });
  (() => registry.register({}, undefined))();
  const grown = Array.from({ length: 500_000 }, (_, n) => ({ n }));
  // Timers that are unreferenced do not run while nobody else waits.
  const waiting = setInterval(() => {}, 1_000);
  await within(collected.promise, "a collection in slices");
  clearInterval(waiting);
  assertEquals(grown.length, 500_000);
});
