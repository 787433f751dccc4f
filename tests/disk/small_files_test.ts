import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { SmallFiles } from "../../lib/disk/small_files.ts";
import { within } from "../_event_log.ts";
import { tempShare } from "../_temp_share.ts";
import {
  assertContent,
  CONTENT,
  namesIn,
  NEW,
  rejection,
  replaced,
  run,
  systemError,
} from "./_partial.ts";

Deno.test("SmallFiles closes a partial file of an earlier run when the disk is full, and continues later", async () => {
  await using folder = await tempShare({ ".file.p2p-part": "left" });
  const path = join(folder.path, "file");
  const save = () => new SmallFiles().save(path, CONTENT.slice(0, 3), NEW);
  {
    using _full = replaced(
      Deno.FsFile.prototype,
      "write",
      () => () => Promise.reject(systemError("ENOSPC")),
    );
    const failure = await rejection(save());
    assertEquals(failure.parts.why, "no space left on the disk");
  }
  await save();
  await assertContent(path, CONTENT.slice(0, 3));
  assertEquals(namesIn(folder.path), ["file"]);
});

Deno.test({
  name:
    "SmallFiles saves a file again that a full disk cut short under umask 002",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using folder = await tempShare();
    const path = join(folder.path, "file");
    const { child, starting } = run(
      `
      Deno.umask(0o002);
      const { writeSync } = Deno.FsFile.prototype;
      const save = () => new SmallFiles().save(path, Uint8Array.of(7), options);
      Deno.FsFile.prototype.writeSync = () => {
        throw Object.assign(new Error("full"), { code: "ENOSPC" });
      };
      const first = await save().catch(({ parts }) => parts.why);
      Deno.FsFile.prototype.writeSync = writeSync;
      const second = await save().catch(({ parts }) => parts.why);
      console.log(JSON.stringify([first, second ?? "saved"]));
    `,
      path,
    );
    await starting;
    const { stdout } = await child.output();
    const ends = JSON.parse(new TextDecoder().decode(stdout));
    assertEquals(ends, ["no space left on the disk", "saved"]);
    assertEquals((await Deno.stat(path)).mode! & 0o7777, 0o664);
    assertEquals(namesIn(folder.path), ["file"]);
  },
});

Deno.test("SmallFiles saves one file after the other, and leaves nothing else", async () => {
  await using folder = await tempShare();
  const small = new SmallFiles();
  const names = Array.from({ length: 20 }, (_, n) => `f${n}`);
  for (const [length, name] of names.entries()) {
    const path = join(folder.path, name);
    await small.save(path, CONTENT.slice(0, length), NEW);
  }
  assertEquals(namesIn(folder.path), names.toSorted());
  for (const [length, name] of names.entries()) {
    const bytes = await Deno.readFile(join(folder.path, name));
    assertEquals(bytes, CONTENT.slice(0, length));
  }
});

Deno.test("SmallFiles receives a small file again that an earlier run left incomplete", async () => {
  await using folder = await tempShare({ ".file.p2p-part": "much longer" });
  const path = join(folder.path, "file");
  await new SmallFiles().save(path, CONTENT.slice(0, 3), NEW);
  await assertContent(path, CONTENT.slice(0, 3));
  assertEquals(namesIn(folder.path), ["file"]);
});

Deno.test("SmallFiles writes everything to a disk that accepts a part at a time", async () => {
  await using folder = await tempShare();
  using _short = replaced(
    Deno.FsFile.prototype,
    "writeSync",
    (writeSync) =>
      function (this: Deno.FsFile, bytes: Uint8Array) {
        return writeSync.call(this, bytes.subarray(0, 7));
      },
  );
  const path = join(folder.path, "file");
  await new SmallFiles().save(path, CONTENT.slice(0, 1_000), NEW);
  await assertContent(path, CONTENT.slice(0, 1_000));
});

/** A disk on which making a file durable takes its time. */
function slowDisk(): Disposable {
  return replaced(
    Deno.FsFile.prototype,
    "syncSync",
    (syncSync) =>
      function (this: Deno.FsFile) {
        const until = performance.now() + 16;
        while (performance.now() < until);
        syncSync.call(this);
      },
  );
}

Deno.test("SmallFiles lets several files wait for a slow disk together", async () => {
  await using folder = await tempShare();
  using _slow = slowDisk();
  const small = new SmallFiles();
  const path = (n: number) => join(folder.path, `${n}`);
  await small.save(path(0), CONTENT.slice(0, 1), NEW); // finds it slow
  let waiting = 0, most = 0;
  using _sync = replaced(
    Deno.FsFile.prototype,
    "sync",
    (sync) =>
      async function (this: Deno.FsFile) {
        most = Math.max(most, ++waiting);
        await sync.call(this);
        waiting--;
      },
  );
  await Promise.all(
    [1, 2, 3, 4].map((n) => small.save(path(n), CONTENT.slice(0, n), NEW)),
  );
  assertEquals(most, 4);
  for (const n of [0, 1, 2, 3, 4]) {
    assertEquals((await Deno.readFile(path(n))).length, Math.max(1, n));
  }
  assertEquals(namesIn(folder.path), ["0", "1", "2", "3", "4"]);
});

Deno.test("SmallFiles allows one user at a time: the second fails, the first does not", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "file");
  const [one, other] = ["one", "other"].map((text) =>
    new TextEncoder().encode(text)
  );
  const small = new SmallFiles();
  {
    using _slow = slowDisk();
    await small.save(join(folder.path, "slow"), one!, NEW); // finds it slow
  }
  const syncing = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  using _sync = replaced(
    Deno.FsFile.prototype,
    "sync",
    (sync) =>
      async function (this: Deno.FsFile) {
        syncing.resolve();
        await goOn.promise;
        await sync.call(this);
      },
  );
  const saving = small.save(path, one!, NEW);
  await within(syncing.promise, "the first at the disk");
  const impatient = new SmallFiles({ otherSaverMs: 0 });
  const failure = await rejection(impatient.save(path, other!, NEW));
  assertEquals(failure.parts.why, "another process is receiving it");
  goOn.resolve();
  await saving;
  assertEquals(await Deno.readTextFile(path), "one");
  assertEquals(namesIn(folder.path), ["file", "slow"]);
});

Deno.test("SmallFiles keeps nothing that it could not make durable: only memory may have it", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "file");
  const save = () => new SmallFiles().save(path, CONTENT.slice(0, 3), NEW);
  {
    const fail = () => {
      throw systemError("EIO");
    };
    using stack = new DisposableStack();
    const { prototype } = Deno.FsFile;
    stack.use(replaced(prototype, "syncSync", () => fail));
    stack.use(replaced(prototype, "sync", () => () => Promise.try(fail)));
    const { parts } = await rejection(save());
    assertMatch(parts.remedy!, /from the beginning/);
  }
  assertEquals(namesIn(folder.path), []);
  await save();
  await assertContent(path, CONTENT.slice(0, 3));
});
