import { assert, assertEquals, assertExists } from "@std/assert";
import { join } from "@std/path";
import type { DescribedFile } from "../../lib/share/digesting.ts";
import {
  type DescribeOutcome,
  Digests,
  type DigestsOptions,
} from "../../lib/share/digests.ts";
import {
  type DigestStore,
  MANIFEST_OWN_BYTES,
} from "../../lib/share/manifest_cache.ts";
import type { FileDigest } from "../../lib/share/file_table.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { Share } from "../../lib/share/share.ts";
import type { ShareFile } from "../../lib/share/shared_file.ts";
import { within } from "../_event_log.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { replaced } from "../_replaced.ts";
import { tempShare } from "../_temp_share.ts";

const PIECE = 256 * 1024;
const MIB = 1024 * 1024;

type Files = Readonly<Record<string, string | Uint8Array<ArrayBuffer>>>;

/** Keeps digests in memory, and what it was asked to keep. */
class MemoryStore implements DigestStore {
  readonly digests = new Map<string, FileDigest>();
  readonly manifests = new Map<string, Uint8Array>();
  readonly puts: string[] = [];

  get(key: string): FileDigest | undefined {
    return this.digests.get(key);
  }

  put(key: string, { content, sha256, manifest }: DescribedFile): void {
    this.puts.push(key);
    this.digests.set(key, { content, sha256 });
    this.manifests.set(content, manifest.hashes.slice());
  }

  hashesOf(content: string): Uint8Array | undefined {
    return this.manifests.get(content);
  }
}

interface Setup extends AsyncDisposable {
  readonly path: string;
  readonly share: Share;
  readonly digests: Digests;
  /** What `onIdle` was told. */
  readonly idles: readonly number[];
  /** Waits for the next time that all is hashed. */
  idle(): Promise<number>;
  /** The file of that name, as it is now. */
  file(name: string): Promise<ShareFile>;
}

