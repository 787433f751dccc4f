import { crc32 } from "node:zlib";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { DigestFolder } from "../../lib/share/digest_store.ts";
import type { DescribedFile } from "../../lib/share/digesting.ts";
import { Digests } from "../../lib/share/digests.ts";
import { Failure } from "../../lib/base/errors.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { Manifest } from "../../lib/content/manifest.ts";
import { Share } from "../../lib/share/share.ts";
import { FakeTime } from "../_fake_time.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";

const PIECE = 256 * 1024;
const HEX = "0123456789abcdef".repeat(4);

/** Digests of some file of `pieceCount` pieces, decided by `seed`. */
function described(pieceCount: number, seed = 1): DescribedFile {
  const hashes = randomBytes(pieceCount * 32, seededRandom(seed));
  const manifest = new Manifest(pieceCount * PIECE, hashes);
  const sha256 = randomBytes(32, seededRandom(seed + 1_000)).toHex();
  return { content: manifest.contentId, sha256, manifest };
}

/** The part of a digest that is kept of every file. */
function digestOf({ content, sha256 }: DescribedFile) {
  return { content, sha256 };
}

/** Names in a folder, in order. */
function namesIn(path: string): string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
}

function readIndex(state: string): string {
  return Deno.readTextFileSync(join(state, "index"));
}

/** What is known of `key` when the folder is opened now. */
async function reopened(state: string, key: string) {
  using store = await DigestFolder.open(state);
  return store.get(key);
}

Deno.test("DigestFolder knows what it was given, and nothing else", async () => {
  await using folder = await tempShare();
  using store = await DigestFolder.open(join(folder.path, "state"));
  const [one, cut] = [described(1), described(3)];
  store.put("one", one);
  store.put("cut", cut);
  assertEquals(store.get("one"), digestOf(one));
  assertEquals(store.get("cut"), digestOf(cut));
  assertEquals(store.get("other"), undefined);
  assertEquals(store.hashesOf(cut.content), cut.manifest.hashes);
  assertEquals(store.hashesOf(HEX), undefined);
});

Deno.test("DigestFolder still knows it when it is opened again", async () => {
  await using folder = await tempShare();
  const state = join(folder.path, "deep", "state");
  const files = new Map(
    Array.from({ length: 20 }, (_, n) => [`file ${n}`, described(n, n)]),
  );
  for (let round = 0; round < 3; round++) {
    using store = await DigestFolder.open(state);
    for (const [key, file] of files) {
      if (round > 0) assertEquals(store.get(key), digestOf(file), key);
      if (round === 0) store.put(key, file);
      if (file.manifest.pieceCount < 2) continue;
      assertEquals(store.hashesOf(file.content), file.manifest.hashes);
    }
  }
});

Deno.test("DigestFolder keeps hashes only of files of several pieces", async () => {
  await using folder = await tempShare();
  using store = await DigestFolder.open(folder.path);
  for (const count of [0, 1, 2]) store.put(`${count}`, described(count));
  assertEquals(namesIn(join(folder.path, "manifests")), [described(2).content]);
});

Deno.test("DigestFolder takes the last word on a file", async () => {
  await using folder = await tempShare();
  {
    using store = await DigestFolder.open(folder.path);
    store.put("a", described(1, 1));
    store.put("a", described(1, 2));
    assertEquals(store.get("a"), digestOf(described(1, 2)));
  }
  {
    using store = await DigestFolder.open(folder.path);
    store.put("a", described(1, 3));
  }
  assertEquals(
    await reopened(folder.path, "a"),
    digestOf(described(1, 3)),
  );
});

for (
  const [what, key] of [
    ["nothing in it", ""],
    ["a space", " "],
    ["quotes", '1 2 3 a "quoted" name'],
    ["a backslash", "back\\slash"],
    ["a line break", "new\nline"],
    ["combining characters", "e\u0301 and \u00e9"],
    ["the line breaks of Unicode", "1 2 3 a\u2028b\u2029c"],
    ["a name that objects have", "__proto__"],
    ["a line of an index", `${HEX} ${HEX} 00000000 "x"`],
  ] as const
) {
  Deno.test(`DigestFolder keeps a key as it is that has ${what}`, async () => {
    await using folder = await tempShare();
    {
      using store = await DigestFolder.open(folder.path);
      store.put(key, described(1));
    }
    assertEquals(
      await reopened(folder.path, key),
      digestOf(described(1)),
    );
    assertEquals(readIndex(folder.path).split("\n").length, 2);
  });
}

