import { assertEquals } from "@std/assert";
import { deliver, file, format, newPlan, OPTIONS, takeAll } from "./_plan.ts";

Deno.test("Plan hands out a file from the front, a task's pieces at a time", () => {
  const plan = newPlan(["a1"]);
  plan.addFile(file("a", 10));
  assertEquals(takeAll(plan, "a1"), ["0:0-3", "0:4-7", "0:8-9"]);
  assertEquals(plan.askedCount("a1"), 10);
});

Deno.test("Plan gives no two sources the same piece", () => {
  const plan = newPlan(["a1", "b1", "c1"]);
  plan.addFile(file("abc", 12));
  const tasks = ["a1", "b1", "c1"].map((id) => format(plan.take(id, 0)));
  assertEquals(tasks, ["0:0-3", "0:4-7", "0:8-11"]);
  assertEquals(plan.take("a1", 0), undefined);
});

Deno.test("Plan works on files in the order in which they were added", () => {
  const plan = newPlan(["a1", "b1"]);
  for (const count of [5, 1, 4]) plan.addFile(file("ab", count));
  assertEquals(format(plan.take("a1", 0)), "0:0-3");
  assertEquals(format(plan.take("b1", 0)), "0:4-4");
  assertEquals(takeAll(plan, "a1"), ["1:0-0", "2:0-3"]);
});

Deno.test("Plan asks a source for nothing that its holder does not have", () => {
  const plan = newPlan(["a1", "b1", "c1"]);
  plan.addFile(file("a", 2));
  plan.addFile(file("b", 2));
  plan.addFile(file("ab", 2));
  assertEquals(takeAll(plan, "b1"), ["1:0-1", "2:0-1"]);
  assertEquals(takeAll(plan, "c1"), []);
  assertEquals(takeAll(plan, "a1"), ["0:0-1"]);
  assertEquals(plan.take("nobody", 0), undefined);
});

Deno.test("Plan asks a holder that turns out to have a file", () => {
  const plan = newPlan(["a1", "b1"]);
  plan.addFile(file("a", 8));
  assertEquals(plan.take("b1", 0), undefined);
  plan.addHolder(0, "b");
  assertEquals(format(plan.take("b1", 0)), "0:0-3");
});

Deno.test("Plan uses files and sources that are added while it runs", () => {
  const plan = newPlan(["a1"]);
  plan.addFile(file("ab", 1));
  assertEquals(deliver(plan, "a1", plan.take("a1", 0)), ["wanted"]);
  assertEquals(plan.isDone, true);
  assertEquals(plan.addFile(file("ab", 1)), 1);
  assertEquals(plan.isDone, false);
  plan.addSource("b1", "b", 0);
  assertEquals(format(plan.take("b1", 0)), "1:0-0");
});

Deno.test("Plan keeps a limited number of files open, and continues when one ends", () => {
  const plan = newPlan(["a1"], { openFileCount: 2 });
  for (let n = 0; n < 5; n++) plan.addFile(file("a", 1));
  assertEquals(takeAll(plan, "a1"), ["0:0-0", "1:0-0"]);
  assertEquals(plan.arrived("a1", 1, 0), "wanted");
  assertEquals(takeAll(plan, "a1"), ["2:0-0"]);
  plan.giveUp(0);
  assertEquals(takeAll(plan, "a1"), ["3:0-0"]);
});

Deno.test("Plan asks for nothing that already exists", () => {
  const plan = newPlan(["a1"]);
  plan.addFile(file("a", 8, { have: [0, 3, 4, 7] }));
  assertEquals(takeAll(plan, "a1"), ["0:1-2", "0:5-6"]);
  for (const piece of [1, 2, 5]) plan.arrived("a1", 0, piece);
  assertEquals([plan.isComplete(0), plan.isDone], [false, false]);
  plan.arrived("a1", 0, 6);
  assertEquals([plan.isComplete(0), plan.isDone], [true, true]);
});

Deno.test("Plan counts a piece once that is reported twice", () => {
  const plan = newPlan(["a1"]);
  plan.addFile(file("a", 3, { have: [1, 1, 1] }));
  assertEquals(plan.isComplete(0), false);
  assertEquals(takeAll(plan, "a1"), ["0:0-0", "0:2-2"]);
});

for (
  const [what, planned] of [
    ["of no pieces", file("a", 0)],
    ["of which all is there", file("a", 3, { have: [2, 0, 1] })],
  ] as const
) {
  Deno.test(`Plan treats a file ${what} as complete at once`, () => {
    const plan = newPlan(["a1"], { openFileCount: 1 });
    plan.addFile(planned);
    assertEquals([plan.isComplete(0), plan.isDone], [true, true]);
    assertEquals(plan.orphans(), []);
    plan.addFile(file("a", 1));
    assertEquals(takeAll(plan, "a1"), ["1:0-0"]);
  });
}

