/**
 * The plan of a file that many clients fetch together: the order of its pieces,
 * how many one source is asked for, and what is reported of them.
 */

import { assert, assertEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { Permutation } from "../../lib/transfer/permutation.ts";
import { Plan } from "../../lib/transfer/plan.ts";
import type { PlannedFile, Task } from "../../lib/transfer/plan_types.ts";
import { seededRandom } from "../_random.ts";

/** A plan with a file of `pieceCount` pieces, and source `a1` of holder `a`. */
function newPlan(
  sources: readonly string[],
  pieceCount: number,
  overrides: Partial<PlannedFile> = {},
): Plan {
  const plan = new Plan({
    openFileCount: 8,
    pieceFailureCount: 3,
    takeOverMs: 500,
    connectionQuietMs: 10_000,
  });
  for (const source of sources) plan.addSource(source, source.charAt(0), 0);
  plan.addFile({
    pieceCount,
    pieceBytes: 1_000,
    taskPieces: 4,
    holders: [],
    rarest: { random: seededRandom(1) },
    ...overrides,
  });
  return plan;
}

/** A bitmap with these pieces. */
function bitmap(...pieces: number[]): Uint8Array {
  const bits = new Uint8Array(8);
  for (const piece of pieces) bits[piece >> 3]! |= 128 >> (piece & 7);
  return bits;
}

function piecesOf(task: Task | undefined): number[] {
  return Array.from({ length: task?.count ?? 0 }, (_, at) => task!.first + at);
}

/** One piece after the other comes, each `ms` after it was asked for. */
function bring(
  plan: Plan,
  source: string,
  { count, ms }: { count: number; ms: number },
): void {
  for (let now = 0, n = 0; n < count; n++, now += ms) {
    const task = plan.take(source, now, false);
    for (const piece of piecesOf(task)) {
      plan.arrived(source, 0, piece, now + ms);
    }
  }
}

/** Pieces that a source is given at once. */
function windowOf(plan: Plan, source: string): number {
  let count = 0;
  for (let task; (task = plan.take(source, 1e6, false));) count += task.count;
  return count;
}

Deno.test("Plan asks for the rarest piece first that a holder has, complete holders not counted", () => {
  const plan = newPlan(["a1", "b1", "c1", "s1"], 4);
  plan.holderHas(0, "a", bitmap(0, 1, 2));
  plan.holderHas(0, "b", bitmap(0, 1));
  plan.holderHas(0, "c", bitmap(0));
  plan.addHolder(0, "s");
  assertEquals(piecesOf(plan.take("s1", 0)), [3], "only the seed has it");
  assertEquals(piecesOf(plan.take("a1", 0)), [2]);
  assertEquals(piecesOf(plan.take("b1", 0)), [1]);
  assertEquals(piecesOf(plan.take("c1", 0)), [0]);
});

Deno.test("Plan counts new pieces of holders, and no pieces of excluded ones", () => {
  const plan = newPlan(["a1", "b1", "c1"], 3);
  plan.holderHas(0, "a", bitmap(0, 1));
  plan.holderHas(0, "b", bitmap(0));
  assertEquals(plan.holderGained(0, "c", [{ first: 1, count: 1 }]), true);
  assertEquals(plan.holderGained(0, "c", [{ first: 2, count: 9 }]), true);
  plan.holderGained(0, "b", [{ first: 1, count: 1 }]);
  assertEquals(piecesOf(plan.take("a1", 0)), [0], "two have it, 1 has three");
  plan.release("a1", undefined, false);
  plan.drop("b1");
  plan.drop("c1");
  assertEquals(plan.nowhere(0), [2]);
  plan.holderLacks(0, "a", { first: 0, count: 1 });
  assertEquals(plan.nowhere(0), [0, 2]);
  assertEquals(piecesOf(plan.take("a1", 0)), [1]);
});

Deno.test("Plan gives clients that begin together different pieces of one seed", () => {
  const first = Array.from({ length: 50 }, (_, seed) => {
    const random = seededRandom(seed);
    const plan = newPlan(["s1"], 128, { holders: "s", rarest: { random } });
    return plan.take("s1", 0)!.first;
  });
  // 50 drawn from 128 without looking are 42 different ones on average.
  assert(new Set(first).size >= 35, `${new Set(first).size} of 50`);
});

Deno.test("Permutation visits every number once, and gives the place of each", () => {
  const random = seededRandom(7);
  for (const count of [1, 2, 3, 12, 128, 1_000, 65_536]) {
    const order = new Permutation(count, random);
    const seen = new Set<number>();
    for (let place = 0; place < count; place++) {
      seen.add(order.at(place));
      assertEquals(order.placeOf(order.at(place)), place);
    }
    assertEquals(seen.size, count);
  }
});

Deno.test("Plan asks a source of a swarm for one piece more with each that came within swarmQuickMs, up to swarmWindowPieceCount", () => {
  const plan = newPlan(["s1"], 200, { holders: "s" });
  plan.holderHas(0, "a", bitmap());
  bring(plan, "s1", { count: 1, ms: LIMITS.swarmQuickMs });
  assertEquals(windowOf(plan, "s1"), 1);
  plan.release("s1", undefined, false);
  bring(plan, "s1", { count: 1, ms: LIMITS.swarmQuickMs - 1 });
  assertEquals(windowOf(plan, "s1"), 2);
  plan.release("s1", undefined, false);
  bring(plan, "s1", { count: 20, ms: 1 });
  assertEquals(windowOf(plan, "s1"), LIMITS.swarmWindowPieceCount);
});

Deno.test("Plan opens the window of a source up to swarmAloneWindowPieceCount while no other client fetches the file, and closes it when one does", () => {
  const plan = newPlan(["s1"], 300, { holders: "s" });
  bring(plan, "s1", { count: 40, ms: LIMITS.swarmQuickMs + 1 });
  assertEquals(windowOf(plan, "s1"), LIMITS.swarmAloneWindowPieceCount);
  plan.release("s1", undefined, false);
  plan.holderHas(0, "a", bitmap());
  bring(plan, "s1", { count: 1, ms: 1 });
  assertEquals(windowOf(plan, "s1"), LIMITS.swarmWindowPieceCount);
});

Deno.test("Plan asks a quick source of a swarm at once for as many pieces as it sends within swarmQuickMs", () => {
  for (const [ms, count] of [[1, 16], [10, 10], [40, 2], [90, 2]] as const) {
    const plan = newPlan(["s1"], 300, { holders: "s" });
    plan.holderHas(0, "a", bitmap());
    bring(plan, "s1", { count: 1, ms });
    assertEquals(windowOf(plan, "s1"), count, `${ms} ms`);
  }
});

Deno.test("Plan asks a quick source for pieces in their order while no other client fetches the file, and for the rarest when one does", () => {
  const plan = newPlan(["s1"], 300, { holders: "s" });
  bring(plan, "s1", { count: 1, ms: 1 });
  let next = 0;
  for (let n = 0; n < 20; n++) {
    const task = plan.take("s1", n, false)!;
    assert(task.first >= next && task.first < next + 8, `${task.first}`);
    next = task.first + task.count;
    for (const piece of piecesOf(task)) plan.arrived("s1", 0, piece, n + 1);
  }
  plan.holderHas(0, "a", bitmap(next, next + 1));
  const { first } = plan.take("s1", 21, false)!;
  assert(first > next + 1, "a piece that the other client lacks");
});

Deno.test("Plan asks for one piece at a time again if one took longer than swarmSlowMs", () => {
  const plan = newPlan(["s1"], 64, { holders: "s" });
  plan.holderHas(0, "a", bitmap());
  bring(plan, "s1", { count: 3, ms: 1 });
  const before = windowOf(plan, "s1");
  assert(before > 3, `${before}`);
  plan.release("s1", undefined, false);
  bring(plan, "s1", { count: 1, ms: LIMITS.swarmSlowMs });
  assertEquals(windowOf(plan, "s1"), before, "not longer");
  plan.release("s1", undefined, false);
  bring(plan, "s1", { count: 1, ms: LIMITS.swarmSlowMs + 1 });
  assertEquals(windowOf(plan, "s1"), 1);
});

Deno.test("Plan asks a complete holder for runs of swarmRunPieceCount pieces, and others for one", () => {
  const plan = newPlan(["s1", "a1"], 64, { holders: "s", taskPieces: 16 });
  plan.holderHas(0, "a", bitmap(...Array.from({ length: 63 }, (_, at) => at)));
  for (const source of ["s1", "a1"]) bring(plan, source, { count: 8, ms: 1 });
  const runs = (source: string) => {
    const counts: number[] = [];
    for (let task; (task = plan.take(source, 0, false));) {
      counts.push(task.count);
    }
    return Math.max(...counts);
  };
  assertEquals(runs("s1"), LIMITS.swarmRunPieceCount);
  assertEquals(runs("a1"), 1);
});

Deno.test("Plan asks a second holder for each of the last swarmEndPieceCount pieces, and no third", () => {
  const count = LIMITS.swarmEndPieceCount + 1;
  const sources = Array.from({ length: 2 * count }, (_, n) => `${n}`);
  const plan = newPlan(sources, count, { holders: sources });
  const first = sources.slice(0, count).map((id) => plan.take(id, 0)!.first);
  const others = sources.slice(count);
  assertEquals(plan.take(others[0]!, 0), undefined, "too many are left");
  plan.arrived(sources[0]!, 0, first[0]!, 0);
  assertEquals(plan.take(others[0]!, 0, false), undefined, "not looked for");
  const second = others.map((id) => plan.take(id, 0)?.first);
  assertEquals(second.pop(), undefined, "each has been asked of two");
  assertEquals(new Set(second), new Set(first.slice(1)));
  const [late, there] = [sources[1]!, first[1]!];
  const helper = others[second.indexOf(there)]!;
  assertEquals(plan.arrived(helper, 0, there, 0), "wanted");
  assertEquals(plan.arrived(late, 0, there, 0), "duplicate");
});

Deno.test("Plan lets a piece of a swarm be taken over from a source that needs swarmTakeOverMs longer", () => {
  const plan = newPlan(["a1", "b1"], 64, { holders: "b" });
  plan.holderHas(0, "a", bitmap(5));
  const { first } = plan.take("a1", 0)!;
  assertEquals(first, 5);
  plan.holderHas(0, "b", bitmap(5));
  const { swarmTakeOverMs } = LIMITS;
  assertEquals(plan.take("b1", swarmTakeOverMs - 1), undefined);
  assertEquals(plan.take("b1", swarmTakeOverMs)?.first, 5);
});

Deno.test("Plan gives a reader of a swarm its window in order, and the rarest beyond", () => {
  const plan = newPlan(["s1", "a1"], 64, { holders: "s", lookahead: 3 });
  plan.holderHas(0, "a", bitmap(1, 40, 50));
  bring(plan, "a1", { count: 1, ms: 1 });
  const taken: number[] = [];
  for (let n = 0; n < 3; n++) taken.push(plan.take("a1", 0)?.first ?? -1);
  assertEquals(taken.slice(0, 2).toSorted(), [40, 50], "1 was first");
  assertEquals(piecesOf(plan.take("s1", 0)), [0]);
  const ms = LIMITS.swarmQuickMs - 1; // one piece more for each
  plan.arrived("s1", 0, 0, ms);
  assertEquals(piecesOf(plan.take("s1", ms)), [2, 3], "a run, from there");
  for (const piece of [2, 3]) plan.arrived("s1", 0, piece, 2 * ms);
  plan.consumed(0, 4);
  assertEquals(piecesOf(plan.take("s1", 2 * ms)), [4, 5, 6, 7]);
});

Deno.test("Plan keeps a source whose window is full for files that go from the front", () => {
  const plan = newPlan(["s1"], 64, { holders: "s" });
  plan.addFile({ pieceCount: 2, pieceBytes: 9, taskPieces: 4, holders: "s" });
  assertEquals(plan.take("s1", 0)?.file, 0);
  assertEquals(plan.take("s1", 0), { file: 1, first: 0, count: 2 });
  assertEquals(plan.take("s1", 0), undefined);
});