/** Digests of a folder with files that were written long ago. */
async function setUp(
  files: Files,
  overrides: Partial<DigestsOptions> = {},
): Promise<Setup> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempShare(files));
  for (const name of Object.keys(files)) await age(join(folder.path, name));
  const limits = { ...LIMITS, rescanPauseMs: 0, rescanPercent: 100 };
  const share = stack.use(await Share.open(folder.path, limits));
  const idles: number[] = [];
  let wake = Promise.withResolvers<number>();
  const digests = stack.use(
    new Digests(share, {
      limits,
      isBusy: () => false,
      onIdle: (count) => {
        idles.push(count);
        wake.resolve(count);
        wake = Promise.withResolvers();
      },
      ...overrides,
    }),
  );
  const owned = stack.move();
  return {
    path: folder.path,
    share,
    digests,
    idles,
    idle: () => within(wake.promise, "all hashed"),
    file: async (name) => {
      const file = await share.find(name);
      assertExists(file, name);
      return file;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Makes a file one that was written long ago. */
async function age(path: string): Promise<void> {
  await Deno.utime(path, new Date(), new Date(1_500_000_000_000));
}

function gate(): PromiseWithResolvers<void> {
  return Promise.withResolvers<void>();
}

/** Each read of one file waits for `hold`. */
function holdReads(
  share: Share,
  { version }: ShareFile,
  hold: () => Promise<void>,
): void {
  const open = share.open.bind(share);
  share.open = (file) => {
    const opening = open(file);
    if (opening.kind === "refused" || file.version !== version) return opening;
    const { opened } = opening;
    const read: typeof opened.read = async (buffer, position) => {
      await hold();
      return await opened.read(buffer, position);
    };
    return { kind: "opened", opened: { ...opened, read } };
  };
}

/** The background begins with `file`; the others come behind it. */
function hashFirst(share: Share, file: ShareFile): void {
  const unhashedFrom = share.unhashedFrom.bind(share);
  let isFirst = true;
  share.unhashedFrom = (number) => {
    if (!isFirst) return unhashedFrom(number);
    isFirst = false;
    return { file, next: 0 };
  };
}

/** Counts the files that are open at once. */
function countOpen(share: Share): { readonly most: number } {
  const counts = { open: 0, most: 0 };
  const original = share.open.bind(share);
  share.open = (file) => {
    const opening = original(file);
    if (opening.kind === "refused") return opening;
    counts.most = Math.max(counts.most, ++counts.open);
    const { opened } = opening;
    const close = opened[Symbol.dispose].bind(opened);
    return {
      kind: "opened",
      opened: {
        ...opened,
        [Symbol.dispose]: () => {
          counts.open--;
          close();
        },
      },
    };
  };
  return counts;
}

Deno.test("Digests hashes for one address group after one file of another, however many that asks for", async () => {
  const files: Record<string, string> = { honest: "honest" };
  for (let n = 0; n < 20; n++) files[`greedy ${n}`] = "greedy".repeat(n + 1);
  await using setup = await setUp(files);
  const { digests, file } = setup;
  const order: string[] = [];
  const all = await Promise.all(
    Object.keys(files).map(async (name) => [name, await file(name)] as const),
  );
  const wanted = new Map(all);
  const described = [...wanted].toReversed().map(async ([name, found]) => {
    await digests.describe(found, name === "honest" ? "b" : "a");
    order.push(name);
  });
  await within(Promise.all(described), "all described");
  // One was begun before the others were there, and then it was one each.
  assertEquals(order.indexOf("honest"), 2);
  assertEquals(order.length, 21);
});

Deno.test("Digests continues with a large file after each smaller one that somebody asks for", async () => {
  const large = randomBytes(4 * MIB, seededRandom(7));
  const files: Record<string, string | Uint8Array<ArrayBuffer>> = { large };
  for (let n = 0; n < 40; n++) files[`small ${n}`] = `${n}`;
  await using setup = await setUp(files);
  const { digests, file, share } = setup;
  const order: string[] = [];
  const wanted: [string, ShareFile][] = [];
  for (const name of Object.keys(files)) wanted.push([name, await file(name)]);
  const begun = gate();
  const hold = gate();
  holdReads(share, wanted[0]![1], () => {
    begun.resolve();
    return hold.promise;
  });
  const described = [];
  for (const [name, found] of wanted) {
    described.push(digests.describe(found, "a").then(() => order.push(name)));
    if (name === "large") await begun.promise;
  }
  hold.resolve();
  await within(Promise.all(described), "all described");
  assert(order.indexOf("large") <= large.length / PIECE, order.join());
});

/** A share with one large file whose reads wait until they are let go on. */
async function setUpHeld(files: Files, name: string) {
  const setup = await setUp(files);
  const begun = gate();
  const hold = gate();
  const large = await setup.file(name);
  holdReads(setup.share, large, () => {
    begun.resolve();
    return hold.promise;
  });
  return { ...setup, large, begun: begun.promise, goOn: hold.resolve };
}

Deno.test("Digests hash small files in the background while a large one that nobody asked for is hashed", async () => {
  const files: Record<string, string | Uint8Array<ArrayBuffer>> = {
    "a large": new Uint8Array(8 * MIB),
  };
  for (let n = 0; n < 20; n++) files[`small ${n}`] = `${n}`;
  await using setup = await setUpHeld(files, "a large");
  const { digests, share, large } = setup;
  hashFirst(share, large);
  const order: string[] = [];
  const learn = share.learn.bind(share);
  share.learn = (file, digest) => {
    order.push(file.name);
    learn(file, digest);
  };
  const idle = setup.idle();
  digests.refresh();
  await within(setup.begun, "the large file");
  setup.goOn();
  assertEquals(await idle, 21);
  assertEquals(order.at(-1), "a large", order.join());
  assertEquals(new Set(order).size, 21);
});

Deno.test("Digests open no more files at once than halve in size, however they are asked for", async () => {
  const files: Record<string, Uint8Array<ArrayBuffer>> = {};
  for (let n = 0; n < 24; n++) {
    files[`${n}`] = new Uint8Array((48 - n) * PIECE / 2);
  }
  await using setup = await setUp(files);
  const { digests, file, share } = setup;
  const open = countOpen(share);
  const wanted = [];
  for (const name of Object.keys(files)) wanted.push(await file(name));
  // The largest first: each of the others is smaller than what is left.
  const all = wanted.map((each) => digests.describe(each, "a"));
  for (const outcome of await within(Promise.all(all), "all")) {
    describedOf(outcome);
  }
  assert(open.most <= 4, `${open.most} files were open at once`);
});

Deno.test("Digests open no more files at once than halve in size while one asker asks for large files and leaves", async () => {
  const LARGE_COUNT = 12;
  const files: Record<string, Uint8Array<ArrayBuffer>> = {
    "background": new Uint8Array(4 * MIB),
  };
  for (let n = 0; n < LARGE_COUNT; n++) {
    files[`large ${n}`] = new Uint8Array(2 * MIB);
    files[`small ${n}`] = new Uint8Array(PIECE + 1);
  }
  await using setup = await setUp(files);
  const { digests, file, share } = setup;
  hashFirst(share, await file("background"));
  const large: ShareFile[] = [];
  for (let n = 0; n < LARGE_COUNT; n++) large.push(await file(`large ${n}`));
  const open = countOpen(share);
  const left: Promise<DescribeOutcome>[] = [];
  let leaver = new AbortController();
  for (const name of Object.keys(files)) {
    holdReads(share, await file(name), () => {
      // Leaves each large file when it is begun, and asks for the next one
      // when the background has begun another.
      if (name.startsWith("large")) leaver.abort();
      else if (leaver.signal.aborted || left.length === 0) {
        const next = large[left.length];
        leaver = new AbortController();
        if (next) left.push(digests.describe(next, "a", leaver.signal));
      }
      return Promise.resolve();
    });
  }
  const idle = setup.idle();
  digests.refresh();
  await idle;
  assertEquals(left.length, LARGE_COUNT);
  for (const outcome of await within(Promise.all(left), "leaving")) {
    assertEquals(outcome.kind, "refused");
  }
  assert(open.most <= 4, `${open.most} files were open at once`);
  // None is forgotten.
  for (const name of Object.keys(files)) {
    describedOf(await within(digests.describe(await file(name)), name));
  }
});

for (const isWaitedFor of [true, false]) {
  Deno.test(
    `Digests ${
      isWaitedFor ? "put a large file off" : "finish a large file"
    } whose only asker has left, where ${
      isWaitedFor ? "somebody" : "nobody"
    } waits for the file that it interrupted`,
    async () => {
      await using setup = await setUpHeld({
        "background": new Uint8Array(4 * MIB),
        "large": new Uint8Array(8 * MIB),
      }, "large");
      const { digests, share, large } = setup;
      const background = await setup.file("background");
      hashFirst(share, background);
      const begun = gate();
      const hold = gate();
      holdReads(share, background, () => {
        begun.resolve();
        return hold.promise;
      });
      const order: string[] = [];
      const learn = share.learn.bind(share);
      share.learn = (file, digest) => {
        order.push(file.name);
        learn(file, digest);
      };
      const idle = setup.idle();
      digests.refresh();
      await within(begun.promise, "the background file");
      const leaver = new AbortController();
      const left = digests.describe(large, "a", leaver.signal);
      hold.resolve();
      await within(setup.begun, "the large file");
      const waited = isWaitedFor && digests.describe(background, "b");
      leaver.abort();
      assertEquals((await within(left, "leaving")).kind, "refused");
      setup.goOn();
      if (waited) describedOf(await within(waited, "the background file"));
      await idle;
      const expected = ["background", "large"];
      assertEquals(order, isWaitedFor ? expected : expected.toReversed());
    },
  );
}

Deno.test("Digests put a file off whose only asker has left, where somebody waits for another", async () => {
  await using setup = await setUpHeld({
    "large": new Uint8Array(4 * MIB),
    "other": new Uint8Array(4 * MIB - 1),
  }, "large");
  const { digests, share, large } = setup;
  const order: string[] = [];
  const learn = share.learn.bind(share);
  share.learn = (file, digest) => {
    order.push(file.name);
    learn(file, digest);
  };
  const leaver = new AbortController();
  const left = digests.describe(large, "a", leaver.signal);
  await within(setup.begun, "the large file");
  const other = digests.describe(await setup.file("other"), "b");
  leaver.abort();
  assertEquals((await within(left, "leaving")).kind, "refused");
  setup.goOn();
  describedOf(await within(other, "the other"));
  assertEquals(order, ["other"]);
  // It is not forgotten: the background has it again.
  describedOf(await within(digests.describe(large, "c"), "the large file"));
});

Deno.test("Digests take a file that nobody waits for any more out of the queue, and keep it for one that does", async () => {
  await using setup = await setUpHeld({
    "large": new Uint8Array(MIB),
    "one": new Uint8Array(MIB),
    "two": new Uint8Array(MIB),
    "three": new Uint8Array(MIB),
  }, "large");
  const { digests, share, large } = setup;
  const order: string[] = [];
  const learn = share.learn.bind(share);
  share.learn = (file, digest) => {
    order.push(file.name);
    learn(file, digest);
  };
  const first = digests.describe(large, "a");
  await within(setup.begun, "the large file");
  const leaver = new AbortController();
  const { signal } = leaver;
  const one = await setup.file("one");
  const two = await setup.file("two");
  const gone = [
    digests.describe(one, "a", signal),
    digests.describe(two, "a", signal),
  ];
  const stays = digests.describe(two, "b");
  const three = digests.describe(await setup.file("three"), "b");
  leaver.abort();
  assertEquals((await within(gone[0]!, "leaving")).kind, "refused");
  setup.goOn();
  for (const described of [first, stays, three]) {
    describedOf(await within(described, "those who stay"));
  }
  assertEquals(order.slice(0, 3), ["large", "two", "three"]);
});

/** SHA-256 by the other implementation that the platform has. */
async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** What must be known of a content, from its layout; below 16 GiB. */
async function expectedOf(content: Uint8Array<ArrayBuffer>) {
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < content.length; at += PIECE) {
    hashes.push(await sha256(content.slice(at, at + PIECE)));
  }
  const head = new Uint8Array(12);
  const view = new DataView(head.buffer);
  view.setUint32(4, content.length);
  view.setUint32(8, PIECE);
  const layout = new Uint8Array(
    [head, ...hashes].flatMap((part) => [...part]),
  );
  return {
    content: (await sha256(layout)).toHex(),
    sha256: (await sha256(content)).toHex(),
    hashes: hashes.map((hash) => hash.toHex()),
  };
}

function describedOf(outcome: DescribeOutcome): DescribedFile {
  assert(outcome.kind === "described", `${outcome.kind}`);
  return outcome.described;
}

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
  Deno.test(`Digests of ${size} bytes are what others compute`, async () => {
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

Deno.test("Digests hash nothing before they are asked to", async () => {
  await using setup = await setUp({ "a": "one" });
  const file = await setup.file("a");
  assertEquals(setup.digests.of(file), undefined);
  assertEquals(setup.digests.manifestOf(file)?.hashOf(0), undefined);
  assertEquals(setup.digests.withContent("0".repeat(64)), undefined);
});

Deno.test("Digests hash all files in the background, and tell when they have", async () => {
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

Deno.test("Digests hash only what is new when they are refreshed", async () => {
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

Deno.test("Digests that are refreshed during a pass hash what came behind it", async () => {
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

Deno.test("Digests that are refreshed while a file is hashed hash what it became", async () => {
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

Deno.test("Digests of what is asked for come before those of the rest", async () => {
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

Deno.test("Digests hash a file once for all who ask for it", async () => {
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

Deno.test("Digests hash a file once that is asked for while it is being hashed", async () => {
  const store = new MemoryStore();
  await using setup = await setUp({ "a": "one" }, { store });
  const file = await setup.file("a");
  const idle = setup.idle();
  setup.digests.refresh();
  describedOf(await setup.digests.describe(file));
  await idle;
  assertEquals(store.puts.length, 1);
});

/** What may happen to a file while it is being hashed. */
const ALTERATIONS: readonly [string, (path: string) => void][] = [
  ["is cut", (path) => Deno.truncateSync(path, 10)],
  ["is emptied", (path) => Deno.truncateSync(path, 0)],
  [
    "grows",
    (path) =>
      Deno.writeFileSync(path, new Uint8Array(1), {
        append: true,
        create: false,
      }),
  ],
  [
    "is written over with as many bytes",
    (path) => {
      using file = Deno.openSync(path, { write: true });
      file.writeSync(new Uint8Array(10).fill(9));
    },
  ],
];

for (const [what, alter] of ALTERATIONS) {
  Deno.test(`Digests say of a file that ${what} while it is hashed that it changed`, async () => {
    let alterNow: (() => void) | undefined;
    await using setup = await setUp({ "file": new Uint8Array(MIB) }, {
      isBusy: () => {
        alterNow?.();
        alterNow = undefined;
        return false;
      },
    });
    const { digests } = setup;
    const before = await setup.file("file");
    alterNow = () => alter(before.path);
    assertEquals(await digests.describe(before), {
      kind: "refused",
      reason: "changed",
    });
    assertEquals(digests.of(before), undefined);
    const content = await Deno.readFile(before.path);
    const after = await setup.file("file");
    const described = describedOf(await digests.describe(after));
    assertEquals(described.sha256, (await sha256(content)).toHex());
  });
}

Deno.test("Digests are of the old bytes, or of none, where a file is replaced meanwhile", async () => {
  let replace: (() => void) | undefined;
  const old = new Uint8Array(MIB);
  await using setup = await setUp({ "file": old }, {
    isBusy: () => {
      replace?.();
      replace = undefined;
      return false;
    },
  });
  const file = await setup.file("file");
  replace = () => {
    Deno.writeFileSync(`${file.path}.new`, new Uint8Array(MIB).fill(1));
    Deno.renameSync(`${file.path}.new`, file.path);
  };
  const outcome = await setup.digests.describe(file);
  if (outcome.kind === "refused") assertEquals(outcome.reason, "changed");
  else {
    assertEquals(outcome.described.sha256, (await sha256(old)).toHex());
  }
});

Deno.test("Digests say of a file that was deleted that it is gone, and continue", async () => {
  await using setup = await setUp({ "a": "one", "b": "two" });
  const a = await setup.file("a");
  const b = await setup.file("b");
  await Deno.remove(a.path);
  assertEquals(await setup.digests.describe(a), {
    kind: "refused",
    reason: "gone",
  });
  describedOf(await setup.digests.describe(b));
});

Deno.test("Digests say of a file that cannot be read that it is unreadable, and continue", async () => {
  await using setup = await setUp({ "a": "one", "b": "two" });
  const { digests, share } = setup;
  const a = await setup.file("a");
  const b = await setup.file("b");
  const open = share.open.bind(share);
  share.open = (file) =>
    file !== a ? open(file) : {
      kind: "opened",
      opened: {
        file,
        read: () =>
          Promise.reject(Object.assign(new Error("disk"), { code: "EIO" })),
        readSync: () => false,
        isUnchanged: () => true,
        isStill: () => true,
        [Symbol.dispose]: () => {},
      },
    };
  const outcome = await within(digests.describe(a), "an answer");
  assertEquals(outcome, { kind: "refused", reason: "unreadable" });
  describedOf(await within(digests.describe(b), "an answer"));
});

Deno.test("Digests of a version that is gone are forgotten", async () => {
  await using setup = await setUp({ "a": "one", "b": "two" });
  const { digests } = setup;
  let idle = setup.idle();
  digests.refresh();
  await idle;
  const old = await setup.file("a");
  const { content } = digests.of(old)!;
  await Deno.writeTextFile(old.path, "three");
  const now = await setup.file("a");
  assertEquals(digests.of(now), undefined, "another version");
  assertEquals(digests.withContent(content), undefined, "not any more");
  idle = setup.idle();
  digests.refresh();
  await idle;
  assertEquals(digests.of(old), undefined);
  assertEquals(digests.withContent(content), undefined);
  const digest = digests.of(now)!;
  assertEquals(digests.withContent(digest.content), now);
});

Deno.test("Digests of a file are new when it is written again with the same bytes", async () => {
  await using setup = await setUp({ "a": "one" });
  const { digests } = setup;
  const before = await setup.file("a");
  const described = describedOf(await digests.describe(before));
  await Deno.writeTextFile(before.path, "one");
  const after = await setup.file("a");
  assertEquals(digests.of(after), undefined);
  assertEquals(describedOf(await digests.describe(after)), described);
  assertEquals(digests.withContent(described.content), after);
});

Deno.test("Digests find a content as long as one file has it", async () => {
  await using setup = await setUp({ "a": "same", "b": "same", "c": "same" });
  const { digests, share } = setup;
  const idle = setup.idle();
  digests.refresh();
  await idle;
  const { content } = digests.of(await setup.file("a"))!;
  while (share.fileCount > 1) {
    const found = digests.withContent(content);
    assertExists(found, `${share.fileCount} have it`);
    await Deno.remove(found.path);
    await share.find(found.name);
  }
  assertExists(digests.withContent(content), "one has it");
});

Deno.test("Digests end what waits when they are disposed of", async () => {
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

Deno.test("Digests break off in the middle of a file when they are disposed of", async () => {
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

Deno.test("Digests that are disposed of describe nothing, and keep nobody waiting", async () => {
  await using setup = await setUp({ "a": "one" });
  const file = await setup.file("a");
  await setup.digests[Symbol.asyncDispose]();
  assertEquals(await within(setup.digests.describe(file), "an answer"), {
    kind: "refused",
    reason: "unreadable",
  });
});

/**
 * A clock that jumps ten minutes each time it is looked at, as if every read took
 * that long; notes for how long somebody wanted to wait, and does not.
 */
function jumpingClock(waits: number[]): Disposable {
  const { setTimeout } = globalThis;
  const { now } = performance;
  let time = 0;
  performance.now = () => time += 600_000;
  const wait = (call: () => void, ms = 0) => {
    if (ms < 600_000) return setTimeout(call, ms);
    waits.push(ms);
    return setTimeout(call, 0);
  };
  Object.assign(globalThis, { setTimeout: wait });
  return {
    [Symbol.dispose]: () => {
      performance.now = now;
      Object.assign(globalThis, { setTimeout });
    },
  };
}

for (const isBusy of [true, false]) {
  Deno.test(
    `Digests ${isBusy ? "" : "do not "}give way in the background when ${
      isBusy ? "" : "no "
    }files are being sent`,
    async () => {
      await using setup = await setUp({ "a": "one" }, { isBusy: () => isBusy });
      const waits: number[] = [];
      using _clock = jumpingClock(waits);
      const idle = setup.idle();
      setup.digests.refresh();
      await idle;
      assertEquals(waits.length, isBusy ? 1 : 0);
      // A fifth of the time is left to it.
      if (isBusy) assert(waits[0]! >= 4 * 600_000, `${waits}`);
    },
  );
}

Deno.test("Digests that somebody waits for do not give way to what is being sent", async () => {
  await using setup = await setUp({ "a": "one" }, { isBusy: () => true });
  const waits: number[] = [];
  using _clock = jumpingClock(waits);
  const file = await setup.file("a");
  describedOf(await setup.digests.describe(file));
  assertEquals(waits, []);
});

Deno.test("Digests that give way are disposed of at once", async () => {
  const busy = Promise.withResolvers<void>();
  await using setup = await setUp({ "a": "one" }, {
    isBusy: () => {
      busy.resolve();
      return true;
    },
  });
  const { now } = performance;
  let time = 0;
  performance.now = () => time += 600_000; // and so it waits for forty minutes
  try {
    setup.digests.refresh();
    await within(busy.promise, "hashing");
    await within(setup.digests[Symbol.asyncDispose](), "disposing");
  } finally {
    performance.now = now;
  }
});

Deno.test("Digests are kept in the store, and taken from it without reading", async () => {
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
  // It could change again without its time of writing telling.
  await Deno.writeTextFile(join(setup.path, "new"), "x");
  const file = await setup.file("new");
  describedOf(await setup.digests.describe(file));
  assertEquals(store.puts, []);
  assertExists(setup.digests.of(file), "though known in this run");
});

/** A store that tells of what it is to keep. */
class TellingStore extends MemoryStore {
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
  const store = new TellingStore();
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

Deno.test("Digests keep those of settlingCount files at most that were written just now", async () => {
  const store = new TellingStore();
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
  Deno.test(`Digests do not believe a store where the hashes of a manifest ${what}`, async () => {
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

Deno.test("Digests do not believe a store whose digest contradicts itself", async () => {
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

Deno.test("Digests keep the manifests in memory that were used last, up to a size", async () => {
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

Deno.test("Digests keep a manifest that is larger than their memory for it, alone", async () => {
  await using setup = await setUp({ "a": new Uint8Array(PIECE + 1) }, {
    limits: { ...LIMITS, manifestCacheBytes: 1 },
  });
  const file = await setup.file("a");
  describedOf(await setup.digests.describe(file));
  assertExists(setup.digests.manifestOf(file)?.hashOf(1));
});
