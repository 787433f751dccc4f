import { assert, assertEquals, assertMatch } from "@std/assert";
import { basename, join } from "@std/path";
import { existingEntryAt } from "../../lib/disk/existing_entry.ts";
import { SmallFiles } from "../../lib/disk/small_files.ts";
import { tempShare } from "../_temp_share.ts";
import {
  assertContent,
  CONTENT,
  HASHER,
  MANIFEST,
  MODIFIED_MS,
  namesIn,
  NEW,
  open,
  OVER,
  rejection,
  replaced,
  SAVES,
  systemError,
} from "./_partial.ts";

/** What can be under the final name, and how to see that it was left alone. */
const OCCUPANTS: readonly {
  what: string;
  put: (path: string) => Promise<void>;
  isThere: (path: string) => Promise<boolean>;
}[] = [
  {
    what: "a file",
    put: (path) => Deno.writeTextFile(path, "mine"),
    isThere: async (path) => await Deno.readTextFile(path) === "mine",
  },
  {
    what: "a link to a file",
    put: async (path) => {
      await Deno.writeTextFile(`${path}.target`, "mine");
      await Deno.symlink(`${path}.target`, path);
    },
    isThere: async (path) =>
      (await Deno.lstat(path)).isSymlink &&
      await Deno.readTextFile(path) === "mine",
  },
  {
    what: "a link to nothing",
    put: (path) => Deno.symlink(`${path}.missing`, path),
    isThere: async (path) =>
      (await Deno.lstat(path)).isSymlink &&
      await existingEntryAt(`${path}.missing`, 0) === "none",
  },
  {
    what: "a folder",
    put: (path) => Deno.mkdir(path),
    isThere: async (path) => (await Deno.lstat(path)).isDirectory,
  },
];

for (const { what, put, isThere } of OCCUPANTS) {
  Deno.test(`PartialFile does not replace ${what} unless that was requested`, async () => {
    await using folder = await tempShare();
    const path = join(folder.path, "file");
    const partial = await open(path);
    await partial.write(0, CONTENT.slice());
    await put(path); // after the client has looked
    const failure = await rejection(partial.finish());
    assertEquals(failure.parts.why, "already exists");
    assertEquals(failure.parts.remedyCode, "replace_or_elsewhere");
    assert(await isThere(path));
    const again = await open(path);
    assertEquals(await again.resume(MANIFEST, HASHER), [0, 1, 2], "kept");
    await again.discard();
  });

  Deno.test(`SmallFiles does not replace ${what} unless that was requested`, async () => {
    await using folder = await tempShare();
    const path = join(folder.path, "file");
    await put(path);
    const saving = new SmallFiles().save(path, CONTENT.slice(0, 9), NEW);
    const failure = await rejection(saving);
    assertEquals(failure.parts.why, "already exists");
    assertEquals(failure.parts.remedyCode, "replace_or_elsewhere");
    assert(await isThere(path));
  });
}

