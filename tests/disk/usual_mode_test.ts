import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { usualMode } from "../../lib/disk/publishing.ts";
import { tempShare } from "../_temp_share.ts";
import { namesIn, OVER, run, SAVES } from "./_partial.ts";

for (const umask of [0o022, 0o002, 0o077, 0o007]) {
  const mode = 0o666 & ~umask;
  Deno.test({
    name: `A file that was received has mode ${mode.toString(8)} under umask ${
      umask.toString(8).padStart(3, "0")
    }, and 600 until then`,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      await using folder = await tempShare();
      const path = join(folder.path, "file");
      const { child, starting } = run(
        `
        Deno.umask(${umask});
        const modeOf = (at) => Deno.statSync(at).mode & 0o7777;
        const partial = await PartialFile.open(path, { ...options, size: 1 });
        await partial.write(0, new Uint8Array(1));
        const before = modeOf(path.replace(/file$/, ".file.p2p-part"));
        await partial.finish();
        await new SmallFiles().save(path + "2", new Uint8Array(1), options);
        console.log(before, modeOf(path), modeOf(path + "2"));
      `,
        path,
      );
      await starting;
      const { stdout } = await child.output();
      const modes = new TextDecoder().decode(stdout).trim().split(" ");
      assertEquals(modes.map(Number), [0o600, mode, mode]);
    },
  });
}

Deno.test("usualMode leaves nothing in the folder", async () => {
  await using folder = await tempShare();
  const mode = await usualMode(folder.path);
  assertEquals(mode & ~0o666, 0, "no file becomes a program");
  assertEquals(namesIn(folder.path), []);
});

for (
  const [what, race, left] of [
    ["several ask at once", "", []],
    [
      "another process asks at the same time, and is quicker",
      `
        let others = 2;
        const { remove } = Deno;
        Deno.remove = async (at) => {
          const isThere = await remove(at).then(() => true, () => false);
          if (others-- > 0) await Deno.writeTextFile(at, "");
          else if (!isThere) throw new Deno.errors.NotFound();
        };
      `,
      [],
    ],
    [
      "another process removes what is looked at",
      `
        const { open } = Deno;
        Deno.open = async (at, options) => {
          const file = await open(at, options);
          if (at.endsWith("/.mode.p2p-part")) await Deno.remove(at);
          return file;
        };
      `,
      [],
    ],
    [
      "another user's probe cannot be removed",
      `
        Deno.writeTextFileSync(folder + "/.mode.p2p-part", "planted");
        const { remove } = Deno;
        Deno.remove = (at) =>
          at.endsWith("/.mode.p2p-part")
            ? Promise.reject(new Deno.errors.PermissionDenied("sticky"))
            : remove(at);
      `,
      [".mode.p2p-part"],
    ],
  ] as const
) {
  Deno.test(`usualMode is found where ${what}`, async () => {
    await using folder = await tempShare();
    const { child, starting } = run(
      `
        const { usualMode } = await import(at("publishing.ts"));
        const folder = path.slice(0, path.lastIndexOf("/"));
        ${race}
        const modes = await Promise.all([0, 1, 2].map(() => usualMode(folder)));
        console.log(new Set(modes).size, modes[0] & ~0o666);
      `,
      join(folder.path, "file"),
    );
    await starting;
    const { stdout } = await child.output();
    assertEquals(new TextDecoder().decode(stdout).trim(), "1 0");
    assertEquals(namesIn(folder.path), [...left]);
  });
}

for (const { name, save } of SAVES) {
  Deno.test({
    name:
      `${name} gives other users no access to a file that they did not have to the one before`,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      await using folder = await tempShare({ "file": "old" });
      const path = join(folder.path, "file");
      await Deno.chmod(path, 0o600);
      await save(path, OVER);
      assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
    },
  });
}
