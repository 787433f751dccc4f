/**
 * Files that cannot be saved beside each other, and all others, that can.
 */

import { assertEquals, assertLess, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { PathConflicts } from "../../lib/client/path_conflicts.ts";
import { getFiles } from "../../lib/client/get.ts";
import type { Job } from "../../lib/client/jobs.ts";
import { isCaseSensitive } from "../../lib/disk/places.ts";
import { Failure } from "../../lib/base/errors.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { startNode, startRelay } from "../_network.ts";
import { tempShare } from "../_temp_share.ts";
import { ClientLog, everything, filesIn, get, pinned } from "./_outcomes.ts";
import { LARGE, MIB, startLyingNode } from "./_setting.ts";

/** A file that so many addresses have. */
function job(name: string, votes = 1, path = `out/${name}`): Job {
  const offers = Array.from({ length: votes }, (_, n) => ({
    node: `n${n}`,
    votesAs: `n${n}`,
    size: 1,
    modifiedMs: 0,
    version: "v",
  }));
  const group = { size: 1, modifiedMs: 0, votes, offers };
  return { name, path, group, isVoted: false, sources: new Map() };
}

/** What is admitted of some batches of files, on a disk that is as it is said. */
async function admitted(
  batches: readonly (readonly Job[])[],
  { named = [], apart = true, folderCount = LIMITS.savedFolderCount }: {
    named?: string[];
    apart?: boolean;
    folderCount?: number;
  } = {},
): Promise<{ admitted: string[]; why: string[] }> {
  const clashes = new PathConflicts({
    isNamed: ({ name }) => named.includes(name),
    nodeName: (id) => `node ${id}`,
    turnMs: 5,
    folderCount,
    isCaseSensitive: () => Promise.resolve(apart),
  });
  const names: string[] = [];
  const why: string[] = [];
  for (const jobs of batches) {
    const outcome = await clashes.admit(jobs);
    names.push(...outcome.admitted.map(({ name }) => name));
    for (const { failure } of outcome.refused) {
      assertEquals(failure.kind, "local");
      why.push(failure.message);
    }
  }
  return { admitted: names, why };
}

for (
  const [what, jobs, options, expected] of [
    ["all where nothing clashes", [job("a"), job("b/a"), job("b/b")], {}, [
      "a",
      "b/a",
      "b/b",
    ]],
    ["a file before what would be inside of it", [job("x/y"), job("x")], {}, [
      "x",
    ]],
    [
      "what two addresses have before a file that one puts in its place",
      [job("x/y", 2), job("x/z", 2), job("x")],
      {},
      ["x/y", "x/z"],
    ],
    [
      "what is far below a file that fewer have",
      [job("x"), job("x/y/z/f", 2), job("b")],
      {},
      ["x/y/z/f", "b"],
    ],
    [
      "what the person named",
      [job("x", 5), job("x/y")],
      { named: ["x/y"] },
      ["x/y"],
    ],
    [
      "one of two in one place",
      [job("d/f", 1, "out/f"), job("e/f", 2, "out/f"), job("g")],
      {},
      ["e/f", "g"],
    ],
    ["A and a where the disk has both", [job("A"), job("a")], {}, ["A", "a"]],
    [
      "the one more addresses have of A and a where the disk has one",
      [job("A"), job("a", 2), job("b")],
      { apart: false },
      ["a", "b"],
    ],
    [
      "one of two names that differ only in their Unicode form",
      [job("1", 2, "out/\u00e9"), job("2", 1, "out/e\u0301")],
      { apart: false },
      ["1"],
    ],
    [
      "files in folders that differ in case, for they are one on such a disk",
      [job("D/a"), job("d/b")],
      { apart: false },
      ["D/a", "d/b"],
    ],
    [
      "no file where a folder is, but for case",
      [job("D/a", 2), job("d")],
      { apart: false },
      ["D/a"],
    ],
  ] as const satisfies readonly (readonly [
    string,
    readonly Job[],
    Parameters<typeof admitted>[1],
    readonly string[],
  ])[]
) {
  Deno.test(`PathConflicts admits ${what}`, async () => {
    const outcome = await admitted([jobs], options);
    assertEquals(outcome.admitted, [...expected]);
    assertEquals(outcome.why.length, jobs.length - expected.length);
  });
}

Deno.test("PathConflicts keeps the file of an earlier batch in its place, and names all nodes", async () => {
  const { admitted: names, why } = await admitted([
    [job("x"), job("a")],
    [job("x/y", 5), job("b")],
  ]);
  assertEquals(names, ["x", "a", "b"]);
  assertEquals(why, [
    "Cannot save file (x/y, on node n0, node n1, node n2 and 2 more): x, on " +
    "node n0, is saved, and their paths clash on this disk",
  ]);
});

Deno.test("isCaseSensitive finds out what the disk does, even below a missing folder, and leaves nothing", async () => {
  await using folder = await tempShare({ "Case": "" });
  const isSensitive = await Deno.lstat(join(folder.path, "cASE")).then(
    () => false,
    () => true,
  );
  for (const below of ["", "no/such/folder"]) {
    const path = join(folder.path, below);
    assertEquals(await isCaseSensitive(path), isSensitive);
  }
  assertEquals(filesIn(folder.path), ["Case"]);
});

Deno.test("isCaseSensitive recognises a disk that ignores case", async () => {
  await using folder = await tempShare();
  const { lstat } = Deno;
  // As such a disk does: every name in the folder is there in any case.
  Deno.lstat = async (path) => {
    const wanted = String(path).toLowerCase();
    for await (const { name } of Deno.readDir(folder.path)) {
      const there = join(folder.path, name);
      if (there.toLowerCase() === wanted) return await lstat(there);
    }
    return await lstat(path);
  };
  try {
    assertEquals(await isCaseSensitive(folder.path), false);
  } finally {
    Deno.lstat = lstat;
  }
  assertEquals(filesIn(folder.path), []);
});

Deno.test("getFiles saves A and a if the disk distinguishes them, and all other files if one node has a file where another has a folder", async () => {
  await using relay = await startRelay();
  await using _alpha = await startNode(relay, {
    "A": "A",
    "letter.txt": "letter",
    "photos/1": "1",
  }, { name: "alpha" });
  await using _beta = await startNode(relay, { "a": "a" }, { name: "beta" });
  await using _mallory = await startLyingNode(relay, {
    "letter.txt/x": new TextEncoder().encode("x"),
  });
  await using folder = await tempShare();
  const log = new ClientLog();
  const { saved, failed } = await getFiles({
    relay: pinned(relay),
    selections: [everything()],
    pathOf: (name) => join(folder.path, name),
    onEvent: log.onEvent,
  });
  assertEquals([...saved.keys()].toSorted(), [
    "A",
    "a",
    "letter.txt",
    "photos/1",
  ]);
  assertEquals(filesIn(folder.path), ["A", "a", "letter.txt", "photos/1"]);
  const [[name, failure]] = [...failed] as [[string, Failure]];
  assertEquals([name, failure.exitCode], ["letter.txt/x", 8]);
  assertMatch(
    failure.message,
    /\(letter\.txt\/x, on mallory\): letter\.txt, on alpha/,
  );
  assertEquals(log.of("file_failed").length, 1);
});

Deno.test("getFiles saves all other files if an existing file is in the place of a folder", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, {
    "letter.txt/x": "x",
    "letter.txt/y/z": "z",
    "other": "other",
  });
  await using folder = await tempShare({ "letter.txt": "mine" });
  const { failed } = await get(relay, folder.path, [everything()]);
  assertEquals(failed, { "letter.txt/x": "local", "letter.txt/y/z": "local" });
  assertEquals(filesIn(folder.path), ["letter.txt", "other"]);
});

