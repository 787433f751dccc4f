import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { Failure } from "../../lib/base/errors.ts";
import { partialPathOf } from "../../lib/disk/partial_name.ts";
import { SmallFiles } from "../../lib/disk/small_files.ts";
import { within } from "../_event_log.ts";
import { tempShare } from "../_temp_share.ts";
import { testWith } from "../_tools.ts";
import {
  assertContent,
  CONTENT,
  HASHER,
  MANIFEST,
  namesIn,
  NEW,
  open,
  OVER,
  PIECE,
  rejection,
  replaced,
  run,
  SAVES,
  SIZE,
} from "./_partial.ts";

/** What somebody may have put at the partial name to lead us elsewhere. */
const PLANTED: readonly [string, (at: string, to: string) => Promise<void>][] =
  [
    ["a symbolic link", (at, to) => Deno.symlink(to, at)],
    ["a hard link", (at, to) => Deno.link(to, at)],
    ["a folder", (at) => Deno.mkdir(at)],
    ["a link to nothing", (at, to) => Deno.symlink(`${to}.missing`, at)],
  ];

for (const [what, plant] of PLANTED) {
  Deno.test(`PartialFile refuses ${what} at the partial name, and does not touch it`, async () => {
    await using folder = await tempShare({ "victim": "mine" });
    const path = join(folder.path, "file");
    const victim = join(folder.path, "victim");
    await plant(partialPathOf(path), victim);
    const failure = await rejection(open(path));
    assertEquals(failure.parts.what, "Cannot resume partial file");
    assertEquals(await Deno.readTextFile(victim), "mine");
    assertEquals(namesIn(folder.path), [".file.p2p-part", "victim"]);
  });

  Deno.test(`SmallFiles refuses ${what} at the partial name, and does not touch it`, async () => {
    await using folder = await tempShare({ "victim": "mine" });
    const path = join(folder.path, "file");
    const victim = join(folder.path, "victim");
    await plant(partialPathOf(path), victim);
    await rejection(new SmallFiles().save(path, CONTENT.slice(0, 9), NEW));
    assertEquals(await Deno.readTextFile(victim), "mine");
    assertEquals(namesIn(folder.path), [".file.p2p-part", "victim"]);
  });
}

for (const { name, content, save } of SAVES) {
  Deno.test(`${name} continues after a crash between giving a file its name and tidying up`, async () => {
    await using folder = await tempShare();
    const path = join(folder.path, "file");
    await save(path);
    await Deno.link(path, partialPathOf(path));
    await save(path, OVER);
    await assertContent(path, content);
    assertEquals(namesIn(folder.path), ["file"]);
  });
}

for (const { name, content, save } of SAVES) {
  Deno.test(`${name} succeeds if another process removes the temporary name first`, async () => {
    await using folder = await tempShare();
    const path = join(folder.path, "file");
    using _async = replaced(Deno, "link", (link) => async (from, to) => {
      await link(from, to);
      await Deno.remove(from);
    });
    using _sync = replaced(Deno, "linkSync", (linkSync) => (from, to) => {
      linkSync(from, to);
      Deno.removeSync(from);
    });
    await save(path);
    await assertContent(path, content);
    assertEquals(namesIn(folder.path), ["file"]);
  });
}

Deno.test("PartialFile is made new if the old one is removed while it is opened", async () => {
  await using folder = await tempShare({ ".file.p2p-part": "left" });
  const path = join(folder.path, "file");
  {
    using _race = replaced(Deno, "open", (open) => async (at, options) => {
      try {
        return await open(at, options);
      } catch (error) {
        await Deno.remove(at); // its user is done
        throw error;
      }
    });
    const partial = await open(path);
    assertEquals(await partial.byteCount(), 0);
    await partial.keep();
  }
  assertEquals(namesIn(folder.path), [".file.p2p-part"]);
});

testWith(
  ["mkfifo"],
  "PartialFile refuses a pipe at the partial name, and does not wait for it",
  async () => {
    await using folder = await tempShare();
    const path = join(folder.path, "file");
    const made = new Deno.Command("mkfifo", { args: [partialPathOf(path)] });
    assert((await made.output()).success);
    await rejection(open(path));
  },
);

