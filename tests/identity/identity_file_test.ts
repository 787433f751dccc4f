import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { Failure } from "../../lib/base/errors.ts";
import { hasIdentity, loadIdentity } from "../../lib/identity/identity_file.ts";
import { replaced, systemError } from "../_replaced.ts";
import { syncsOfFiles } from "../_syncs.ts";
import { tempShare } from "../_temp_share.ts";

Deno.test("loadIdentity makes an identity once, readable only by its owner", async () => {
  await using folder = await tempShare();
  const state = join(folder.path, "deep", "state");
  assertEquals(await hasIdentity(state), false);
  const made = await loadIdentity(state);
  assertEquals(await hasIdentity(state), true);
  const read = await loadIdentity(state);
  assertEquals(read.id, made.id);
  assertEquals(read.certificatePem, made.certificatePem);
  const { mode } = await Deno.stat(join(state, "identity.pem"));
  if (Deno.build.os !== "windows") assertEquals(mode! & 0o777, 0o600);
  assertEquals(
    (await Array.fromAsync(Deno.readDir(state))).length,
    1,
    "nothing is left behind",
  );
});

Deno.test("loadIdentity makes a new identity durable before it is used: its bytes, its name and its folder", async () => {
  await using folder = await tempShare();
  const state = join(folder.path, "state");
  const synced: string[] = [];
  using _syncs = syncsOfFiles(synced);
  await loadIdentity(state);
  const [bytes, ...names] = synced;
  assertMatch(bytes!, /\/identity\.pem\./);
  assertEquals(names, [state, folder.path]);
});

Deno.test("loadIdentity gives two processes that start at once the same identity", async () => {
  await using folder = await tempShare();
  const loading = Array.from({ length: 8 }, () => loadIdentity(folder.path));
  const ids = (await Promise.all(loading)).map(({ id }) => id);
  assertEquals(new Set(ids).size, 1);
});

for (const mode of [0o644, 0o640, 0o660]) {
  Deno.test({
    name: `loadIdentity refuses a file of mode ${
      mode.toString(8)
    }, and says what to do`,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      await using folder = await tempShare();
      await loadIdentity(folder.path);
      const path = join(folder.path, "identity.pem");
      await Deno.chmod(path, mode);
      const error = await assertRejects(
        () => loadIdentity(folder.path),
        Failure,
      );
      assertEquals(error.kind, "local");
      assertEquals(error.parts.remedy, `run chmod 600 ${path}`);
    },
  });
}

for (
  const content of [
    "",
    "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
  ]
) {
  Deno.test(`loadIdentity refuses a damaged file of ${content.length} bytes`, async () => {
    await using folder = await tempShare();
    const path = join(folder.path, "identity.pem");
    await Deno.writeTextFile(path, content, { mode: 0o600 });
    const error = await assertRejects(() => loadIdentity(folder.path), Failure);
    assertEquals(error.kind, "local");
    assertEquals(
      await Deno.readTextFile(path),
      content,
      "nothing is overwritten",
    );
  });
}

Deno.test("loadIdentity reports why the file could not be written", async () => {
  await using folder = await tempShare();
  const full = systemError("ENOSPC");
  using _disk = replaced(
    Deno.FsFile.prototype,
    "write",
    () => () => Promise.reject(full),
  );
  const error = await assertRejects(() => loadIdentity(folder.path), Failure);
  assertEquals(error.parts.why, "no space left on the disk");
  assertEquals(await Array.fromAsync(Deno.readDir(folder.path)), []);
});

Deno.test("loadIdentity refuses a state folder that is a file", async () => {
  await using folder = await tempShare({ "file": "x" });
  const error = await assertRejects(
    () => loadIdentity(join(folder.path, "file")),
    Failure,
  );
  assertEquals(error.kind, "local");
});

Deno.test("loadIdentity makes no identity in place of a link to nothing", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "identity.pem");
  const behind = join(folder.path, "key", "identity.pem");
  await Deno.symlink(behind, path);
  const error = await assertRejects(() => loadIdentity(folder.path), Failure);
  assertMatch(error.message, /it is a link to a file that does not exist/);
  assertEquals(await Deno.readLink(path), behind);
  await Deno.mkdir(join(folder.path, "key"));
  await Deno.remove(path);
  const { id } = await loadIdentity(folder.path);
  await Deno.rename(path, behind);
  await Deno.symlink(behind, path);
  assertEquals((await loadIdentity(folder.path)).id, id);
});
