import { assertEquals } from "@std/assert";
import type { Plan } from "../../lib/transfer/plan.ts";
import type { PlannedFile } from "../../lib/transfer/plan_types.ts";
import {
  deliver,
  file,
  format,
  newPlan,
  PIECE_BYTES,
  takeAll,
} from "./_plan.ts";

/**
 * A file of 8 pieces of which the slow `a1` was asked for the first 4, and has
 * been delivering a piece in 1,000 ms, until `now`; the quick `b1` is idle.
 */
function slowAndQuick(
  overrides: Partial<PlannedFile> = {},
): { plan: Plan; now: number } {
  const plan = newPlan(["a1", "b1"]);
  plan.addFile(file("a", 1)); // shows how slow it is
  plan.addFile(file("b", 1));
  plan.addFile(file("ab", 8, overrides));
  plan.take("a1", 0);
  plan.noteBytes("a1", PIECE_BYTES, 1_000);
  plan.arrived("a1", 0, 0);
  plan.take("b1", 999);
  plan.noteBytes("b1", PIECE_BYTES, 1_000);
  plan.arrived("b1", 1, 0);
  assertEquals(format(plan.take("a1", 1_000)), "2:0-3");
  assertEquals(format(plan.take("b1", 1_000)), "2:4-7");
  for (const piece of [4, 5, 6, 7]) {
    plan.noteBytes("b1", PIECE_BYTES, 1_001);
    assertEquals(plan.arrived("b1", 2, piece), "wanted");
  }
  return { plan, now: 1_001 };
}

Deno.test("Plan lets an idle source take over from a slow one, from the end", () => {
  const { plan, now } = slowAndQuick();
  assertEquals(format(plan.take("b1", now)), "2:3-3");
  assertEquals(plan.askedCount("a1"), 4, "it may still be the first");
  assertEquals(plan.take("b1", now), undefined, "it has work");
});

Deno.test("Plan first lets pieces be taken over that others wait for", () => {
  const { plan, now } = slowAndQuick({ lookahead: 8 });
  assertEquals(format(plan.take("b1", now)), "2:0-0");
});

Deno.test("Plan uses the first of two answers for a piece that was taken over", () => {
  for (const [first, second] of [["a1", "b1"], ["b1", "a1"]] as const) {
    const { plan, now } = slowAndQuick();
    plan.take("b1", now);
    assertEquals(plan.arrived(first, 2, 3), "wanted");
    assertEquals(plan.arrived(second, 2, 3), "duplicate");
  }
});

Deno.test("Plan lets the pieces of a slow source be taken over one after the other, each once", () => {
  const { plan, now } = slowAndQuick();
  const taken = [3, 2, 1, 0].map((piece) => {
    const task = format(plan.take("b1", now));
    plan.noteBytes("b1", PIECE_BYTES, now + 1);
    assertEquals(plan.arrived("b1", 2, piece), "wanted");
    return task;
  });
  assertEquals(taken, ["2:3-3", "2:2-2", "2:1-1", "2:0-0"]);
  assertEquals([plan.isComplete(2), plan.isDone], [true, true]);
  assertEquals(plan.take("b1", now + 60_000), undefined, "all is there");
});

Deno.test("Plan lets no piece be taken over of a file that was given up", () => {
  const { plan, now } = slowAndQuick();
  plan.giveUp(2);
  assertEquals(plan.take("b1", now + 60_000), undefined);
});

Deno.test("Plan asks two sources for a piece that was taken over, not three", () => {
  const { plan, now } = slowAndQuick();
  plan.addSource("b2", "b", now);
  plan.addSource("b3", "b", now);
  const taken = ["b1", "b2", "b3"].map((id) => format(plan.take(id, now)));
  assertEquals(taken, ["2:3-3", "2:2-2", "2:1-1"]);
});

