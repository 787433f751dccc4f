/**
 * No test file is lost or run twice.
 */

import { assert, assertEquals } from "@std/assert";
import {
  filesOf,
  groupedFiles,
  groups,
  LONGEST,
  UNGROUPED,
  WAITING,
} from "./_groups.ts";
import { modulesBelow, read } from "./_rooms.ts";

const { test, tasks } = JSON.parse(read("deno.json"));

Deno.test("Each test file is in exactly one group, except those in tests/long and tests/alone", () => {
  const dealt = groups().flatMap(filesOf);
  assertEquals(dealt.toSorted(), groupedFiles());
  assertEquals(new Set(dealt).size, dealt.length);
  const files = modulesBelow("tests").filter((path) =>
    path.endsWith("_test.ts")
  );
  const apart = files.filter((path) => !dealt.includes(path));
  assertEquals(
    new Set(apart.map((path) => path.split("/")[1])),
    new Set(UNGROUPED),
  );
});

Deno.test("Each separate folder has a task of its own, and deno task test runs the groups", () => {
  const run = [
    ...test.include,
    tasks["test:long"].command,
    tasks["test:alone"].command,
  ];
  for (const folder of UNGROUPED) {
    assert(run.some((words) => words.endsWith(`tests/${folder}/`)), folder);
  }
});

Deno.test("The files that load fast-check are in one group", () => {
  const users = groupedFiles().filter((path) =>
    /^(import|}) .*from ".*(fast-check|fuzz\/.*)";$/m.test(read(path))
  );
  const [group] = groups().map(filesOf).filter((files) =>
    files.includes(users[0]!)
  );
  assertEquals(users.filter((path) => !group!.includes(path)), []);
  assert(users.length > 10);
});

Deno.test("The files whose tests mostly wait are the first group", () => {
  assertEquals(filesOf(groups()[0]!), WAITING);
});

Deno.test("The files that take longest are in different groups", () => {
  const counts = groups().map((group) =>
    filesOf(group).filter((path) => LONGEST.includes(path)).length
  );
  assertEquals(counts.reduce((sum, one) => sum + one), LONGEST.length);
  assert(Math.max(...counts) <= Math.ceil(LONGEST.length / counts.length) + 1);
});

Deno.test("All other groups have the same size, and all have the same code", () => {
  const sizes = groups().slice(1).map((group) => filesOf(group).length);
  assert(Math.max(...sizes) - Math.min(...sizes) <= 1);
  assertEquals(new Set(groups().map(read)).size, 1);
});
