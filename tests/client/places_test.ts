/**
 * Saving below a folder in which other users of the machine may change things:
 * folders that are replaced by links, and files that are not one's own.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { basename, join } from "@std/path";
import type { ClientEvent } from "../../lib/client/events.ts";
import { Failure } from "../../lib/base/errors.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { sendHonestly, type SendPiece } from "../_lies.ts";
import { startNode, startRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { type TempFolder, tempShare } from "../_temp_share.ts";
import { ClientLog, everything, filesIn, get } from "./_outcomes.ts";
import { PIECE, startLyingNode } from "./_setting.ts";

const ANOTHER = 54_321;
const ignore = Deno.build.os === "windows";
/** Only root can give files away. */
const notRoot = ignore || Deno.uid() !== 0;

const LARGE = many(12, (n) => randomBytes(2 * PIECE, seededRandom(n)));
const SMALL = many(300, (n) => new TextEncoder().encode(`small ${n}`));

function many<Content>(
  count: number,
  content: (n: number) => Content,
): Record<string, Content> {
  return Object.fromEntries(
    Array.from({ length: count }, (_, n) => [`lg/f${n}`, content(n)]),
  );
}

/**
 * Sends the files that are asked for first, and the others once the client has
 * saved one of those. Files that are asked for together are saved together.
 */
function firstOnes(saved: Promise<void>): SendPiece {
  let first: number | undefined;
  return async (channel, piece) => {
    first ??= piece.message.request;
    if (piece.message.request !== first) await saved;
    await sendHonestly(channel, piece);
  };
}

/** Calls a function when the first file has been saved. */
class AtFirst extends ClientLog {
  constructor(act: () => void) {
    super();
    const { onEvent } = this;
    let isDone = false;
    Object.assign(this, {
      onEvent: (event: ClientEvent) => {
        onEvent(event);
        if (isDone || event.event !== "file_received") return;
        isDone = true;
        act();
      },
    });
  }
}

const TURNS = [false, true].flatMap((overwrite) =>
  (["its", "the new target", "the old target"] as const).map((which) => ({
    overwrite,
    which,
  }))
);

for (const [size, all] of [["large", LARGE], ["small", SMALL]] as const) {
  for (const { overwrite, which } of TURNS) {
    const how = overwrite ? "with" : "without";
    const isBelow = which === "its";
    const files = isBelow ? all : Object.fromEntries(
      Object.entries(all).map(([name, bytes]) => [name.slice(3), bytes]),
    );
    Deno.test({
      name:
        `getFiles saves no ${size} file through a link that takes the place of ${which} folder, ${how} overwriting`,
      ignore,
      fn: async () => {
        await using relay = await startRelay();
        const saved = Promise.withResolvers<void>();
        await using _node = await startLyingNode(relay, files, {
          piece: firstOnes(saved.promise),
        });
        const names = Object.keys(files);
        const mine = overwrite
          ? Object.fromEntries(names.map((name) => [basename(name), "mine"]))
          : { kept: "mine" };
        await using victim = await tempShare(mine);
        await using folder = await tempShare();
        const lg = join(folder.path, "lg");
        if (which === "the old target") await Deno.mkdir(lg);
        const log = new AtFirst(() => {
          Deno.renameSync(lg, join(folder.path, "away"));
          Deno.symlinkSync(victim.path, lg);
          saved.resolve();
        });
        const { error } = await get(
          relay,
          isBelow ? folder.path : lg,
          [everything()],
          { log, overwrite },
        );
        assert(error instanceof Failure);
        assertEquals(error.kind, "local");
        // Or a file came between the two steps of the one who swaps them.
        assertMatch(
          error.message,
          /its folder was replaced in the meantime|does not exist|no such file/,
        );
        // Files that were being written at that moment may be there.
        const received = log.of("file_received");
        const kept = new Set(filesIn(join(folder.path, "away")));
        assertEquals(
          received.filter(({ name }) => !kept.has(basename(name))),
          [],
        );
        const most = size === "large" ? 1 : LIMITS.batchFileCount;
        await assertUntouched(victim, mine, most - received.length);
      },
    });
  }
}

/** That at most so many files of a folder are new or other ones. */
async function assertUntouched(
  folder: TempFolder,
  mine: Readonly<Record<string, string>>,
  most: number,
): Promise<void> {
  let touched = 0;
  for (const name of filesIn(folder.path)) {
    const text = await Deno.readTextFile(join(folder.path, name));
    if (text !== mine[name]) touched++;
  }
  assert(touched <= most, `${touched} files were touched`);
}

Deno.test({
  name: "getFiles makes no folder through a link",
  ignore,
  fn: async () => {
    await using relay = await startRelay();
    await using _node = await startNode(relay, { "lg/new/f": "small" });
    await using victim = await tempShare();
    await using folder = await tempShare();
    await Deno.symlink(victim.path, join(folder.path, "lg"));
    const { failed } = await get(relay, folder.path, ["lg/new/f"]);
    assertEquals(failed, { "lg/new/f": "local" });
    assertEquals(await Array.fromAsync(Deno.readDir(victim.path)), []);
  },
});

