import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { Manifest } from "../../lib/content/manifest.ts";
import { DigestFolder } from "../../lib/share/digest_store.ts";
import type { DescribedFile, Standing } from "../../lib/share/digesting.ts";
import { keyOf } from "../../lib/share/digesting.ts";
import { within } from "../_event_log.ts";
import { tempShare } from "../_temp_share.ts";
import {
  described,
  digestOf,
  HEX,
  line,
  namesIn,
  PIECE,
  readIndex,
} from "./_digest_store.ts";
import { describedOf, MemoryStore, setUp } from "./_digests.ts";

const DAY_MS = 86_400_000;

/** The key of a file of two pieces. */
function key(name: string): string {
  return `${2 * PIECE} 1 1 ${name}`;
}

/** Opens the folder `day` days from now, and prunes it. */
async function pruneOn(
  day: number,
  path: string,
  standings: Readonly<Record<string, Standing>>,
): Promise<void> {
  using store = await DigestFolder.open(path, () => Date.now() + day * DAY_MS);
  await store.prune((key) => standings[key.split(" ").at(-1)!] ?? "absent");
}

async function filled(
  path: string,
  ...names: readonly string[]
): Promise<Map<string, DescribedFile>> {
  using store = await DigestFolder.open(path);
  const files = new Map(names.map((name, n) => [name, described(2, n)]));
  for (const [name, file] of files) store.put(key(name), file);
  return files;
}

async function knownIn(path: string, name: string): Promise<boolean> {
  using store = await DigestFolder.open(path);
  return store.get(key(name)) !== undefined;
}

Deno.test("DigestFolder forgets a digest after four weeks of days without its file, and its piece hashes", async () => {
  await using folder = await tempShare();
  const { path } = folder;
  const files = await filled(path, "here", "gone");
  for (let day = 1; day <= 27; day++) {
    await pruneOn(day, path, { here: "current" });
    await pruneOn(day, path, { here: "current" }); // a day counts once
  }
  assertEquals(namesIn(join(path, "manifests")).length, 2);
  assert(await knownIn(path, "here"));
  await pruneOn(28, path, { here: "current" });
  const { content } = files.get("here")!;
  assertEquals(namesIn(join(path, "manifests")), [content]);
  assertEquals(readIndex(path).split("\n").length, 2);
  assert(await knownIn(path, "here"));
  assert(!await knownIn(path, "gone"));
});

Deno.test("DigestFolder forgets nothing of a share that is missing for a moment, however long the node was not running", async () => {
  await using folder = await tempShare();
  const { path } = folder;
  await filled(path, "a", "b");
  await pruneOn(1, path, { a: "current", b: "current" });
  for (let day = 1_000; day < 1_006; day++) await pruneOn(day, path, {});
  assertEquals(namesIn(join(path, "manifests")).length, 2);
  assert(await knownIn(path, "a"));
  assert(await knownIn(path, "b"));
});

Deno.test("DigestFolder begins to count from zero when the file of a digest was there in between", async () => {
  await using folder = await tempShare();
  const { path } = folder;
  await filled(path, "now and then");
  let day = 0;
  for (let round = 0; round < 3; round++) {
    for (let n = 0; n < 21; n++) await pruneOn(++day, path, {});
    assert(await knownIn(path, "now and then")); // by a node that has it
  }
});

Deno.test("DigestFolder forgets a file's earlier version in two weeks of days", async () => {
  await using folder = await tempShare();
  const { path } = folder;
  await filled(path, "old", "new");
  const standings = { old: "replaced", new: "current" } as const;
  for (let day = 1; day <= 13; day++) await pruneOn(day, path, standings);
  assertEquals(namesIn(join(path, "manifests")).length, 2);
  await pruneOn(14, path, standings);
  assert(!await knownIn(path, "old"));
  assert(await knownIn(path, "new"));
});

Deno.test("DigestFolder keeps piece hashes that another file needs, or that were written just now", async () => {
  await using folder = await tempShare();
  const { path } = folder;
  const file = described(2);
  {
    using store = await DigestFolder.open(path);
    store.put(key("here"), file);
    store.put(key("gone"), file);
  }
  for (let day = 1; day <= 28; day++) {
    await pruneOn(day, path, { here: "current" });
  }
  assertEquals(namesIn(join(path, "manifests")), [file.content]);
  const young = join(path, "manifests", HEX);
  await Deno.writeTextFile(young, "its line comes in a second");
  const soon = new Date(Date.now() + 35 * DAY_MS - 1_000);
  await Deno.utime(young, soon, soon);
  for (let day = 29; day <= 35; day++) {
    await pruneOn(day, path, { here: "current" });
  }
  assert(namesIn(join(path, "manifests")).includes(HEX));
});