Deno.test({
  name: "DigestFolder is for its owner's eyes alone",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using folder = await tempShare();
    const state = join(folder.path, "deep", "state");
    {
      using store = await DigestFolder.open(state);
      store.put("a", described(2));
    }
    const modeOf = (path: string) => Deno.statSync(path).mode! & 0o777;
    assertEquals(modeOf(join(folder.path, "deep")), 0o700);
    assertEquals(modeOf(state), 0o700);
    assertEquals(modeOf(join(state, "manifests")), 0o700);
    assertEquals(modeOf(join(state, "index")), 0o600);
    const { content } = described(2);
    assertEquals(modeOf(join(state, "manifests", content)), 0o600);
  },
});

Deno.test("DigestFolder writes what it was given when it is disposed of", async () => {
  await using folder = await tempShare();
  const store = await DigestFolder.open(folder.path);
  store.put("a", described(1, 1));
  store.put("b", described(1, 2));
  assertEquals(namesIn(folder.path), ["manifests"], "not at once");
  store[Symbol.dispose]();
  assertEquals(readIndex(folder.path).split("\n").length, 3);
  store[Symbol.dispose]();
  assertEquals(readIndex(folder.path).split("\n").length, 3, "once");
});

Deno.test("DigestFolder writes what it was given within a second", async () => {
  await using folder = await tempShare();
  using store = await DigestFolder.open(folder.path);
  using time = new FakeTime();
  for (const name of ["a", "b"]) {
    store.put(name, described(1));
    store.put(`${name} too`, described(1));
    assertEquals(time.timerCount, 1);
    await time.advance(1_000);
    assertEquals(time.timerCount, 0);
    assert(readIndex(folder.path).includes(JSON.stringify(`${name} too`)));
  }
  assertEquals(readIndex(folder.path).split("\n").length, 5);
});

Deno.test("DigestFolder writes many at once, and does not wait for a second then", async () => {
  await using folder = await tempShare();
  using store = await DigestFolder.open(folder.path);
  using time = new FakeTime();
  const file = described(1);
  for (let n = 0; n < 255; n++) store.put(`${n}`, file);
  assertEquals(namesIn(folder.path), ["manifests"]);
  store.put("255", file);
  assertEquals(time.timerCount, 0);
  assertEquals(readIndex(folder.path).split("\n").length, 257);
});

Deno.test("DigestFolder that was given nothing writes nothing", async () => {
  await using folder = await tempShare();
  {
    using _store = await DigestFolder.open(folder.path);
  }
  assertEquals(namesIn(folder.path), ["manifests"]);
});

/** A line of the index. */
function line(key: string, content = HEX, sha256 = HEX): string {
  return lineWith(JSON.stringify(key), content, sha256);
}

/** The same with anything in place of a key, and the right check. */
function lineWith(quoted: string, content = HEX, sha256 = HEX): string {
  const check = crc32(`${content} ${sha256} ${quoted}`);
  const hex = check.toString(16).padStart(8, "0");
  return `${content} ${sha256} ${hex} ${quoted}`;
}

for (
  const [what, damaged] of [
    ["is empty", ""],
    ["is cut in its content id", line("x").slice(0, 40)],
    ["is cut in its SHA-256", line("x").slice(0, 100)],
    ["is cut before its key", line("x").slice(0, 130)],
    ["is cut in its key", line("x").slice(0, -1)],
    ["has no content id", line("x", "")],
    ["has a content id in capitals", line("x", HEX.toUpperCase())],
    ["has a content id that is too long", line("x", `${HEX}0`)],
    ["has a SHA-256 that is none", line("x", HEX, `${HEX.slice(1)}g`)],
    ["has no quotes around its key", lineWith("x")],
    ["has two keys", lineWith('"x" "y"')],
    ["has another check", line("x").replace(/ [0-9a-f]{8} /, " 00000000 ")],
    ["has no check", `${HEX} ${HEX} "x"`],
    ["has a key that is no JSON", lineWith('"\\x"')],
    ["has something before it", ` ${line("x")}`],
    ["has something after it", `${line("x")} `],
    ["has a wrong character between", line("x").replace(" ", "\t")],
    ["is not text", "\0\u{fffd}\u{1f4a5}"],
    ["is two in one", line("x") + line("y")],
  ] as const
) {
  Deno.test(`DigestFolder leaves a line aside that ${what}, and takes the others`, async () => {
    const index = `${line("before")}\n${damaged}\n${line("after")}\n`;
    await using folder = await tempShare({ "index": index });
    using store = await DigestFolder.open(folder.path);
    const expected = { content: HEX, sha256: HEX };
    assertEquals(store.get("before"), expected);
    assertEquals(store.get("after"), expected);
    for (const key of ["x", "y", 'x" "y', ""]) {
      assertEquals(store.get(key), undefined, key);
    }
  });
}

