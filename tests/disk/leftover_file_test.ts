import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "@std/path/join";
import { Failure } from "../../lib/base/errors.ts";
import { KeptFetch } from "../../lib/disk/kept_fetch.ts";
import { openLeftover } from "../../lib/disk/leftover_file.ts";
import { PartialFile } from "../../lib/disk/partial.ts";
import { partialPathOf } from "../../lib/disk/partial_name.ts";
import { SmallFiles } from "../../lib/disk/small_files.ts";
import { tempShare } from "../_temp_share.ts";

const ANOTHER = 54_321;
const ignore = Deno.build.os === "windows";
const OPTIONS = { overwrite: false, modifiedMs: 1e12, size: 7 };

/** Makes a file another user's, where this one may; else it only looks so. */
async function giveAway(path: string): Promise<Disposable> {
  const { lstat } = Deno;
  if (Deno.uid() === 0) await Deno.chown(path, ANOTHER, ANOTHER);
  else {
    Object.assign(Deno, {
      lstat: async (at: string) => {
        const info = await lstat(at);
        return at === path ? { ...info, uid: ANOTHER } : info;
      },
    });
  }
  return { [Symbol.dispose]: () => void Object.assign(Deno, { lstat }) };
}

function namesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).toSorted();
}

const SAVES = [
  ["PartialFile", (path: string) => PartialFile.open(path, OPTIONS)],
  [
    "SmallFiles",
    (path: string) => new SmallFiles().save(path, new Uint8Array(7), OPTIONS),
  ],
] as const;

for (const [name, save] of SAVES) {
  Deno.test({
    name:
      `${name} names another user's hidden file, and neither uses nor publishes it`,
    ignore,
    fn: async () => {
      await using folder = await tempShare({ ".file.p2p-part": "planted" });
      const path = join(folder.path, "file");
      const partial = partialPathOf(path);
      using _given = await giveAway(partial);
      const failure = await assertRejects(
        () => Promise.resolve(save(path)),
        Failure,
      );
      assertEquals(failure.kind, "local");
      assertMatch(
        failure.message,
        /\.file\.p2p-part\): it belongs to another user$/,
      );
      assertEquals(failure.parts.remedyCode, "elsewhere_or_remove");
      assertEquals(await Deno.readTextFile(partial), "planted");
      assertEquals(namesIn(folder.path), [".file.p2p-part"]);
    },
  });
}

Deno.test({
  name: "A partial file that others can write to is not resumed",
  ignore,
  fn: async () => {
    for (const mode of [0o620, 0o602, 0o666]) {
      await using folder = await tempShare({ ".file.p2p-part": "planted" });
      const path = join(folder.path, "file");
      await Deno.chmod(partialPathOf(path), mode);
      const failure = await assertRejects(
        () => PartialFile.open(path, OPTIONS),
        Failure,
      );
      assertMatch(
        failure.message,
        /\.file\.p2p-part\): others can write to it/,
      );
      assertEquals(await Deno.readTextFile(partialPathOf(path)), "planted");
    }
  },
});

Deno.test({
  name:
    "A partial file that others can read is closed to them when it is resumed",
  ignore,
  fn: async () => {
    await using folder = await tempShare({ ".file.p2p-part": "left" });
    const path = join(folder.path, "file");
    await Deno.chmod(partialPathOf(path), 0o644);
    const partial = await PartialFile.open(path, OPTIONS);
    const { mode } = await Deno.lstat(partialPathOf(path));
    assertEquals(mode! & 0o777, 0o600);
    assertEquals(await partial.byteCount(), 4);
    await partial.discard();
  },
});

Deno.test({
  name:
    "PartialFile does not change the mode of another file if a link replaced the partial file",
  ignore,
  fn: async () => {
    await using folder = await tempShare({ victim: "secret" });
    const path = join(folder.path, "file");
    const victim = join(folder.path, "victim");
    await Deno.chmod(victim, 0o600);
    const partial = await PartialFile.open(path, OPTIONS);
    await partial.write(0, new Uint8Array(7));
    await Deno.remove(partialPathOf(path));
    await Deno.symlink(victim, partialPathOf(path));
    await assertRejects(() => partial.finish(), Failure);
    assertEquals((await Deno.lstat(victim)).mode! & 0o777, 0o600);
    assertEquals(namesIn(folder.path), [".file.p2p-part", "victim"]);
  },
});

Deno.test({
  name:
    "The file with the number of a fetch is not used if another user wrote it",
  ignore,
  fn: async () => {
    await using folder = await tempShare();
    const target = join(folder.path, "file");
    await KeptFetch.open(target, "pass");
    const [name = ""] = namesIn(folder.path);
    const path = join(folder.path, name);
    using _given = await giveAway(path);
    const failure = await assertRejects(
      () => KeptFetch.open(target, "pass"),
      Failure,
    );
    assertMatch(failure.message, /p2p-part\): it belongs to another user/);
  },
});

Deno.test("openLeftover finds nothing if nothing was left", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, ".file.p2p-part");
  assertEquals(await openLeftover(path, { write: true }), undefined);
  assertEquals(namesIn(folder.path), []);
});

Deno.test({
  name: "openLeftover waits for another process that is publishing the file",
  ignore,
  fn: async () => {
    await using folder = await tempShare({ ".file.p2p-part": "left" });
    const path = join(folder.path, ".file.p2p-part");
    await Deno.link(path, join(folder.path, "file"));
    const { lstat } = Deno;
    let checks = 0;
    Object.assign(Deno, {
      lstat: async (at: string) => {
        if (++checks === 4) await Deno.remove(join(folder.path, "file"));
        return await lstat(at);
      },
    });
    using _lstat = {
      [Symbol.dispose]: () => void Object.assign(Deno, { lstat }),
    };
    using file = await openLeftover(path, { write: true });
    assertEquals((await file?.stat())?.size, 4);
    assert(checks >= 4);
  },
});

Deno.test({
  name: "openLeftover refuses a file that keeps another name",
  ignore,
  fn: async () => {
    await using folder = await tempShare({ ".file.p2p-part": "left" });
    const path = join(folder.path, ".file.p2p-part");
    await Deno.link(path, join(folder.path, "file"));
    const failure = await assertRejects(
      () => openLeftover(path, { write: true }),
      Failure,
    );
    assertMatch(failure.message, /it is a link, or not a regular file$/);
  },
});
