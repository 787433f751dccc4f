/**
 * Files that wait to be saved, of which little is kept.
 */

import { setImmediate } from "node:timers";
import { assert, assertEquals } from "@std/assert";
import { Catalogue } from "../../lib/client/catalogue.ts";
import { PathConflicts } from "../../lib/client/path_conflicts.ts";
import { ListedJob, sizeOf, votesOf, wholeOf } from "../../lib/client/jobs.ts";
import { SaveReport } from "../../lib/client/save_report.ts";

const MODULES = new URL("../../lib/client/", import.meta.url);

Deno.test("ListedJob reads its choice from the catalogue", () => {
  const catalogue = new Catalogue();
  const file = { name: "a/b", size: 5, modifiedMs: 7 };
  const [same, other] = ["ab".repeat(32), "cd".repeat(32)];
  const offers = [other, same, same].map((content, n) => ({
    node: `n${n}`,
    votesAs: `v${n}`,
    size: 5,
    modifiedMs: 7,
    version: `${n}`.repeat(32),
    content,
  }));
  catalogue.add({ node: "n0", votesAs: "v0" }, {
    ...file,
    name: "a",
    version: "9".repeat(32),
  });
  for (const { node, votesAs, version, content } of offers) {
    catalogue.add({ node, votesAs }, { ...file, version, content });
  }
  const at = catalogue.placeOf("a/b")!;
  const listed = { catalogue, criteria: {} };
  const job = new ListedJob(listed, {
    at,
    path: { before: "out/" },
    isVoted: true,
    size: 5,
    votes: 2,
  });
  assertEquals(job.path, "out/a/b");
  const whole = wholeOf(job);
  assertEquals([sizeOf(job), sizeOf(whole)], [5, 5]);
  assertEquals([votesOf(job), votesOf(whole)], [2, 2]);
  assertEquals(whole, {
    name: "a/b",
    path: "out/a/b",
    isVoted: true,
    group: {
      content: same,
      size: 5,
      modifiedMs: 7,
      votes: 2,
      offers: offers.slice(1),
    },
    sources: new Map([["n1", same], ["n2", same]]),
    placed: job,
  });
});

Deno.test("Checks of all waiting files do not read their offers again", async () => {
  const catalogue = new Catalogue();
  const from = { node: "n", votesAs: "v" };
  const content = "ab".repeat(32);
  const version = "c".repeat(32);
  for (let n = 0; n < 100; n++) {
    const file = { name: `d/f${n}`, size: n, modifiedMs: 0 };
    catalogue.add(from, { ...file, version, content });
  }
  const jobs = [...catalogue.places()].map((at) => {
    const { name, offers: [offer] } = catalogue.entryAt(at);
    const size = offer!.size;
    const options = {
      at,
      path: { whole: name },
      isVoted: false,
      size,
      votes: 1,
    };
    return new ListedJob({ catalogue, criteria: {} }, options);
  });
  let readCount = 0;
  const { entryAt } = catalogue;
  catalogue.entryAt = (at) => (readCount++, entryAt.call(catalogue, at));
  const outcomes = new SaveReport(() => {}, {
    nodeOf: () => undefined!,
    isHolder: () => false,
  });
  outcomes.expect(jobs, { more: false });
  const { total, fileCount } = outcomes.tally.progress(0, 0);
  assertEquals([total, fileCount], [99 * 50, 100]);
  const clashes = new PathConflicts({
    isNamed: () => false,
    nodeName: (id) => id,
    turnMs: 5,
    folderCount: 10,
    isCaseSensitive: () => Promise.resolve(true),
  });
  const { admitted } = await clashes.admit(jobs);
  assertEquals([admitted.length, readCount], [100, 0]);
});

Deno.test("PathConflicts gives others their turn while it looks at many files", async () => {
  const jobs = Array.from({ length: 1_000 }, (_, n) => {
    const name = `f${n}`;
    const group = {
      content: "c",
      size: 1,
      modifiedMs: 0,
      votes: 1,
      offers: [],
    };
    return { name, path: name, isVoted: false, group, sources: new Map() };
  });
  const clashes = new PathConflicts({
    isNamed: () => false,
    nodeName: (id) => id,
    turnMs: 0,
    folderCount: 10,
    isCaseSensitive: () => Promise.resolve(true),
  });
  let isOver = false;
  const admitting = clashes.admit(jobs).then(() => isOver = true);
  await new Promise((resolve) => setImmediate(resolve));
  assertEquals(isOver, false, "others have had their turn before");
  await admitting;
});

Deno.test("100,000 listed files that wait take less than 150 bytes each of the heap, however long the path of their folder", async () => {
  const code = `
    import { Catalogue } from "${new URL("catalogue.ts", MODULES)}";
    import { PathConflicts } from "${new URL("path_conflicts.ts", MODULES)}";
    import { ListedJob, ListedPaths } from "${new URL("jobs.ts", MODULES)}";
    const catalogue = new Catalogue();
    const from = { node: "n", votesAs: "v" };
    const content = "ab".repeat(32), version = "c".repeat(32);
    for (let n = 0; n < 100_000; n++) {
      catalogue.add(from, { name: "d/f" + n, size: 4096, modifiedMs: 0, version, content });
    }
    gc();
    const before = Deno.memoryUsage().heapUsed;
    const listed = { catalogue, criteria: {} };
    const paths = new ListedPaths();
    const folder = "/home/somebody/" + "a-long-name-of-a-folder/".repeat(5);
    const jobs = [...catalogue.places()].map((at) => {
      const name = catalogue.nameAt(at);
      return new ListedJob(listed, { at, path: paths.of(folder + name, name), isVoted: false, size: 4096, votes: 1 });
    });
    const clashes = new PathConflicts({ isNamed: () => false, nodeName: (id) => id, turnMs: 5, folderCount: 10, isCaseSensitive: async () => true });
    const { admitted } = await clashes.admit(jobs);
    gc();
    clashes.clear(); // nothing else is listed
    gc();
    console.log(admitted.length, (Deno.memoryUsage().heapUsed - before) / jobs.length);
    console.log(jobs.length, await clashes.admit([]).then(() => 0));
  `;
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, code);
    const config = new URL("../../deno.json", import.meta.url).pathname;
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "--no-check",
        "--config",
        config,
        "--v8-flags=--expose-gc",
        "--allow-read",
        file,
      ],
    }).output();
    const [count, bytes] = new TextDecoder().decode(stdout).split(/\s/).map(
      Number,
    );
    assertEquals(count, 100_000, new TextDecoder().decode(stderr));
    assert(bytes! < 150, `${bytes} bytes`);
  } finally {
    await Deno.remove(file);
  }
});