Deno.test("DigestFolder opens an index of any bytes", async () => {
  const random = seededRandom(4);
  for (let round = 0; round < 20; round++) {
    const index = randomBytes(2_000, random);
    await using folder = await tempShare({ "index": index });
    using store = await DigestFolder.open(folder.path);
    assertEquals(store.get("x"), undefined);
    store.put("x", described(1));
    assertEquals(store.get("x"), digestOf(described(1)));
  }
});

Deno.test("DigestFolder takes every index that is cut somewhere, line by line", async () => {
  const keys = ["one", "two", "three"];
  const index = keys.map((key) => `${line(key)}\n`).join("");
  const lengths = keys.map((_, at) =>
    keys.slice(0, at + 1).map((key) => `${line(key)}\n`).join("").length
  );
  for (let length = 0; length <= index.length; length += 7) {
    await using folder = await tempShare({ "index": index.slice(0, length) });
    using store = await DigestFolder.open(folder.path);
    for (const [at, key] of keys.entries()) {
      // The end of the line itself may be missing.
      const isWhole = length >= lengths[at]! - 1;
      assertEquals(store.get(key) !== undefined, isWhole, `${key} ${length}`);
    }
  }
});

Deno.test("DigestFolder keeps what it is given after an index that was cut", async () => {
  const cut = `${line("before")}\n${line("cut").slice(0, 90)}`;
  await using folder = await tempShare({ "index": cut });
  {
    using store = await DigestFolder.open(folder.path);
    store.put("after", described(1));
  }
  assertEquals(await reopened(folder.path, "cut"), undefined);
  assertEquals(
    await reopened(folder.path, "after"),
    digestOf(described(1)),
  );
});

Deno.test("DigestFolder rewrites its index when most of it is stale", async () => {
  const stale = Array.from(
    { length: 150 },
    (_, n) => line("a", n.toString(16).padStart(64, "0")),
  );
  const index = [...stale, "damaged", line("b"), ""].join("\n");
  await using folder = await tempShare({ "index": index });
  const last = { content: 149..toString(16).padStart(64, "0"), sha256: HEX };
  {
    using store = await DigestFolder.open(folder.path);
    assertEquals(store.get("a"), last);
    assertEquals(
      readIndex(folder.path),
      `${line("a", last.content)}\n${line("b")}\n`,
    );
    assertEquals(namesIn(folder.path), ["index", "manifests"]);
    const { mode } = await Deno.stat(join(folder.path, "index"));
    if (Deno.build.os !== "windows") assertEquals(mode! & 0o777, 0o600);
    store.put("c", described(1));
  }
  assertEquals(await reopened(folder.path, "a"), last);
  assertEquals((await reopened(folder.path, "b"))?.content, HEX);
  assertEquals(await reopened(folder.path, "c"), digestOf(described(1)));
});

Deno.test("DigestFolder leaves an index alone that is mostly of use", async () => {
  const lines = Array.from({ length: 200 }, (_, n) => line(`${n}`));
  const index = [...lines, ...lines, ""].join("\n");
  await using folder = await tempShare({ "index": index });
  {
    using store = await DigestFolder.open(folder.path);
    assertEquals(store.get("199"), { content: HEX, sha256: HEX });
  }
  assertEquals(readIndex(folder.path), index);
});

Deno.test("DigestFolder gives no file of the disk for what is no content id", async () => {
  await using folder = await tempShare({ "state/index": "", "secret": "s" });
  using store = await DigestFolder.open(join(folder.path, "state"));
  for (
    const content of ["", ".", "..", "../index", "../../secret", HEX.slice(1)]
  ) {
    assertEquals(store.hashesOf(content), undefined, content);
  }
});

Deno.test("DigestFolder continues where the disk fails", async () => {
  await using folder = await tempShare();
  const state = join(folder.path, "state");
  using store = await DigestFolder.open(state);
  await Deno.remove(state, { recursive: true });
  const file = described(2);
  store.put("a", file);
  store[Symbol.dispose]();
  assertEquals(store.get("a"), digestOf(file));
  assertEquals(store.hashesOf(file.content), undefined);
});

for (const name of ["file", "file/below", "with\x1bescape\0"]) {
  Deno.test(`DigestFolder reports what is wrong with ${JSON.stringify(name)}`, async () => {
    await using folder = await tempShare({ "file": "x" });
    const error = await assertRejects(
      () => DigestFolder.open(join(folder.path, name)),
      Failure,
      "Cannot use state folder",
    );
    assertEquals(error.kind, "local");
    assertEquals(error.message.includes("\x1b"), false);
  });
}

