/**
 * Runs test files in groups. Each module that `deno test` runs is a thread with
 * a library of its own, and loading that takes longer than the tests of most
 * files. A group loads it once for all its files. The modules of
 * `tests/groups/` are the groups: the files are dealt out to them in turn, so
 * a new file needs no entry, with three exceptions. Files whose tests mostly wait
 * are the first group, which runs beside the others from the start: at the end
 * they would keep the cores idle. Files of `tests/fuzz/` are dealt to the second
 * group: the library that they alone use takes longer to load than all the rest.
 * The files that take longest are dealt first, so that no group gets many.
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

/** Files that take 4 to 9 seconds of processor time, the longest first. */
export const LONGEST = [
  "tests/e2e/roles_test.ts",
  "tests/client/lanes_test.ts",
  "tests/cli/events_test.ts",
  "tests/client/tunnel_test.ts",
  "tests/node/server_bounds_test.ts",
  "tests/client/sparse_test.ts",
  "tests/client/listing_bounds_test.ts",
  "tests/access/private_node_test.ts",
  "tests/client/batch_test.ts",
  "tests/gateway/reading_test.ts",
  "tests/access/private_relay_test.ts",
  "tests/node/work_queue_test.ts",
  "tests/client/file_query_test.ts",
  "tests/client/get_disk_test.ts",
  "tests/client/any_index_test.ts",
  "tests/gateway/presses_test.ts",
  "tests/client/fetch_test.ts",
  "tests/node/server_test.ts",
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
  for (const path of new Set([...LONGEST, ...inTurn])) {
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