Deno.test("PartialFile notices that a link was put at the partial name as it opens it", async () => {
  await using folder = await tempShare({
    ".file.p2p-part": "left",
    "victim": "mine",
  });
  const path = join(folder.path, "file");
  using _race = replaced(
    Deno,
    "open",
    (open) => async (at, options) => {
      if (options?.createNew || at !== partialPathOf(path)) {
        return await open(at, options);
      }
      await Deno.remove(at);
      await Deno.symlink(join(folder.path, "victim"), at);
      return await open(at, options);
    },
  );
  await rejection(open(path));
  assertEquals(await Deno.readTextFile(join(folder.path, "victim")), "mine");
});

/** Puts a link to another folder, where something lies in wait, in a folder's place. */
async function swap(folder: string, other: string): Promise<void> {
  await Deno.rename(folder, `${folder}-away`);
  await Deno.symlink(other, folder);
}

for (const when of ["while it is received", "as it is published"] as const) {
  Deno.test(`PartialFile notices that its folder was replaced by a link ${when}`, async () => {
    await using folder = await tempShare({
      "sub/old": "",
      "other/.file.p2p-part": "another's",
    });
    const [sub, other] = ["sub", "other"].map((name) =>
      join(folder.path, name)
    ) as [string, string];
    const partial = await open(join(sub, "file"));
    await partial.write(0, CONTENT);
    if (when === "while it is received") await swap(sub, other);
    using _race = replaced(Deno, "link", (link) => async (from, to) => {
      if (when === "as it is published") await swap(sub, other);
      await link(from, to);
    });
    const failure = await rejection(partial.finish());
    assertEquals(
      failure.parts.why,
      "its folder was replaced in the meantime",
    );
    const found = (await Array.fromAsync(Deno.readDir(other)))
      .map(({ name }) => name);
    // What took a link there was never ours, and did not get our bytes.
    for (const name of found) {
      assertEquals(await Deno.readTextFile(join(other, name)), "another's");
    }
    if (when === "while it is received") assertEquals(found.length, 1);
  });
}

Deno.test("PartialFile allows one user at a time", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "file");
  const first = await open(path);
  await first.write(0, CONTENT.slice(0, PIECE));
  const failure = await rejection(open(path));
  assertEquals(failure.parts.why, "another process is receiving it");
  assertEquals(await first.byteCount(), PIECE, "it is left alone");
  await first.keep();
  const second = await open(path);
  assertEquals(await second.resume(MANIFEST, HASHER), [0]);
  await second.discard();
});

Deno.test("PartialFile belongs to one process, and is free again after that was killed", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "file");
  const { child, starting } = run(
    `
    const partial = await PartialFile.open(path, { ...options, size: ${SIZE} });
    await partial.write(0, new Uint8Array(9).fill(1));
    console.log("open");
    setInterval(() => partial, 1_000);
  `,
    path,
  );
  await starting;
  const reader = child.stdout.getReader();
  await within(reader.read(), "the other process");
  const failure = await rejection(open(path));
  assertEquals(failure.parts.why, "another process is receiving it");
  child.kill("SIGKILL");
  await child.status;
  await reader.cancel();
  const partial = await open(path);
  assertEquals(await partial.byteCount(), 9);
  await partial.discard();
});

Deno.test("PartialFile does not reuse a file that was published while it opened it", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "file");
  const first = await open(path);
  await first.write(0, CONTENT.slice());
  using _race = replaced(
    Deno.FsFile.prototype,
    "tryLock",
    (tryLock) =>
      async function (this: Deno.FsFile, exclusive?: boolean) {
        await first.finish(); // between opening and locking
        return await tryLock.call(this, exclusive);
      },
  );
  const second = await open(path).catch((error) => {
    assert(error instanceof Failure);
    return undefined;
  });
  // Of another version of the file, say.
  await second?.write(0, new Uint8Array(PIECE));
  await second?.keep();
  await assertContent(path, CONTENT);
});