/** Hashes the one file of `share`, with what is kept in `state`. */
async function describe(share: Share, state: string): Promise<DescribedFile> {
  using store = await DigestFolder.open(state);
  await using digests = new Digests(share, {
    limits: LIMITS,
    store,
    isBusy: () => false,
    onIdle: () => {},
  });
  const [file] = share.files();
  const outcome = await digests.describe(file!);
  assert(outcome.kind === "described");
  return outcome.described;
}

/** A share of one file of three pieces, written long ago, and a state folder. */
async function setUp() {
  const content = randomBytes(2 * PIECE + 9, seededRandom(6));
  const folder = await tempShare({ "share/file": content });
  const path = join(folder.path, "share", "file");
  await Deno.utime(path, new Date(), new Date(1_500_000_000_000));
  const share = await Share.open(join(folder.path, "share"), LIMITS);
  const state = join(folder.path, "state");
  return {
    share,
    state,
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

Deno.test("DigestFolder spares the next run the hashing", async () => {
  await using setup = await setUp();
  const { share, state } = setup;
  const first = await describe(share, state);
  share.open = () => {
    throw new Error("was read");
  };
  assertEquals(await describe(share, state), first);
});

for (
  const [what, alter] of [
    [
      "altered",
      (path: string) => {
        const bytes = Deno.readFileSync(path);
        bytes[50] = bytes[50]! ^ 1;
        Deno.writeFileSync(path, bytes);
      },
    ],
    ["cut", (path: string) => Deno.truncateSync(path, 64)],
    ["emptied", (path: string) => Deno.truncateSync(path, 0)],
    ["removed", (path: string) => Deno.removeSync(path)],
    [
      "replaced by a folder",
      (path: string) => {
        Deno.removeSync(path);
        Deno.mkdirSync(path);
      },
    ],
  ] as const
) {
  Deno.test(`Digests do not believe a manifest that was ${what} on the disk`, async () => {
    await using setup = await setUp();
    const { share, state } = setup;
    const first = await describe(share, state);
    const path = join(state, "manifests", first.content);
    alter(path);
    assertEquals(await describe(share, state), first, "hashed again");
    if (what !== "replaced by a folder") {
      assertEquals(await Deno.readFile(path), first.manifest.hashes, "mended");
    }
  });
}

Deno.test("Digests do not believe an index that gives a file another's content", async () => {
  await using setup = await setUp();
  const { share, state } = setup;
  const first = await describe(share, state);
  const [, key] = /(".*")\n$/.exec(readIndex(state)) ?? [];
  const lied = lineWith(key!, HEX, first.sha256);
  await Deno.writeTextFile(join(state, "index"), `${lied}\n`);
  assertEquals(await describe(share, state), first);
});

Deno.test("DigestFolder finds every line of an index that is larger than what it reads at once", async () => {
  const random = seededRandom(9);
  const keys = Array.from(
    { length: 2_000 },
    (_, n) => `${n} ${"é".repeat(Math.floor(random() * 300))}`,
  );
  const contentOf = (n: number) => n.toString(16).padStart(64, "0");
  const lines = keys.map((key, n) => `${line(key, contentOf(n))}\n`);
  const huge = "x".repeat(600_000); // no line of ours, and longer than a read
  const index = [...lines.slice(0, 900), `${huge}\n`, ...lines.slice(900)];
  await using folder = await tempShare({ "index": index.join("") });
  using store = await DigestFolder.open(folder.path);
  for (const [n, key] of keys.entries()) {
    assertEquals(store.get(key)?.content, contentOf(n), key);
  }
});

Deno.test("DigestFolder believes no line but the one of the key, wherever an index was altered", async () => {
  await using folder = await tempShare({ "index": `${line("a")}\n` });
  using store = await DigestFolder.open(folder.path);
  await Deno.writeTextFile(join(folder.path, "index"), `${line("b")}\n`);
  assertEquals(store.get("a"), undefined);
});

Deno.test("DigestFolder writes what the disk did not take as soon as it does, up to 4,096 lines", async () => {
  await using folder = await tempShare();
  const state = join(folder.path, "state");
  const file = described(1);
  {
    using store = await DigestFolder.open(state);
    await Deno.rename(state, `${state}.away`);
    for (let n = 0; n < 5_000; n++) store.put(`${n}`, file);
    await Deno.rename(`${state}.away`, state);
  }
  // The last have been written, and none is in there twice.
  const lines = readIndex(state).trimEnd().split("\n");
  assertEquals(lines.length, 4_096 + 5_000 % 256);
  assertEquals(await reopened(state, "4999"), digestOf(file));
  assertEquals(await reopened(state, "0"), undefined);
});
