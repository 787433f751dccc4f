import { assertEquals, assertExists } from "@std/assert";
import { join } from "@std/path";
import type { DescribedFile } from "../../lib/share/digesting.ts";
import { Digests } from "../../lib/share/digests.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import type { ShareFile } from "../../lib/share/shared_file.ts";
import { within } from "../_event_log.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { replaced } from "../_replaced.ts";
import {
  describedOf,
  expectedOf,
  MemoryStore,
  PIECE,
  setUp,
} from "./_digests.ts";

Deno.test("Digests are kept in the store, and come from it without reading the file", async () => {
  const store = new MemoryStore();
  const large = randomBytes(2 * PIECE + 1, seededRandom(1));
  await using setup = await setUp({ "small": "x", "large": large, "0": "" }, {
    store,
  });
  const names = ["small", "large", "0"];
  const before: DescribedFile[] = [];
  for (const name of names) {
    const file = await setup.file(name);
    before.push(describedOf(await setup.digests.describe(file)));
  }
  assertEquals(store.puts.length, 3);

  const idles: number[] = [];
  await using digests = new Digests(setup.share, {
    limits: LIMITS,
    store,
    isBusy: () => false,
    onIdle: (count) => idles.push(count),
  });
  setup.share.open = () => {
    throw new Error("was read");
  };
  const files = await Promise.all(names.map((name) => setup.file(name)));
  digests.refresh();
  for (const [at, file] of files.entries()) {
    const { content, sha256, manifest } = before[at]!;
    assertEquals(digests.of(file), { content, sha256 });
    assertEquals(describedOf(await digests.describe(file)), before[at]);
    assertEquals(digests.withContent(content), file);
    for (let piece = 0; piece < manifest.pieceCount; piece++) {
      assertEquals(
        digests.manifestOf(file)?.hashOf(piece),
        manifest.hashOf(piece),
      );
    }
  }
  await digests[Symbol.asyncDispose]();
  assertEquals([idles, store.puts.length], [[], 3]);
});

Deno.test("Digests of a file that was written just now are not kept in the store", async () => {
  const store = new MemoryStore();
  await using setup = await setUp({}, { store });
  // It could change again without a new time of writing.
  await Deno.writeTextFile(join(setup.path, "new"), "x");
  const file = await setup.file("new");
  describedOf(await setup.digests.describe(file));
  assertEquals(store.puts, []);
  assertExists(setup.digests.of(file), "though known in this run");
});

/** A store that reports what it keeps. */
class ReportingStore extends MemoryStore {
  #waiting = Promise.withResolvers<void>();

  override put(key: string, described: DescribedFile): void {
    super.put(key, described);
    this.#waiting.resolve();
  }