Deno.test("Plan keeps within the lookahead of a file consumed in order", () => {
  const plan = newPlan(["a1"]);
  plan.addFile(file("a", 10, { lookahead: 3, taskPieces: 2 }));
  assertEquals(takeAll(plan, "a1"), ["0:0-1", "0:2-2"]);
  for (const piece of [0, 1, 2]) plan.arrived("a1", 0, piece);
  assertEquals(takeAll(plan, "a1"), [], "arrived is not consumed");
  plan.consumed(0, 2);
  assertEquals(takeAll(plan, "a1"), ["0:3-4"]);
  plan.consumed(0, 9);
  assertEquals(takeAll(plan, "a1"), ["0:5-6", "0:7-8", "0:9-9"]);
});

Deno.test("Plan continues with other files while one waits to be consumed", () => {
  const plan = newPlan(["a1"]);
  plan.addFile(file("a", 10, { lookahead: 2 }));
  plan.addFile(file("a", 1));
  assertEquals(takeAll(plan, "a1"), ["0:0-1", "1:0-0"]);
});

Deno.test("Plan counts the lookahead from the first missing piece of a file", () => {
  const plan = newPlan(["a1"]);
  plan.addFile(file("a", 10, { lookahead: 3, have: [0, 1, 2, 3, 4, 5] }));
  assertEquals(takeAll(plan, "a1"), ["0:6-8"]);
});

Deno.test("Plan accepts a piece once, from the source that was asked", () => {
  const plan = newPlan(["a1", "b1"]);
  plan.addFile(file("ab", 8));
  plan.take("a1", 0);
  assertEquals(plan.arrived("b1", 0, 0), "unsolicited", "asked of another");
  assertEquals(plan.arrived("a1", 0, 4), "unsolicited", "asked of nobody");
  assertEquals(plan.arrived("a1", 1, 0), "unsolicited", "of no file");
  assertEquals(plan.arrived("a1", 0, 99), "unsolicited", "beyond the file");
  assertEquals(plan.arrived("nobody", 0, 0), "unsolicited");
  assertEquals(plan.arrived("a1", 0, 0), "wanted");
  assertEquals(plan.arrived("a1", 0, 0), "unsolicited", "has arrived before");
  assertEquals(plan.askedCount("a1"), 3);
});

Deno.test("Plan completes a file for any order of arrival", () => {
  const plan = newPlan(["a1"]);
  plan.addFile(file("a", 6));
  takeAll(plan, "a1");
  for (const piece of [5, 0, 3, 1, 4]) {
    assertEquals(plan.arrived("a1", 0, piece), "wanted");
    assertEquals(plan.isComplete(0), false);
  }
  assertEquals(plan.arrived("a1", 0, 2), "wanted");
  assertEquals([plan.isComplete(0), plan.isDone], [true, true]);
});

Deno.test("Plan takes back pieces that a source does not deliver, and asks another", () => {
  const plan = newPlan(["a1", "b1"]);
  plan.addFile(file("ab", 6));
  takeAll(plan, "a1");
  plan.arrived("a1", 0, 2);
  assertEquals(plan.release("a1"), []);
  assertEquals(plan.askedCount("a1"), 0);
  assertEquals(takeAll(plan, "b1"), ["0:0-1", "0:3-5"]);
  assertEquals(plan.arrived("a1", 0, 0), "unsolicited", "came after all");
});

Deno.test("Plan takes back only one task", () => {
  const plan = newPlan(["a1", "b1"]);
  plan.addFile(file("ab", 8));
  plan.addFile(file("ab", 8));
  takeAll(plan, "a1");
  plan.release("a1", { file: 0, first: 4, count: 4 });
  assertEquals(plan.askedCount("a1"), 12);
  assertEquals(takeAll(plan, "b1"), ["0:4-7"]);
});

Deno.test("Plan requests pieces that were taken back before later ones", () => {
  const plan = newPlan(["a1", "b1"]);
  plan.addFile(file("ab", 12));
  plan.take("a1", 0);
  plan.take("b1", 0);
  plan.release("a1");
  assertEquals(takeAll(plan, "b1"), ["0:0-3", "0:8-11"]);
});

Deno.test("Plan gives a file up when one of its pieces fails too often", () => {
  const plan = newPlan(["a1", "b1"]);
  plan.addFile(file("ab", 4));
  plan.addFile(file("ab", 1));
  const outcomes = ["a1", "b1", "a1"].map((source) => {
    assertEquals(format(plan.take(source, 0)), "0:0-3");
    return plan.release(source);
  });
  assertEquals(outcomes, [[], [], [0]]);
  assertEquals([plan.isComplete(0), plan.isDone], [false, false]);
  assertEquals(takeAll(plan, "a1"), ["1:0-0"], "the others go on");
  plan.arrived("a1", 1, 0);
  assertEquals(plan.isDone, true);
});

Deno.test("Plan asks a holder that has not failed, even if many others have", () => {
  const plan = newPlan(["a1", "b1", "c1", "d1", "e1"]);
  plan.addFile(file("abcde", 1));
  for (const source of ["a1", "b1", "c1", "d1"]) {
    assertEquals(format(plan.take(source, 0)), "0:0-0");
    assertEquals(plan.drop(source), [], `e is left when ${source} fails`);
  }
  assertEquals(deliver(plan, "e1", plan.take("e1", 0)), ["wanted"]);
  assertEquals(plan.isComplete(0), true);
});