Deno.test("getFiles saves all other files if the disk does not accept the name of one", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "a": "a", "b": "b", "c": "c" });
  await using folder = await tempShare();
  const { failed } = await get(relay, folder.path, ["a", "b", "c"], {
    // Disks that take less than 255 bytes there are, and names with more none.
    pathOf: (name) =>
      join(folder.path, "new", name === "b" ? "b".repeat(256) : name),
  });
  assertEquals(failed, { "b": "local" });
  assertEquals(filesIn(folder.path), ["new/a", "new/c"]);
});

Deno.test("getFiles stops at once when its output folder is removed, and reports that", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "f": LARGE }, {
    limitRate: 4 * MIB,
  });
  await using folder = await tempShare({ "gone/mine": "mine" });
  const log = new ClientLog();
  const gone = join(folder.path, "gone");
  const getting = get(relay, gone, ["f"], { log });
  await log.until("progress", ({ received }) => received > 0);
  await Deno.remove(gone, { recursive: true });
  const { error } = await getting;
  assertEquals(error instanceof Failure && error.kind, "local");
  assertMatch(
    String(error),
    /gone\/f\): its folder was removed while it was being received; create the folder again, and repeat the command$/,
  );
  const last = log.of("progress").at(-1);
  assertEquals(last!.received < LARGE.length, true, `${last?.received} bytes`);
});