  /** Waits for the next time. */
  next(): Promise<void> {
    this.#waiting = Promise.withResolvers();
    return within(this.#waiting.promise, "a digest to be kept");
  }
}

/** The clock of files, which a test moves. */
function fileClock(now: number) {
  const clock = { now };
  const real = replaced(Date, "now", () => () => clock.now);
  return Object.assign(clock, real);
}

Deno.test("Digests of a file that was written just now are kept when it has settled, and is still the same", async () => {
  const store = new ReportingStore();
  await using setup = await setUp({ "f": "one", "g": "two" }, { store });
  const files = [await setup.file("f"), await setup.file("g")];
  using clock = fileClock(files[0]!.modifiedMs + 1_999);
  const idle = setup.idle();
  setup.digests.refresh();
  await idle;
  assertEquals(store.puts, [], "they may change without a trace");
  // One changes within the same tick of the clock.
  const { path, modifiedMs, name } = files[1]!;
  await Deno.writeTextFile(path, "TWO");
  await Deno.utime(path, new Date(), new Date(modifiedMs));
  const kept = store.next();
  clock.now += 2;
  await kept;
  const isKept = (name: string) =>
    store.puts.some((key) => key.endsWith(` ${name}`));
  assertEquals([isKept("f"), isKept(name)], [true, false]);
  assertEquals(store.puts.length, 1);
  assertEquals(setup.idles, [2], "nothing new was hashed");
});

Deno.test("Digests keep at most settlingCount recently written files", async () => {
  const store = new ReportingStore();
  const limits = { ...LIMITS, settlingCount: 2 };
  const files = { "a": "1", "b": "2", "c": "3" };
  await using setup = await setUp(files, { store, limits });
  const { modifiedMs } = await setup.file("a");
  using clock = fileClock(modifiedMs);
  const idle = setup.idle();
  setup.digests.refresh();
  await idle;
  clock.now += 2_001;
  for (let kept = 0; kept < 2; kept++) {
    if (store.puts.length === kept) await store.next();
  }
  await setup.digests[Symbol.asyncDispose]();
  assertEquals(store.puts.length, 2);
});

Deno.test("Digests in the store belong to a name, a size, a time and an inode", async () => {
  const store = new MemoryStore();
  await using setup = await setUp({ "a": "one", "b": "two" }, { store });
  for (const name of ["a", "b"]) {
    await setup.digests.describe(await setup.file(name));
  }
  const { digests } = setup;
  const a = await setup.file("a");
  // As a run that finds other files: each has another version.
  const other = (changes: Partial<ShareFile>) =>
    digests.of({ ...a, version: crypto.randomUUID(), ...changes });
  assertEquals(other({}), digests.of(a));
  assertEquals(other({ size: 4 }), undefined);
  assertEquals(other({ modifiedMs: a.modifiedMs + 1 }), undefined);
  assertEquals(other({ inode: (a.inode ?? 0) + 1 }), undefined);
  assertEquals(other({ name: "A" }), undefined);
});

/** How the hashes of a manifest may be wrong in the store. */
const WRONG: readonly [
  string,
  (hashes: Uint8Array) => Uint8Array | undefined,
][] = [
  ["are missing", () => undefined],
  ["have one wrong bit", (hashes) => {
    const wrong = hashes.slice();
    wrong[40] = wrong[40]! ^ 1;
    return wrong;
  }],
  ["are cut", (hashes) => hashes.slice(0, -1)],
  ["are empty", () => new Uint8Array()],
  ["are too many", (hashes) => new Uint8Array([...hashes, ...hashes])],
];

for (const [what, alter] of WRONG) {
  Deno.test(`Digests ignore a store in which the hashes of a manifest ${what}`, async () => {
    const store = new MemoryStore();
    const content = randomBytes(2 * PIECE + 1, seededRandom(2));
    const expected = await expectedOf(content);
    await using setup = await setUp({ "a": content }, { store });
    const file = await setup.file("a");
    describedOf(await setup.digests.describe(file));
    const hashes = alter(store.manifests.get(expected.content)!);
    if (hashes === undefined) store.manifests.delete(expected.content);
    else store.manifests.set(expected.content, hashes);

    await using digests = new Digests(setup.share, {
      limits: LIMITS,
      store,
      isBusy: () => false,
      onIdle: () => {},
    });
    assertEquals(digests.of(file)?.content, expected.content);
    assertEquals(
      digests.manifestOf(file)?.hashOf(0),
      undefined,
      "not from there",
    );
    const described = describedOf(await digests.describe(file));
    assertEquals(described.content, expected.content);
    assertEquals(described.manifest.hashOf(1), expected.hashes[1]);
    assertEquals(digests.manifestOf(file)?.hashOf(1), expected.hashes[1]);
  });
}

Deno.test("Digests ignore a store whose digest contradicts itself", async () => {
  const store = new MemoryStore();
  await using setup = await setUp({ "a": "one", "0": "" }, { store });
  for (const name of ["a", "0"]) {
    const file = await setup.file(name);
    const expected = describedOf(await setup.digests.describe(file));
    const [key] = store.puts.splice(0);
    for (const part of ["content", "sha256"] as const) {
      const { content, sha256 } = expected;
      store.digests.set(key!, { content, sha256, [part]: "f".repeat(64) });
      await using digests = new Digests(setup.share, {
        limits: LIMITS,
        store,
        isBusy: () => false,
        onIdle: () => {},
      });
      assertEquals(describedOf(await digests.describe(file)), expected);
    }
  }
});