Deno.test("Plan does not add up the failures of different pieces", () => {
  const plan = newPlan(["a1"]);
  plan.addFile(file("a", 3, { taskPieces: 1 }));
  for (let round = 1; round < OPTIONS.pieceFailureCount; round++) {
    takeAll(plan, "a1");
    assertEquals(plan.release("a1"), [], "all three pieces failed");
  }
  takeAll(plan, "a1");
  for (const piece of [0, 1, 2]) plan.arrived("a1", 0, piece);
  assertEquals(plan.isComplete(0), true);
});

Deno.test("Plan requests nothing more of a file that was given up", () => {
  const plan = newPlan(["a1", "b1"]);
  plan.addFile(file("ab", 8));
  plan.take("a1", 0);
  plan.giveUp(0);
  plan.giveUp(0);
  assertEquals(plan.isDone, true);
  assertEquals(takeAll(plan, "b1"), []);
  assertEquals(plan.arrived("a1", 0, 0), "duplicate");
  assertEquals(plan.isComplete(0), false);
  assertEquals(plan.release("a1"), [], "it is not given up again");
});

Deno.test("Plan asks a source that was excluded for nothing more", () => {
  const plan = newPlan(["a1", "b1"]);
  plan.addFile(file("ab", 4));
  plan.take("a1", 0);
  assertEquals(plan.drop("a1"), []);
  assertEquals([plan.isOut("a1"), plan.isOut("b1")], [true, false]);
  assertEquals(plan.take("a1", 0), undefined);
  plan.addSource("a1", "a", 1);
  assertEquals(plan.isOut("a1"), true, "it stays so");
  assertEquals(takeAll(plan, "b1"), ["0:0-3"]);
  assertEquals(plan.isOut("nobody"), true);
});

Deno.test("Plan reports which files fail with an excluded source", () => {
  const plan = newPlan(["a1"], { pieceFailureCount: 1 });
  for (let n = 0; n < 3; n++) plan.addFile(file("a", 4));
  plan.take("a1", 0);
  plan.take("a1", 0);
  deliver(plan, "a1", { file: 0, first: 0, count: 4 });
  assertEquals(plan.drop("a1"), [1]);
});

Deno.test("Plan reports the files that no source has any more", () => {
  const plan = newPlan(["a1", "b1"]);
  plan.addFile(file("a", 1));
  plan.addFile(file("ab", 1));
  plan.addFile(file("c", 1)); // a holder, and no connection to it
  plan.addFile(file("", 1));
  assertEquals(plan.orphans(), [2, 3]);
  plan.removeHolder(1, "b");
  plan.drop("a1");
  assertEquals(plan.orphans(), [0, 1, 2, 3]);
  plan.addHolder(0, "b");
  plan.addSource("c1", "c", 0);
  assertEquals(plan.orphans(), [1, 3]);
  plan.giveUp(1);
  assertEquals(plan.orphans(), [3], "what has ended is no orphan");
});

Deno.test("Plan no longer asks a holder for a file that it has lost", () => {
  const plan = newPlan(["a1", "b1"]);
  plan.addFile(file("ab", 4));
  plan.addFile(file("ab", 4));
  const task = plan.take("a1", 0);
  plan.removeHolder(0, "a");
  plan.release("a1", task);
  assertEquals(takeAll(plan, "a1"), ["1:0-3"]);
  assertEquals(takeAll(plan, "b1"), ["0:0-3"]);
});

Deno.test("Plan continues with open files even if earlier files wait", () => {
  const plan = newPlan(["a1", "b1"], { openFileCount: 1 });
  plan.addFile(file("b", 1));
  plan.addFile(file("ab", 8));
  assertEquals(format(plan.take("a1", 0)), "1:0-3");
  plan.drop("a1"); // the open one is left half done
  assertEquals(plan.orphans(), []);
  assertEquals(takeAll(plan, "b1"), ["1:0-3", "1:4-7"]);
});

Deno.test("Plan shares work between the connections of one holder", () => {
  const plan = newPlan(["a1", "a2"]);
  plan.addFile(file("a", 8));
  assertEquals(format(plan.take("a1", 0)), "0:0-3");
  assertEquals(format(plan.take("a2", 0)), "0:4-7");
  assertEquals([plan.askedCount("a1"), plan.askedCount("a2")], [4, 4]);
  assertEquals(plan.arrived("a2", 0, 0), "unsolicited", "asked over another");
  plan.drop("a1");
  assertEquals(plan.orphans(), [], "one connection is left");
  deliver(plan, "a2", { file: 0, first: 4, count: 4 });
  assertEquals(takeAll(plan, "a2"), ["0:0-3"]);
  plan.drop("a2");
  assertEquals(plan.orphans(), [0]);
});
