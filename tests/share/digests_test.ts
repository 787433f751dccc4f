import { assert, assertEquals, assertExists } from "@std/assert";
import { join } from "@std/path";
import { MANIFEST_OWN_BYTES } from "../../lib/share/manifest_cache.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { within } from "../_event_log.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import {
  describedOf,
  expectedOf,
  gate,
  holdReads,
  MemoryStore,
  MIB,
  PIECE,
  setUp,
} from "./_digests.ts";

const SIZES = [
  0,
  1,
  17,
  PIECE - 1,
  PIECE,
  PIECE + 1,
  MIB,
  MIB + 1,
  2 * MIB + PIECE + 5,
];

for (const size of SIZES) {
  Deno.test(`Digests of ${size} bytes equal those of other programs`, async () => {
    const content = randomBytes(size, seededRandom(size));
    const expected = await expectedOf(content);
    await using setup = await setUp({ "file": content });
    const { digests } = setup;
    const file = await setup.file("file");
    const described = describedOf(await digests.describe(file));
    assertEquals(described.content, expected.content);
    assertEquals(described.sha256, expected.sha256);
    assertEquals(described.manifest.contentId, expected.content);
    assertEquals(
      expected.hashes.map((_, piece) => described.manifest.hashOf(piece)),
      expected.hashes,
    );
    assertEquals(digests.of(file), {
      content: expected.content,
      sha256: expected.sha256,
    });
    assertEquals(
      expected.hashes.map((_, piece) =>
        digests.manifestOf(file)?.hashOf(piece)
      ),
      expected.hashes,
    );
    assertEquals(digests.withContent(expected.content), file);
    assertEquals(describedOf(await digests.describe(file)), described);
  });
}

Deno.test("Digests hash nothing before they are started", async () => {
  await using setup = await setUp({ "a": "one" });
  const file = await setup.file("a");
  assertEquals(setup.digests.of(file), undefined);
  assertEquals(setup.digests.manifestOf(file)?.hashOf(0), undefined);
  assertEquals(setup.digests.withContent("0".repeat(64)), undefined);
});

Deno.test("Digests hash all files in the background, and report the end", async () => {
  const files: Record<string, string> = {};
  for (let n = 0; n < 30; n++) files[`${n % 3}/${n}`] = "x".repeat(n * 100);
  await using setup = await setUp(files);
  const { digests, share } = setup;
  const idle = setup.idle();
  digests.refresh();
  digests.refresh();
  assertEquals(await idle, 30);
  for (const file of share.files()) {
    const { content } = digests.of(file)!;
    assertEquals(digests.withContent(content), file);
  }
  assertEquals(setup.idles, [30]);
});

Deno.test("Digests hash only new files when they are refreshed", async () => {
  await using setup = await setUp({ "a": "one", "b": "two" });
  let idle = setup.idle();
  setup.digests.refresh();
  await idle;
  await Deno.writeTextFile(join(setup.path, "c"), "three");
  await setup.file("c");
  idle = setup.idle();
  setup.digests.refresh();
  assertEquals(await idle, 1);
  assertEquals(setup.idles, [2, 1]);
});

Deno.test("Digests that are refreshed during a pass hash files that appear in a part that is finished", async () => {
  await using setup = await setUp({ "a": "one", "b": "two" });
  const { digests, path, share } = setup;
  // The last file of the pass is held until another is in the place of the first.
  const [first, last] = [share.unhashedFrom(0)!, share.unhashedFrom(1)!];
  const [reached, held] = [gate(), gate()];
  holdReads(share, last.file, async () => {
    reached.resolve();
    await held.promise;
  });
  digests.refresh();
  await within(reached.promise, "the last file");
  await Deno.remove(first.file.path);
  assertEquals(await share.find(first.file.name), undefined);
  await Deno.writeTextFile(join(path, "new"), "three");
  const late = await setup.file("new");
  assertEquals(share.unhashedFrom(0), { file: late, next: first.next });
  digests.refresh();
  digests.refresh();
  const idle = setup.idle();
  held.resolve();
  assertEquals(await idle, 2, "the pass as it began");
  assertEquals(await setup.idle(), 1, "what came during it");
  const { content, sha256 } = await expectedOf(
    new TextEncoder().encode("three"),
  );
  assertEquals(digests.of(late), { content, sha256 });
  assertEquals(digests.withContent(content), late);
  assertEquals([share.unhashedCount, setup.idles], [0, [2, 1]]);
});

Deno.test("Digests that are refreshed while a file is hashed hash its new bytes", async () => {
  await using setup = await setUp({ "a": "one" });
  const { digests, share } = setup;
  const before = await setup.file("a");
  const [reached, held] = [gate(), gate()];
  holdReads(share, before, async () => {
    reached.resolve();
    await held.promise;
  });
  digests.refresh();
  await within(reached.promise, "the file");
  await Deno.writeTextFile(before.path, "three");
  const after = await setup.file("a");
  digests.refresh();
  const idle = setup.idle();
  held.resolve();
  assertEquals(await idle, 1, "the version that is no more");
  assertEquals(await setup.idle(), 1, "the one that is there");
  const { content, sha256 } = await expectedOf(
    new TextEncoder().encode("three"),
  );
  assertEquals(digests.of(after), { content, sha256 });
  assertEquals(digests.of(before), undefined);
  assertEquals(share.unhashedCount, 0);
});