for (const { name, content, save } of SAVES) {
  Deno.test(`${name} replaces a file in one step if that was requested`, async () => {
    await using folder = await tempShare({ "file": "old" });
    const path = join(folder.path, "file");
    using before = await Deno.open(path);
    await save(path, OVER);
    await assertContent(path, content);
    assertEquals(namesIn(folder.path), ["file"]);
    const old = new Uint8Array(9);
    assertEquals(
      await before.read(old),
      3,
      "who has the old one open keeps it",
    );
    assertEquals(new TextDecoder().decode(old.subarray(0, 3)), "old");
  });

  Deno.test(`${name} replaces a link, and not its target`, async () => {
    await using folder = await tempShare({ "target": "mine" });
    const path = join(folder.path, "file");
    await Deno.symlink(join(folder.path, "target"), path);
    await save(path, OVER);
    assertEquals((await Deno.lstat(path)).isFile, true);
    await assertContent(path, content);
    assertEquals(await Deno.readTextFile(join(folder.path, "target")), "mine");
  });

  for (const inside of [{}, { "file/x": "mine" }]) {
    const what = "file/x" in inside ? "one with files" : "an empty one";
    Deno.test(`${name} replaces no folder, not even ${what}`, async () => {
      await using folder = await tempShare(inside);
      const path = join(folder.path, "file");
      await Deno.mkdir(path, { recursive: true });
      await rejection(save(path, OVER));
      assertEquals(
        namesIn(path),
        Object.keys(inside).map((name) => basename(name)),
      );
    });
  }

  Deno.test(`${name} gives a file the time of writing that it had`, async () => {
    await using folder = await tempShare();
    const path = join(folder.path, "file");
    await save(path);
    assertEquals((await Deno.stat(path)).mtime?.getTime(), MODIFIED_MS);
    const before1970 = [-1, -1_500, -315_359_999_877, -2_147_483_648_000];
    for (const modifiedMs of [0, 1, 4_000_000_000_000, ...before1970]) {
      await save(path, { overwrite: true, modifiedMs });
      assertEquals((await Deno.stat(path)).mtime?.getTime(), modifiedMs);
    }
  });

  for (
    const modifiedMs of [
      -2_147_483_648_001,
      -1e300,
      NaN,
      Infinity,
      -Infinity,
      8e12,
      2 ** 53,
      1e300,
    ]
  ) {
    Deno.test(`${name} gives a file the current time instead of ${modifiedMs}`, async () => {
      await using folder = await tempShare();
      const path = join(folder.path, "file");
      const before = Date.now();
      await save(path, { overwrite: false, modifiedMs });
      const time = (await Deno.stat(path)).mtime!.getTime();
      assert(time >= before - 1_000 && time <= Date.now() + 1_000, `${time}`);
    });
  }

  Deno.test(`${name} reports why the folder cannot be saved to`, async () => {
    await using folder = await tempShare({ "file": "x" });
    const missing = await rejection(save(join(folder.path, "no\x1b[2J/f")));
    assertEquals(missing.parts.why, "its folder does not exist");
    assertEquals(missing.message.includes("\x1b"), false);
    const noFolder = await rejection(save(join(folder.path, "file", "f")));
    assertEquals(noFolder.parts.why, "not a folder");
  });

  Deno.test(
    `${name} makes a file durable before it has its name, and then the name`,
    async () => {
      await using folder = await tempShare();
      const steps: string[] = [];
      const note = <T extends object, Name extends keyof T>(
        object: T,
        name: Name,
      ) =>
        replaced(
          object,
          name,
          (original) =>
            function (this: unknown, ...given: unknown[]) {
              steps.push(String(name).replace("Sync", ""));
              return (original as (...given: unknown[]) => unknown)
                .apply(this, given);
            } as T[Name],
        );
      using stack = new DisposableStack();
      const { prototype } = Deno.FsFile;
      for (
        const method of ["write", "writeSync", "sync", "syncSync"] as const
      ) {
        stack.use(note(prototype, method));
      }
      for (
        const name of ["link", "linkSync", "rename", "renameSync"] as const
      ) {
        stack.use(note(Deno, name));
      }
      await save(join(folder.path, "new"));
      assertEquals(steps.filter((step, at) => step !== steps[at - 1]), [
        "write",
        "sync",
        "link",
        "sync",
      ]);
      steps.length = 0;
      await save(join(folder.path, "new"), OVER);
      assertEquals(steps.filter((step, at) => step !== steps[at - 1]), [
        "write",
        "sync",
        "rename",
        "sync",
      ]);
    },
  );

  for (const code of ["EPERM", "ENOTSUP", "EOPNOTSUPP"]) {
    Deno.test(`${name} publishes on a disk without hard links, ${code}, and replaces nothing`, async () => {
      await using folder = await tempShare({ "old": "mine" });
      const refuse = () => {
        throw systemError(code);
      };
      using _link = replaced(Deno, "link", () => () => Promise.try(refuse));
      using _linkSync = replaced(Deno, "linkSync", () => refuse);
      await save(join(folder.path, "new"));
      await assertContent(join(folder.path, "new"), content);
      const failure = await rejection(save(join(folder.path, "old")));
      assertEquals(failure.parts.why, "already exists");
      assertEquals(await Deno.readTextFile(join(folder.path, "old")), "mine");
    });
  }

  Deno.test(`${name} leaves no empty file if a disk without hard links fails`, async () => {
    await using folder = await tempShare();
    const path = join(folder.path, "new");
    {
      using stack = new DisposableStack();
      for (const [call, code] of [["link", "EPERM"], ["rename", "EIO"]]) {
        const refuse = () => {
          throw systemError(code!);
        };
        const calls = call as "link" | "rename";
        stack.use(replaced(Deno, calls, () => () => Promise.try(refuse)));
        stack.use(replaced(Deno, `${calls}Sync`, () => refuse));
      }
      const failure = await rejection(save(path));
      assertMatch(failure.parts.why, /input\/output error/);
    }
    assertEquals(await existingEntryAt(path, 0), "none");
    await save(path); // what was received is kept
    await assertContent(path, content);
  });

  Deno.test(`${name} does not mistake another failure for a disk without hard links`, async () => {
    await using folder = await tempShare();
    const refuse = () => {
      throw systemError("EIO");
    };
    using _link = replaced(Deno, "link", () => () => Promise.try(refuse));
    using _linkSync = replaced(Deno, "linkSync", () => refuse);
    const failure = await rejection(save(join(folder.path, "new")));
    assertMatch(failure.parts.why, /input\/output error/);
    assertEquals(await existingEntryAt(join(folder.path, "new"), 0), "none");
  });
}