Deno.test("DigestFolder keeps few versions of a large file that changes all the time", async () => {
  await using folder = await tempShare();
  const { path } = folder;
  let [now, most] = [Date.now(), 0];
  using store = await DigestFolder.open(path, () => now);
  for (let version = 0; version < 80; version++) {
    const hashes = new Uint8Array(65_536 * 32).fill(version);
    const manifest = new Manifest(65_536 * 16 * 1024 ** 2, hashes);
    const { contentId: content } = manifest;
    const keyNow = `${manifest.size} ${version} 1 large`;
    store.put(keyNow, { content, sha256: HEX, manifest });
    now += 900_000;
    await store.prune((key) => key === keyNow ? "current" : "replaced");
    most = Math.max(most, namesIn(join(path, "manifests")).length);
    assertEquals(store.get(keyNow), { content, sha256: HEX });
    assertEquals(store.hashesOf(content), hashes);
  }
  assert(most <= 3 * 16 + 1, `${most} versions of 2 MiB`);
});

Deno.test("DigestFolder loses nothing that another program writes while it prunes, nor what it is given itself", async () => {
  await using folder = await tempShare();
  const { path } = folder;
  await filled(path, "a");
  for (let day = 1; day < 7; day++) await pruneOn(day, path, {});
  {
    using store = await DigestFolder.open(path, () => Date.now() + 7 * DAY_MS);
    await store.prune(() => {
      const other = `${line("of another")}\n`;
      Deno.writeTextFileSync(join(path, "index"), other, { append: true });
      store.put("own", described(1));
      return "absent";
    });
    assertEquals(store.get("own"), digestOf(described(1)));
    assertEquals(store.get(key("a")), digestOf(described(2, 0)));
  }
  using store = await DigestFolder.open(path);
  assertEquals(store.get("of another"), { content: HEX, sha256: HEX });
  assertEquals(store.get("own"), digestOf(described(1)));
  assertEquals(store.get(key("a")), digestOf(described(2, 0)));
  assertEquals(namesIn(path), ["days", "index", "manifests"]);
});

Deno.test("DigestFolder reads and writes as before after it has pruned", async () => {
  await using folder = await tempShare();
  const { path } = folder;
  await filled(path, "a", "b", "c");
  let day = 0;
  using store = await DigestFolder.open(path, () => Date.now() + day * DAY_MS);
  assertEquals(store.get(key("c")), digestOf(described(2, 2)));
  while (day++ < 28) {
    await store.prune((of) => of === key("a") ? "absent" : "current");
  }
  assertEquals(store.get(key("a")), undefined);
  assertEquals(store.get(key("b")), digestOf(described(2, 1)));
  assertEquals(store.get(key("c")), digestOf(described(2, 2)));
  store.put("d", described(1));
  store[Symbol.dispose]();
  assertEquals(store.get("d"), digestOf(described(1)));
});

Deno.test("DigestFolder removes the copy of its index that a killed run left", async () => {
  await using folder = await tempShare();
  const { path } = folder;
  await filled(path, "a");
  await Deno.writeTextFile(join(path, `index.${crypto.randomUUID()}`), "x");
  const own = "index.of somebody else";
  await Deno.writeTextFile(join(path, own), "x");
  for (let day = 1; day <= 7; day++) await pruneOn(day, path, {});
  assertEquals(namesIn(path), ["days", "index", own, "manifests"]);
});

Deno.test("DigestFolder continues if it cannot prune", async () => {
  await using folder = await tempShare();
  const { path } = folder;
  await filled(path, "a");
  await Deno.mkdir(join(path, "days"));
  for (let day = 1; day <= 30; day++) await pruneOn(day, path, {});
  assert(await knownIn(path, "a"));
  await Deno.remove(join(path, "index"));
  await Deno.remove(join(path, "days"));
  for (let day = 1; day <= 30; day++) await pruneOn(day, path, {});
  assertEquals(await knownIn(path, "a"), false);
});

Deno.test("Digests report to their store which files are as they were, replaced or gone, once all are known", async () => {
  const pruned = Promise.withResolvers<(key: string) => Standing>();
  const store = Object.assign(new MemoryStore(), {
    prune: (standingOf: (key: string) => Standing) => {
      pruned.resolve(standingOf);
      return Promise.resolve();
    },
  });
  await using setup = await setUp({ "a": "x", "b": "y", "c d": "z" }, {
    store,
  });
  const files = await Promise.all(["a", "b", "c d"].map(setup.file));
  await Deno.writeTextFile(join(setup.path, "b"), "longer");
  await Deno.remove(join(setup.path, "c d"));
  await setup.share.find("b");
  await setup.share.find("c d");
  describedOf(await setup.digests.describe(await setup.file("a")));
  const standingOf = await within(pruned.promise, "pruning");
  assertEquals(
    files.map((file) => standingOf(keyOf(file))),
    ["current", "replaced", "absent"],
  );
});
