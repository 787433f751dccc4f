/**
 * Runs test files in groups. Each module that `deno test` runs is a thread with
 * a library of its own, and loading that takes longer than the tests of most
 * files. A group loads it once for all its files. The modules of
 * `tests/groups/` are the groups: the files are dealt out to them in turn, so
 * a new file needs no entry, with two exceptions. Files whose tests mostly wait
 * are the first group, which runs beside the others from the start: at the end
 * they would keep the cores idle. Files of `tests/fuzz/` are dealt to the second
 * group: the library that they alone use takes longer to load than all the rest.
 */

import { basename, join } from "@std/path";
import { modulesBelow } from "./_rooms.ts";

/** The folders whose files run apart, each in a thread of its own. */
export const UNGROUPED = ["alone", "groups", "long"];

/** Files that take tens of seconds, and a fifth of that in processor time. */
export const WAITING = [
  "tests/faults/proxy_faults_test.ts",
  "tests/faults/relay_faults_test.ts",
];

const TOGETHER = join("tests", "fuzz", "/");

/** What belongs into groups, by its path below the project. */
export function groupedFiles(): string[] {
  return modulesBelow("tests").sort().filter((path) =>
    path.endsWith("_test.ts") &&
    !UNGROUPED.some((folder) => path.startsWith(join("tests", folder, "/")))
  );
}

/** The modules that are groups. */
export function groups(): string[] {
  return modulesBelow("tests/groups").sort();
}

/** The files of one group. */
export function filesOf(group: string): string[] {
  const all = groups();
  const others = all.slice(1).map((): string[] => []);
  const { waiting = [], together = [], inTurn = [] } = Object.groupBy(
    groupedFiles(),
    (path) =>
      WAITING.includes(path)
        ? "waiting"
        : path.startsWith(TOGETHER)
        ? "together"
        : "inTurn",
  );
  others[0]!.push(...together);
  for (const path of inTurn) {
    const fewest = Math.min(...others.map(({ length }) => length));
    others.find(({ length }) => length === fewest)!.push(path);
  }
  const at = all.findIndex((path) => basename(path) === basename(group));
  return [waiting, ...others][at]!;
}

/** Registers the tests of the group whose module has this address. */
export async function runGroup(address: string): Promise<void> {
  for (const path of filesOf(new URL(address).pathname)) {
    await import(new URL(path, new URL("..", import.meta.url)).href);
  }
}