Deno.test("PathConflicts makes no name strings for listed files, and checks each file with its own place once", async () => {
  let count = 0;
  const jobs = Array.from({ length: 3 }, (_, n) => ({
    ...job("unread", 1, `out/folder/${n}`),
    get name(): string {
      count++;
      return `file ${n}`;
    },
  }));
  const clashes = new PathConflicts({
    isNamed: () => false,
    nodeName: (id) => id,
    turnMs: 5,
    folderCount: LIMITS.savedFolderCount,
    isCaseSensitive: () => Promise.resolve(true),
  });
  const { admitted, refused } = await clashes.admit(jobs);
  assertEquals([admitted, refused], [jobs, []]);
  assertEquals(count, 0);
});

/** One name in a different spelling for each number below 1,024. */
function spelling(n: number): string {
  return Array.from(
    "abcdefghij",
    (letter, bit) => (n >> bit & 1) === 1 ? letter.toUpperCase() : letter,
  ).join("");
}

for (const apart of [true, false]) {
  Deno.test(
    `PathConflicts looks at each of 1,000 spellings of one name a few times, where the disk ${
      apart ? "keeps them apart" : "does not keep them apart"
    }`,
    async () => {
      let readCount = 0;
      const jobs = Array.from({ length: 1_000 }, (_, n) => ({
        ...job(spelling(n)),
        get path(): string {
          readCount++;
          return `out/${spelling(n)}`;
        },
      }));
      const outcome = await admitted([jobs], { apart });
      assertEquals(outcome.admitted.length, apart ? jobs.length : 1);
      assertLess(readCount, 20 * jobs.length);
    },
  );
}

Deno.test("PathConflicts admits files in so many folders and no more, and further files in those", async () => {
  const names = ["a/b/1", "a/c/2", "a/d/3", "a/b/4", "5"];
  // `out` counts too.
  const { admitted: some, why } = await admitted([
    names.map((name) => job(name)),
  ], { folderCount: 4 });
  assertEquals(some, ["a/b/1", "a/c/2", "a/b/4", "5"]);
  assertEquals(why, [
    "Cannot save file (a/d/3): the other files need 4 folders already, and it " +
    "needs another; fetch fewer folders with one command",
  ]);
});

Deno.test("getFiles makes at most savedFolderCount folders for the names that a node lists", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, {
    "deep/a/1": "1",
    "deep/b/2": "2",
    "deep/c/3": "3",
  });
  await using folder = await tempShare();
  // Those above the target folder count too.
  const above = folder.path.split("/").length - 1;
  const limits = {
    savedFolderCount: above + "deep deep/a deep/b".split(" ").length,
  };
  const { failed } = await get(relay, folder.path, [everything()], { limits });
  assertEquals(failed, { "deep/c/3": "local" });
  assertEquals(filesIn(folder.path), ["deep/a/1", "deep/b/2"]);
});