Deno.test({
  name:
    "getFiles saves in no folder of another user below the target folder, unless a group shares it",
  ignore: notRoot,
  fn: async () => {
    await using relay = await startRelay();
    await using _node = await startNode(relay, { "lg/f": "small" });
    for (
      const [mode, owner, isRefused] of [
        [0o1777, 0, true],
        [0o777, 0, true],
        [0o755, 0, true],
        [0o3775, 0, true],
        [0o2775, 0, false],
        [0o755, ANOTHER, false],
        [0o1777, ANOTHER, false],
      ] as const
    ) {
      await using folder = await tempShare({ "lg/x": "" });
      await Deno.chown(join(folder.path, "lg"), ANOTHER, ANOTHER);
      await Deno.chown(folder.path, owner, owner);
      await Deno.chmod(folder.path, mode);
      const how = `${mode.toString(8)} of ${owner}`;
      const { failed, saved, log } = await get(relay, folder.path, ["lg/f"]);
      assertEquals("lg/f" in saved, !isRefused, how);
      assertEquals("lg/f" in failed, isRefused, how);
      const [said] = log.of("file_failed").map(({ error }) => error);
      if (!isRefused) continue;
      assertMatch(
        said!.message,
        /lg\): it belongs to another user \(uid 54321/,
      );
      assertEquals((said as Failure).parts.remedyCode, "elsewhere");
      const dry = await get(relay, folder.path, ["lg/f"], { dryRun: true });
      assertEquals(dry.log.of("file_planned").length, 1, how);
    }
  },
});

Deno.test({
  name:
    "getFiles counts another user's file with the same content as saved only if a group shares the folder, and replaces it if it may",
  ignore: notRoot,
  fn: async () => {
    await using relay = await startRelay();
    await using _node = await startNode(relay, { "f": "small" });
    for (
      const [mode, folderMode, uid, why] of [
        [0o644, 0o755, ANOTHER, /it belongs to another user \(uid 54321\)/],
        [0o644, 0o1777, ANOTHER, /it belongs to another user \(uid 54321\)/],
        [0o646, 0o755, 0, /all users can write to it/],
        [0o644, 0o2775, ANOTHER, undefined],
        [0o664, 0o755, 0, undefined],
      ] as const
    ) {
      await using folder = await tempShare({ "f": "small" });
      const path = join(folder.path, "f");
      await Deno.chown(path, uid, uid);
      await Deno.chmod(path, mode);
      await Deno.chmod(folder.path, folderMode);
      const how = `${mode.toString(8)} of ${uid} in ${folderMode.toString(8)}`;
      const { failed, log } = await get(relay, folder.path, ["f"]);
      assertEquals("f" in failed, why !== undefined, how);
      assertEquals(log.of("file_present").length, why ? 0 : 1, how);
      if (why === undefined) continue;
      const [said] = log.of("file_failed").map(({ error }) => error);
      assertMatch(said!.message, why);
      assertEquals((said as Failure).parts.remedyCode, "elsewhere_or_replace");
      const again = await get(relay, folder.path, ["f"], { overwrite: true });
      assertEquals(again.log.of("file_received").length, 1, how);
      assertEquals((await Deno.lstat(path)).uid, 0, how);
      assertEquals((await Deno.lstat(path)).mode! & 0o002, 0, how);
    }
  },
});

for (const size of ["small", "large"] as const) {
  Deno.test({
    name:
      `getFiles removes no other file, and leaves no second name, if a ${size} file is saved at a path with .. after a link or a missing folder`,
    ignore,
    fn: async () => {
      await using relay = await startRelay();
      const content = randomBytes(
        size === "small" ? 9 : 2 * PIECE,
        seededRandom(1),
      );
      await using _node = await startNode(relay, { f: content });
      await using folder = await tempShare({ "far/.f.p2p-part": "theirs" });
      await Deno.mkdir(join(folder.path, "far", "in"));
      await Deno.mkdir(join(folder.path, "near"));
      const link = join(folder.path, "near", "link");
      await Deno.symlink(join(folder.path, "far", "in"), link);
      const { saved } = await get(relay, `${link}/..`, ["f"]);
      assertEquals(Object.keys(saved), ["f"]);
      await get(relay, `${folder.path}/none/..`, ["f"]);
      assertEquals(filesIn(folder.path), [
        "f",
        "far/.f.p2p-part",
        "near/f",
        "near/link",
      ]);
    },
  });
}

Deno.test({
  name:
    "getFiles saves through a link to the folder that the user chose, also if a file's own folder has the same name",
  ignore,
  fn: async () => {
    await using relay = await startRelay();
    const files = { "lg/f": "small", "lg/sub/g": "small" };
    await using _node = await startNode(relay, files);
    await using behind = await tempShare();
    await using elsewhere = await tempShare();
    await using folder = await tempShare();
    const lg = join(folder.path, "lg");
    await Deno.symlink(behind.path, lg);
    await Deno.symlink(elsewhere.path, join(behind.path, "sub"));
    for (const target of [lg, lg + "/"]) {
      const options = { folder: target, overwrite: true };
      const dry = { ...options, dryRun: true };
      const wanted = ["lg/f", "lg/sub/g"];
      const planned = await get(relay, folder.path, wanted, dry);
      assertEquals(planned.failed, { "lg/sub/g": "local" });
      const { failed, saved } = await get(relay, folder.path, wanted, options);
      assertEquals(failed, { "lg/sub/g": "local" });
      assertEquals(Object.keys(saved), ["lg/f"]);
      assertEquals(filesIn(elsewhere.path), []);
    }
    assertEquals(await Deno.readTextFile(join(behind.path, "f")), "small");
    for (const place of [`${folder.path}/.`, `${folder.path}/`]) {
      const options = { folder: `${place}/lg`, overwrite: true };
      const { failed } = await get(relay, place, ["lg/f"], options);
      assertEquals(failed, {}, place);
    }
    const { failed } = await get(relay, folder.path, ["lg/f"]);
    assertEquals(
      failed,
      { "lg/f": "local" },
      "by default, lg is a folder of the name",
    );
  },
});
