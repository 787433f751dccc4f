import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { DigestFolder } from "../../lib/share/digest_store.ts";
import type { DescribedFile } from "../../lib/share/digesting.ts";
import { Digests } from "../../lib/share/digests.ts";
import { Failure } from "../../lib/base/errors.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { Share } from "../../lib/share/share.ts";
import { FakeTime } from "../_fake_time.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import {
  described,
  digestOf,
  HEX,
  lineWith,
  namesIn,
  PIECE,
  readIndex,
  reopened,
} from "./_digest_store.ts";

Deno.test("DigestFolder returns what it was given, and nothing else", async () => {
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

Deno.test("DigestFolder still has it when it is opened again", async () => {
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

Deno.test("DigestFolder uses the last entry for a file", async () => {
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
  Deno.test(`DigestFolder keeps a key with ${what} unchanged`, async () => {
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
  name: "DigestFolder can be read only by its owner",
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

Deno.test("DigestFolder continues if the disk fails", async () => {
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

Deno.test("DigestFolder makes hashing unnecessary in the next run", async () => {
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

Deno.test("Digests do not trust an index that gives a file another's content", async () => {
  await using setup = await setUp();
  const { share, state } = setup;
  const first = await describe(share, state);
  const [, key] = /(".*")\n$/.exec(readIndex(state)) ?? [];
  const lied = lineWith(key!, HEX, first.sha256);
  await Deno.writeTextFile(join(state, "index"), `${lied}\n`);
  assertEquals(await describe(share, state), first);
});

Deno.test("DigestFolder writes up to 4,096 failed lines when the disk works again", async () => {
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
