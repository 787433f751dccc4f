import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { honestExcept } from "../_lies.ts";
import { startNode, startRelay } from "../_network.ts";
import { startEvilNode } from "../_evil_node.ts";
import { tempShare } from "../_temp_share.ts";
import { everything, filesIn, get } from "./_outcomes.ts";
import { LARGE, MALLORY, MIDDLE, PARTIAL } from "./_setting.ts";

/** What was planned for each file, by its name. */
function plans(log: Awaited<ReturnType<typeof get>>["log"]) {
  return Object.fromEntries(
    log.of("file_planned").map(({ name, action, bytes, nodes }) => [
      name,
      [action, bytes, nodes.map(({ name }) => name).join()],
    ]),
  );
}

const FILES = {
  "d/new": "new",
  "e/deep/new": "newer",
  "f": LARGE,
  "here": "here",
  "other": "other",
};

Deno.test("getFiles reports in a dry run what it would do with each file, and fetches nothing", async () => {
  await using relay = await startRelay();
  await using alpha = await startNode(relay, FILES, { name: "alpha" });
  await using beta = await startNode(relay, { "here": "here" }, {
    name: "beta",
  });
  await Promise.all([alpha, beta].map(({ log }) => log.until("hashed")));
  const there = { "d/old": "old", "here": "here", "other": "different" };
  await using folder = await tempShare({ ...there, [PARTIAL]: "left" });
  const all = [everything()];
  const dry = await get(relay, folder.path, all, { dryRun: true });
  assertEquals(dry.log.of("files_wanted"), [
    { event: "files_wanted", files: 5, bytes: 3 + 5 + LARGE.length + 4 + 5 },
  ]);
  const planned = plans(dry.log);
  assertEquals(
    String(planned["here"]![2]).split(",").toSorted(),
    ["alpha", "beta"],
  );
  planned["here"]![2] = "both";
  const safe = {
    "d/new": ["fetch", 3, "alpha"],
    "e/deep/new": ["fetch", 5, "alpha"],
    "f": ["continue", LARGE.length, "alpha"],
    "here": ["keep", 4, "both"],
  };
  assertEquals(planned, safe);
  // As the real run would.
  assertEquals(dry.failed, { "other": "local" });
  const overwriting = await get(relay, folder.path, ["other"], {
    dryRun: true,
    overwrite: true,
    node: "alpha",
  });
  assertEquals(plans(overwriting.log), { "other": ["replace", 5, "alpha"] });
  assertEquals(overwriting.failed, {});
  assertEquals(filesIn(folder.path), [PARTIAL, ...Object.keys(there)]);
  assertEquals(
    await Deno.readTextFile(join(folder.path, "other")),
    "different",
  );
  assertEquals(dry.saved, {});
});

Deno.test("getFiles asks no node for a piece in a dry run, and finds what is there by its hashes", async () => {
  await using relay = await startRelay();
  await using node = await startEvilNode(relay, {
    identity: MALLORY,
    name: "mallory",
    lie: honestExcept({ "f": MIDDLE }),
  });
  const other = MIDDLE.slice();
  other[other.length - 1]! ^= 1;
  await using same = await tempShare({ "f": MIDDLE });
  await using differs = await tempShare({ "f": other });
  const dryRun = true;
  const kept = await get(relay, same.path, ["f"], { dryRun });
  assertEquals(plans(kept.log), { "f": ["keep", MIDDLE.length, "mallory"] });
  const refused = await get(relay, differs.path, ["f"], { dryRun });
  assertEquals([plans(refused.log), refused.failed], [{}, { "f": "local" }]);
  assertEquals(node.asked.some(({ kind }) => kind === "read"), false);
});

Deno.test("getFiles fails in a dry run if the real run would", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, {
    "a/b": "below a file",
    "link/c": "through a link",
    "d": "where a folder is",
  });
  await using folder = await tempShare({ "a": "a file", "d/e": "in it" });
  await Deno.symlink("d", join(folder.path, "link"));
  const wanted = ["a/b", "link/c", "d", "nowhere"];
  const dry = await get(relay, folder.path, wanted, { dryRun: true });
  const real = await get(relay, folder.path, wanted);
  assertEquals(dry.failed, real.failed);
  assertEquals(dry.failed, {
    "a/b": "local",
    "d": "local",
    "link/c": "local",
    "nowhere": "not_found",
  });
});

Deno.test("getFiles reports how many files and bytes are wanted before the first is received, and whether more may follow", async () => {
  await using relay = await startRelay();
  const names = Array.from({ length: 300 }, (_, n) => `f${n}`);
  const files = Object.fromEntries(names.map((name) => [name, "12345"]));
  await using node = await startNode(relay, files);
  await node.log.until("hashed");
  await using folder = await tempShare();
  const listed = await get(relay, folder.path, [everything()]);
  const reported = listed.log.names.filter((name) =>
    name === "files_wanted" || name === "file_received"
  );
  assertEquals(reported[0], "files_wanted");
  assertEquals(
    listed.log.of("progress").every(({ isWhole, total }) =>
      isWhole && total === 1_500
    ),
    true,
  );
  await using other = await tempShare();
  // Names are asked for in batches.
  const named = await get(relay, other.path, names);
  assertEquals(named.log.of("files_wanted"), [
    { event: "files_wanted", files: 300, bytes: 1_500 },
  ]);
  for (const { isWhole, total } of named.log.of("progress")) {
    assertEquals(total === 1_500, isWhole);
  }
  const { isWhole, received } = named.log.of("progress").at(-1)!;
  assertEquals([isWhole, received], [true, 1_500]);
});
