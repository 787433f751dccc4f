/**
 * Pipes in place of files: nothing waits for them.
 */

import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { readSecretFile } from "../../lib/access/secret_file.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { NotRegular, openRegular } from "../../lib/base/regular_file.ts";
import { digestFile } from "../../lib/cli/commands/digest.ts";
import { BaseFile } from "../../lib/disk/base_file.ts";
import { openLeftover } from "../../lib/disk/leftover_file.ts";
import { contentIdAt, sha256At } from "../../lib/disk/rehash.ts";
import { loadIdentity } from "../../lib/identity/identity_file.ts";
import { KnownRelays } from "../../lib/identity/known_relays.ts";
import { PlainHasher } from "../../lib/transfer/hashing.ts";
import { within } from "../_event_log.ts";
import { FakeTime } from "../_fake_time.ts";
import { replaced } from "../_replaced.ts";
import { tempShare } from "../_temp_share.ts";
import { testWith } from "../_tools.ts";

async function makePipe(path: string): Promise<void> {
  const { success } = await new Deno.Command("mkfifo", { args: [path] })
    .output();
  assertEquals(success, true);
}

/** All that opens a file where something else may lie. */
const READERS: readonly [string, (path: string) => Promise<unknown>][] = [
  ["openRegular", (path) => openRegular(path)],
  ["readSecretFile", (path) => readSecretFile(path, "secret")],
  ["KnownRelays.load", (path) => KnownRelays.load(path)],
  ["digestFile", (path) => digestFile(path)],
  ["BaseFile.open", (path) => BaseFile.open(path)],
  ["openLeftover", (path) => openLeftover(path, { write: false })],
  [
    "loadIdentity",
    async (path) => {
      const folder = `${path}-state`;
      await Deno.mkdir(folder, { mode: 0o700 });
      await makePipe(join(folder, "identity.pem"));
      await Deno.chmod(join(folder, "identity.pem"), 0o600);
      return await loadIdentity(folder);
    },
  ],
];

for (const [name, open] of READERS) {
  testWith(
    ["mkfifo"],
    `${name} refuses a pipe, and does not wait for a writer`,
    async () => {
      await using folder = await tempShare();
      const path = join(folder.path, "pipe");
      await makePipe(path);
      await within(
        assertRejects(() => open(path), Error, "regular"),
        "the refusal",
      );
    },
  );
}

testWith(
  ["mkfifo"],
  "A pipe in place of a file has no content, and nothing waits for one",
  async () => {
    await using folder = await tempShare();
    const path = join(folder.path, "pipe");
    await makePipe(path);
    const none = Promise.all([
      BaseFile.openReplaced(path),
      sha256At(path),
      contentIdAt(path, { size: 9, hasher: new PlainHasher() }),
      contentIdAt(path, { size: 9_000_000, hasher: new PlainHasher() }),
    ]);
    assertEquals(await within(none, "the answers"), [
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  },
);

testWith(
  ["mkfifo"],
  "openRegular refuses a file that another took the place of",
  async () => {
    await using folder = await tempShare({ "a": "mine", "b": "theirs" });
    const path = join(folder.path, "a");
    using _race = replaced(Deno, "open", (open) => async (at, options) => {
      await Deno.rename(join(folder.path, "b"), path);
      return await open(at, options);
    });
    await assertRejects(() => openRegular(path), NotRegular);
  },
);

Deno.test("openRegular gives up a file that does not open in time, and closes it if it opens later", async () => {
  const info = { isFile: true } as Deno.FileInfo;
  using _look = replaced(Deno, "stat", () => () => Promise.resolve(info));
  const late = Promise.withResolvers<Deno.FsFile>();
  using _open = replaced(Deno, "open", () => () => late.promise);
  using time = new FakeTime();
  let outcome: unknown;
  openRegular("x").catch((error) => outcome = error);
  await time.advance(LIMITS.regularOpenMs - 1);
  assertEquals(outcome, undefined);
  await time.advance(1);
  assertInstanceOf(outcome, NotRegular);
  let isClosed = false;
  late.resolve({ close: () => isClosed = true } as unknown as Deno.FsFile);
  await time.advance(0);
  assertEquals(isClosed, true);
});