Deno.test("Plan treats a piece that was taken over as missing when both sources have failed", () => {
  const { plan, now } = slowAndQuick();
  plan.addSource("b2", "b", now);
  plan.take("b1", now);
  plan.drop("a1");
  assertEquals(format(plan.take("b2", now)), "2:0-2", "one still has the last");
  assertEquals(plan.release("b1"), []);
  assertEquals(format(plan.take("b1", now)), "2:3-3");
});

Deno.test("Plan lets no piece be taken over for a small gain", () => {
  for (
    const [takeOverMs, taken] of [[3_900, "2:3-3"], [4_000, undefined]] as const
  ) {
    const plan = newPlan(["a1", "b1"], { takeOverMs });
    plan.addFile(file("a", 1));
    plan.addFile(file("b", 1));
    plan.addFile(file("ab", 4));
    plan.take("a1", 0);
    plan.noteBytes("a1", PIECE_BYTES, 1_000);
    plan.arrived("a1", 0, 0);
    plan.take("b1", 0);
    plan.noteBytes("b1", PIECE_BYTES, 50);
    plan.arrived("b1", 1, 0);
    plan.take("a1", 1_000); // 4,000 ms of work; 50 ms for the other
    assertEquals(format(plan.take("b1", 1_000)), taken, `${takeOverMs}`);
  }
});

Deno.test("Plan treats a silent source as slow after some time", () => {
  const plan = newPlan(["a1", "b1"]);
  plan.addFile(file("ab", 4));
  plan.take("a1", 1_000);
  assertEquals(plan.take("b1", 1_499), undefined);
  assertEquals(format(plan.take("b1", 1_500)), "0:3-3");
});

Deno.test("Plan treats a source as slow that was quick until it fell silent", () => {
  const plan = newPlan(["a1", "b1"]);
  plan.addFile(file("ab", 4));
  plan.take("a1", 0);
  plan.noteBytes("a1", PIECE_BYTES, 10);
  plan.arrived("a1", 0, 0);
  assertEquals(plan.take("b1", 509), undefined);
  assertEquals(format(plan.take("b1", 510)), "0:3-3");
});

Deno.test("Plan asks a node for no piece twice while its connection moves, even if the node is slow", () => {
  const plan = newPlan(["a1", "a2"]);
  plan.addFile(file("a", 8));
  plan.take("a1", 0);
  deliver(plan, "a2", plan.take("a2", 0));
  plan.noteBytes("a2", 4 * PIECE_BYTES, 1);
  // A byte every 9 s, where the other connection brought all at once.
  for (let now = 9_000; now < 90_000; now += 9_000) {
    plan.noteBytes("a1", 1, now);
    assertEquals(plan.take("a2", now + 8_999), undefined, `${now}`);
  }
});

Deno.test("Plan asks a node for a piece again over another connection once the first was quiet for connectionQuietMs", () => {
  const plan = newPlan(["a1", "a2"]);
  plan.addFile(file("a", 4));
  plan.take("a1", 0);
  plan.noteBytes("a1", 1, 1_000);
  assertEquals(plan.take("a2", 10_999), undefined);
  assertEquals(format(plan.take("a2", 11_000)), "0:3-3");
});

Deno.test("Plan lets a holder take over only pieces that it has, and from the slowest source", () => {
  const plan = newPlan(["a1", "b1", "c1", "d1", "e1"]);
  plan.addFile(file("ae", 4));
  plan.addFile(file("be", 4));
  plan.addFile(file("ce", 4));
  plan.addFile(file("d", 4));
  plan.take("d1", 0);
  plan.take("b1", 100);
  plan.take("a1", 200);
  plan.take("c1", 300);
  assertEquals(format(plan.take("e1", 60_000)), "1:3-3");
});

Deno.test("Plan lets no piece be taken over from an excluded source", () => {
  const plan = newPlan(["a1", "b1"], { pieceFailureCount: 9 });
  plan.addFile(file("ab", 4));
  plan.take("a1", 0);
  plan.drop("a1");
  assertEquals(takeAll(plan, "b1", 60_000), ["0:0-3"]);
});