Deno.test("Digests of requested files come before all others", async () => {
  const files: Record<string, string> = {};
  for (let n = 0; n < 20; n++) files[`${n}`] = `${n}`;
  await using setup = await setUp(files);
  const { digests, share } = setup;
  const all = [...share.files()];
  const idle = setup.idle();
  digests.refresh();
  const outcome = await digests.describe(all.at(-1)!);
  const known = all.filter((file) => digests.of(file) !== undefined);
  describedOf(outcome);
  assert(known.includes(all.at(-1)!));
  assert(known.length <= 2, `${known.length} were hashed before it`);
  await idle;
  assertEquals(all.filter((file) => digests.of(file) === undefined), []);
});

Deno.test("Digests of a small file do not wait until a large one is hashed", async () => {
  let knewLarge: Promise<boolean> | undefined;
  await using setup = await setUp(
    { "large": new Uint8Array(4 * MIB), "small": "x" },
    {
      isBusy: () => {
        // Between two reads of the large file.
        knewLarge ??= digests.describe(small).then(describedOf)
          .then(() => digests.of(large) !== undefined);
        return false;
      },
    },
  );
  const { digests, share } = setup;
  const large = await setup.file("large");
  const small = await setup.file("small");
  share.unhashedFrom = (number) =>
    number === 0 ? { file: large, next: 1 } : undefined;
  const idle = setup.idle();
  digests.refresh();
  await idle;
  assertEquals(await knewLarge, false);
  assertExists(digests.of(large));
});

Deno.test("Digests let others have their turn while a large file is hashed", async () => {
  await using setup = await setUp({ "large": new Uint8Array(32 * MIB) });
  const file = await setup.file("large");
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  describedOf(await setup.digests.describe(file));
  clearInterval(timer);
  assert(turns > 1, `${turns} turns`);
});

Deno.test("Digests hash a file once for all clients that request it", async () => {
  const store = new MemoryStore();
  await using setup = await setUp({ "a": "one", "b": "two" }, { store });
  const file = await setup.file("a");
  const outcomes = await Promise.all(
    [1, 2, 3].map(() => setup.digests.describe(file)),
  );
  assertEquals(new Set(outcomes).size, 1);
  await setup.digests.describe(await setup.file("b"));
  assertEquals(store.puts.length, 2);
});

Deno.test("Digests do not hash a file again that is requested while it is hashed", async () => {
  const store = new MemoryStore();
  await using setup = await setUp({ "a": "one" }, { store });
  const file = await setup.file("a");
  const idle = setup.idle();
  setup.digests.refresh();
  describedOf(await setup.digests.describe(file));
  await idle;
  assertEquals(store.puts.length, 1);
});

Deno.test("Digests end all waiting requests when they are disposed of", async () => {
  await using setup = await setUp({
    "a": new Uint8Array(4 * MIB),
    "b": "two",
  });
  const { digests } = setup;
  const files = await Promise.all(["a", "b"].map(setup.file));
  const waiting = files.map((file) => digests.describe(file));
  await digests[Symbol.asyncDispose]();
  const outcomes = await within(Promise.all(waiting), "the end");
  const refused = { kind: "refused", reason: "unreadable" } as const;
  assertEquals(outcomes, [refused, refused]);
  assertEquals(setup.idles, []);
  digests.refresh(); // of no effect
  await digests[Symbol.asyncDispose]();
});

Deno.test("Digests stop in the middle of a file when they are disposed of", async () => {
  let disposing: Promise<void> | undefined;
  let reads = 0;
  await using setup = await setUp({ "a": new Uint8Array(16 * MIB) }, {
    isBusy: () => {
      reads++;
      disposing ??= setup.digests[Symbol.asyncDispose]();
      return false;
    },
  });
  const outcome = setup.digests.describe(await setup.file("a"));
  assertEquals(await within(outcome, "the end"), {
    kind: "refused",
    reason: "unreadable",
  });
  await within(disposing!, "disposing");
  assertEquals(reads, 1);
});

Deno.test("Digests that are disposed of describe nothing, and let no request wait", async () => {
  await using setup = await setUp({ "a": "one" });
  const file = await setup.file("a");
  await setup.digests[Symbol.asyncDispose]();
  assertEquals(await within(setup.digests.describe(file), "an answer"), {
    kind: "refused",
    reason: "unreadable",
  });
});

Deno.test("Digests keep the most recently used manifests in memory, up to a size", async () => {
  const files: Record<string, Uint8Array<ArrayBuffer>> = {};
  for (const name of ["a", "b", "c"]) {
    files[name] = randomBytes(PIECE + 1, seededRandom(name.charCodeAt(0)));
  }
  await using setup = await setUp(files, {
    limits: {
      ...LIMITS,
      manifestCacheBytes: 2 * (2 * 32 + MANIFEST_OWN_BYTES),
    },
  });
  const { digests } = setup;
  const [a, b, c] = await Promise.all(["a", "b", "c"].map(setup.file));
  const isKept = () =>
    [a!, b!, c!].map((file) =>
      digests.manifestOf(file)?.hashOf(0) !== undefined
    );
  await digests.describe(a!);
  await digests.describe(b!);
  assertEquals(isKept(), [true, true, false]);
  digests.manifestOf(a!)?.hashOf(0); // used since `b` was
  await digests.describe(c!);
  assertEquals(isKept(), [true, false, true]);
  // What was forgotten is computed again.
  const { hashes } = await expectedOf(files["b"]!);
  const again = describedOf(await digests.describe(b!));
  assertEquals([again.manifest.hashOf(0), again.manifest.hashOf(1)], hashes);
});

Deno.test("Digests keep a single manifest that is larger than the memory for manifests", async () => {
  await using setup = await setUp({ "a": new Uint8Array(PIECE + 1) }, {
    limits: { ...LIMITS, manifestCacheBytes: 1 },
  });
  const file = await setup.file("a");
  describedOf(await setup.digests.describe(file));
  assertExists(setup.digests.manifestOf(file)?.hashOf(1));
});
