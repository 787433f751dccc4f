/**
 * Fetching files to the disk: what is there already, and what is left there.
 */

import { assertEquals, assertInstanceOf } from "@std/assert";
import { join } from "@std/path";
import type { Channel } from "../../lib/protocol/channel.ts";
import { Failure } from "../../lib/base/errors.ts";
import { staySilent } from "../_evil_node.ts";
import { within } from "../_event_log.ts";
import {
  closeEarly,
  describeBytes,
  sendHonestly,
  sendOnly,
  type SendPiece,
  stall,
} from "../_lies.ts";
import { startNode, startRelay } from "../_network.ts";
import { tempShare } from "../_temp_share.ts";
import {
  assertBytes,
  ClientLog,
  everything,
  filesIn,
  get,
} from "./_outcomes.ts";
import {
  MIDDLE,
  ONE_FAILURE,
  PARTIAL,
  PIECE,
  read,
  SIX_FILES,
  startLyingNode,
  TASK,
  untilFilesWait,
} from "./_setting.ts";

Deno.test("getFiles keeps the time of writing, and gives the file the usual mode", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, { "large": MIDDLE, "small": "s" });
  await using folder = await tempShare({ "usual": "" });
  const at = new Date("2020-02-02T02:02:02Z");
  for (const name of ["large", "small"]) {
    await Deno.utime(join(node.directory, name), at, at);
  }
  await get(relay, folder.path, ["large", "small"]);
  const usual = await Deno.stat(join(folder.path, "usual"));
  for (const name of ["large", "small"]) {
    const info = await Deno.stat(join(folder.path, name));
    assertEquals([info.mtime, info.mode], [at, usual.mode]);
  }
});

/** A partial file as an earlier run may have left it. */
function partialOf(
  content: Uint8Array,
  { wrong, bytes }: { wrong: readonly number[]; bytes: number },
): Uint8Array {
  const partial = content.slice(0, bytes);
  for (const piece of wrong) partial[piece * PIECE + 5]! ^= 1;
  return partial;
}

for (
  const [what, left, missing] of [
    ["has wrong pieces", { wrong: [1, 4], bytes: MIDDLE.length }, 2 * PIECE],
    ["is cut", { wrong: [0], bytes: 3 * PIECE + 9 }, MIDDLE.length - 2 * PIECE],
    ["is all right", { wrong: [], bytes: MIDDLE.length }, 0],
    [
      "is all wrong",
      { wrong: [0, 1, 2, 3, 4, 5, 6], bytes: MIDDLE.length },
      MIDDLE.length,
    ],
    ["is empty", { wrong: [], bytes: 0 }, MIDDLE.length],
  ] as const
) {
  Deno.test(`getFiles fetches only missing bytes if the existing part ${what}`, async () => {
    await using relay = await startRelay();
    await using _node = await startNode(relay, { "f": MIDDLE }, {
      name: "node",
    });
    const path = PARTIAL;
    await using folder = await tempShare({ [path]: partialOf(MIDDLE, left) });
    const { saved, log } = await get(relay, folder.path, ["f"]);
    assertEquals(Object.keys(saved), ["f"]);
    assertBytes(await read(folder, "f"), MIDDLE);
    assertEquals(filesIn(folder.path), ["f"]);
    assertEquals(log.bytesFrom("f")["node"] ?? 0, missing);
    const there = MIDDLE.length - missing;
    assertEquals(
      log.of("file_resumed").map(({ bytes }) => bytes),
      there > 0 ? [there] : [],
    );
    const last = log.of("progress").at(-1);
    assertEquals([last?.received, last?.total], [MIDDLE.length, MIDDLE.length]);
  });
}

Deno.test("getFiles cuts off bytes of a partial file beyond the size of the file", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "f": MIDDLE });
  const partial = new Uint8Array([...MIDDLE, 1, 2, 3]);
  await using folder = await tempShare({ [PARTIAL]: partial });
  await get(relay, folder.path, ["f"]);
  assertBytes(await read(folder, "f"), MIDDLE);
});

Deno.test("getFiles continues from another node with the bytes of one that has stopped", async () => {
  await using relay = await startRelay();
  await using folder = await tempShare();
  {
    await using _dies = await startLyingNode(relay, { "f": MIDDLE }, {
      piece: sendOnly(TASK, closeEarly),
    });
    const { saved, failed } = await get(relay, folder.path, ["f"], {
      limits: ONE_FAILURE,
    });
    assertEquals([saved, failed], [{}, { "f": "undelivered" }]);
    assertEquals(filesIn(folder.path), [PARTIAL]);
    const { mode } = await Deno.stat(join(folder.path, PARTIAL));
    assertEquals((mode ?? 0) & 0o777, 0o600);
  }
  await using _node = await startNode(relay, { "f": MIDDLE }, { name: "node" });
  const { log } = await get(relay, folder.path, ["f"]);
  assertBytes(await read(folder, "f"), MIDDLE);
  assertEquals(log.bytesFrom("f"), { node: MIDDLE.length - TASK * PIECE });
  assertEquals(filesIn(folder.path), ["f"]);
});

Deno.test("getFiles keeps the received bytes when it is stopped, and continues from there", async () => {
  await using relay = await startRelay();
  await using folder = await tempShare();
  const stop = new AbortController();
  const log = new ClientLog();
  {
    await using _stalls = await startLyingNode(relay, { "f": MIDDLE }, {
      piece: sendOnly(TASK, stall),
    });
    const getting = get(relay, folder.path, ["f"], {
      signal: stop.signal,
      log,
    });
    await log.until("progress", ({ received }) => received === TASK * PIECE);
    const why = "by the test";
    stop.abort(new Failure("interrupted", { what: "Stopped", why }));
    const { error } = await within(getting, "stopping");
    assertInstanceOf(error, Failure);
    assertEquals(error.kind, "interrupted");
    assertEquals(filesIn(folder.path), [PARTIAL]);
  }
  await using _node = await startNode(relay, { "f": MIDDLE }, { name: "node" });
  const again = await get(relay, folder.path, ["f"]);
  assertBytes(await read(folder, "f"), MIDDLE);
  assertEquals(again.log.bytesFrom("f"), {
    node: MIDDLE.length - TASK * PIECE,
  });
});

Deno.test("getFiles stops at once and closes everything, however many large files wait", async () => {
  await using relay = await startRelay();
  await using folder = await tempShare();
  await using _node = await startLyingNode(relay, SIX_FILES, {
    unhashed: true,
    piece: stall,
  });
  const stop = new AbortController();
  const log = new ClientLog();
  const getting = get(relay, folder.path, [everything()], {
    signal: stop.signal,
    log,
  });
  await untilFilesWait(log);
  stop.abort(new Error("by the test"));
  const { error } = await within(getting, "stopping");
  assertEquals(error instanceof Error && error.message, "by the test");
});

Deno.test("getFiles continues with the others when something gets in the way of one", async () => {
  await using relay = await startRelay();
  await using folder = await tempShare();
  const log = new ClientLog();
  await using _node = await startLyingNode(relay, SIX_FILES, {
    unhashed: true,
    piece: async (channel, piece) => {
      await untilFilesWait(log);
      // What somebody else puts there meanwhile is in the way of the first.
      await Deno.mkdir(join(folder.path, "f0"), { recursive: true });
      await sendHonestly(channel, piece);
    },
  });
  const getting = get(relay, folder.path, [everything()], { log });
  const { error, saved, failed } = await within(getting, "the end");
  assertEquals([error, failed], [undefined, { "f0": "local" }]);
  assertEquals(
    Object.keys(saved).toSorted(),
    Object.keys(SIX_FILES).filter((name) => name !== "f0"),
  );
  assertEquals(filesIn(folder.path).includes(".f0.p2p-part"), true);
});

Deno.test("getFiles ends when something blocks more large files than are open at once", async () => {
  await using relay = await startRelay();
  await using folder = await tempShare();
  const inTheWay = Object.keys(SIX_FILES).slice(0, 5);
  const versions = new Map(inTheWay.map((name) => [
    describeBytes(name, SIX_FILES[name]!).listed.version,
    name,
  ]));
  await using _node = await startLyingNode(relay, SIX_FILES, {
    unhashed: true,
    piece: async (channel, piece) => {
      // Its partial file is open by now.
      const name = versions.get(piece.message.of);
      if (name !== undefined) {
        await Deno.mkdir(join(folder.path, name), { recursive: true });
      }
      await sendHonestly(channel, piece);
    },
  });
  const { error, saved, failed } = await within(
    get(relay, folder.path, [everything()]),
    "the end",
  );
  assertEquals(error, undefined);
  assertEquals(
    failed,
    Object.fromEntries(inTheWay.map((name) => [name, "local"])),
  );
  assertEquals(Object.keys(saved), ["f5"]);
  assertBytes(await read(folder, "f5"), SIX_FILES["f5"]!);
});

for (const kind of ["find", "browse", "describe"] as const) {
  Deno.test(`getFiles stops at once, and releases all nodes, while one does not answer a ${kind}`, async () => {
    await using relay = await startRelay();
    await using _other = await startNode(relay, { "g": "other" });
    const asked = Promise.withResolvers<void>();
    await using _node = await startLyingNode(relay, { "f": MIDDLE }, {
      [kind]: (channel: Channel) => {
        asked.resolve();
        return staySilent(channel);
      },
    });
    await using folder = await tempShare();
    const wanted = kind === "browse" ? everything() : "f";
    const stop = new AbortController();
    const getting = get(relay, folder.path, [wanted], { signal: stop.signal });
    await within(asked.promise, "the request");
    stop.abort(new Error("by the test"));
    const { error } = await within(getting, "stopping");
    assertEquals(error instanceof Error && error.message, "by the test");
  });
}

Deno.test("getFiles never overwrites a file, unless asked to", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, { "f": MIDDLE, "s": "small" });
  const there = { "f": "mine", "s": "mine!" }; // as long as the other
  await using folder = await tempShare(there);
  const outcome = await get(relay, folder.path, ["f", "s"]);
  assertEquals(outcome.saved, {});
  assertEquals(outcome.failed, { "f": "local", "s": "local" });
  for (const [name, content] of Object.entries(there)) {
    assertEquals(await Deno.readTextFile(join(folder.path, name)), content);
  }
  assertEquals(filesIn(folder.path), ["f", "s"]);
  const again = await get(relay, folder.path, ["f", "s"], { overwrite: true });
  assertEquals(Object.keys(again.saved).toSorted(), ["f", "s"]);
  assertBytes(await read(folder, "f"), MIDDLE);
  assertEquals(
    await read(folder, "s"),
    await Deno.readFile(`${node.directory}/s`),
  );
  assertEquals(filesIn(folder.path), ["f", "s"]);
});

Deno.test("getFiles does not write through a link or over a folder, even if it may overwrite", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "f": MIDDLE, "s": "small" });
  for (const name of ["f", "s"]) {
    await using folder = await tempShare({ "victim": "mine", "d/x": "" });
    await Deno.symlink("victim", join(folder.path, name));
    const refused = await get(relay, folder.path, [name]);
    assertEquals(refused.failed, { [name]: "local" });
    await get(relay, folder.path, [name], { overwrite: true });
    assertEquals(await Deno.readTextFile(join(folder.path, "victim")), "mine");
    assertEquals((await Deno.lstat(join(folder.path, name))).isFile, true);
    const inFolder = await get(relay, folder.path, [name], {
      overwrite: true,
      pathOf: () => join(folder.path, "d"),
    });
    assertEquals(inFolder.failed, { [name]: "local" });
    assertEquals(filesIn(folder.path), ["d/x", name, "victim"].toSorted());
  }
});

Deno.test("getFiles reports that a link is in its way, and whether it is broken", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "f": MIDDLE, "s": "small" });
  for (const name of ["f", "s"]) {
    for (
      const [target, why] of [
        ["victim", "a symbolic link is there"],
        ["missing", "a symbolic link to nothing is there"],
      ] as const
    ) {
      await using folder = await tempShare({ "victim": "mine" });
      const path = join(folder.path, name);
      await Deno.symlink(target, path);
      const { log } = await get(relay, folder.path, [name]);
      assertEquals(
        log.of("file_failed").map(({ error }) => error.message),
        [`Cannot save file (${path}): ${why}`],
      );
      const again = await get(relay, folder.path, [name], { overwrite: true });
      assertEquals(Object.keys(again.saved), [name]);
    }
  }
});

Deno.test("getFiles does not write through a link in place of the partial file", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "f": MIDDLE });
  for (const link of [Deno.symlink, Deno.link]) {
    await using folder = await tempShare({ "victim": "mine" });
    await link(join(folder.path, "victim"), join(folder.path, PARTIAL));
    const { failed } = await get(relay, folder.path, ["f"]);
    assertEquals(failed, { "f": "local" });
    assertEquals(await Deno.readTextFile(join(folder.path, "victim")), "mine");
    assertEquals(filesIn(folder.path), [PARTIAL, "victim"]);
  }
});

Deno.test("getFiles fetches no existing file, and reports that", async () => {
  await using relay = await startRelay();
  const files = {
    "f": MIDDLE,
    "s": new TextEncoder().encode("small"),
    "empty": new Uint8Array(),
  };
  await using node = await startLyingNode(relay, files);
  await using folder = await tempShare(files);
  const { saved, failed, log } = await get(
    relay,
    folder.path,
    Object.keys(files),
  );
  assertEquals(failed, {});
  assertEquals(Object.keys(saved).toSorted(), ["empty", "f", "s"]);
  assertEquals(log.of("file_present").map(({ name, path }) => [name, path]), [
    ["empty", join(folder.path, "empty")],
    ["f", join(folder.path, "f")],
    ["s", join(folder.path, "s")],
  ]);
  assertEquals(log.of("file_received"), []);
  assertEquals(node.asked.filter(({ kind }) => kind === "read"), []);
});

Deno.test("getFiles waits for no disk call for an existing small file", async () => {
  await using relay = await startRelay();
  const files = Object.fromEntries(
    Array.from({ length: 300 }, (_, n) => [`d/${n}`, new Uint8Array(n)]),
  );
  await using _node = await startLyingNode(relay, files);
  await using folder = await tempShare(files);
  const { lstat, open } = Deno;
  let count = 0;
  Deno.lstat = (path) => {
    count++;
    return lstat(path);
  };
  Deno.open = (path, options) => {
    count++;
    return open(path, options);
  };
  try {
    const { log } = await get(relay, folder.path, [everything("d/")]);
    assertEquals(log.of("file_present").length, 300);
  } finally {
    Object.assign(Deno, { lstat, open });
  }
  // For folders and what they need, and for no file.
  assertEquals(count < 20, true, `${count} calls`);
});

Deno.test("getFiles removes the partial name that a killed run left beside a complete file", async () => {
  await using relay = await startRelay();
  const files = { "f": MIDDLE, "s": MIDDLE.slice(0, 9) };
  await using _node = await startLyingNode(relay, files);
  await using folder = await tempShare(files);
  for (const name of ["f", "s"]) {
    const other = `.${name}.p2p-part`;
    await Deno.link(join(folder.path, name), join(folder.path, other));
  }
  const { log } = await get(relay, folder.path, ["f", "s"]);
  assertEquals(log.of("file_present").length, 2);
  assertEquals(filesIn(folder.path), ["f", "s"]);
});

Deno.test("getFiles continues with a file that its node has not hashed yet", async () => {
  await using relay = await startRelay();
  await using _node = await startLyingNode(relay, { "f": MIDDLE }, {
    unhashed: true,
  });
  const partial = partialOf(MIDDLE, { wrong: [2], bytes: MIDDLE.length });
  await using folder = await tempShare({ [PARTIAL]: partial });
  const { log } = await get(relay, folder.path, ["f"]);
  assertBytes(await read(folder, "f"), MIDDLE);
  assertEquals(log.bytesFrom("f"), { mallory: PIECE });
});

Deno.test("getFiles has reported every file, as saved or failed, when it is done", async () => {
  await using relay = await startRelay();
  const names = Object.keys(SIX_FILES);
  const piece: SendPiece = (channel, part) =>
    part.index === 1 ? closeEarly(channel, part) : sendHonestly(channel, part);
  await using _node = await startLyingNode(relay, SIX_FILES, { piece });
  await using folder = await tempShare();
  const { saved, failed, log } = await get(relay, folder.path, names, {
    limits: ONE_FAILURE,
  });
  assertEquals(saved, {});
  assertEquals(Object.keys(failed).toSorted(), names);
  assertEquals(log.of("file_failed").length, names.length);
});

Deno.test("getFiles refuses to receive one file twice at the same time", async () => {
  await using relay = await startRelay();
  await using _stalls = await startLyingNode(relay, { "f": MIDDLE }, {
    piece: sendOnly(TASK, stall),
  });
  await using folder = await tempShare();
  const stop = new AbortController();
  const log = new ClientLog();
  const first = get(relay, folder.path, ["f"], { signal: stop.signal, log });
  await log.until("progress", ({ received }) => received > 0);
  const second = await get(relay, folder.path, ["f"]);
  assertEquals(second.failed, { "f": "local" });
  stop.abort(new Error("enough"));
  await within(first, "stopping");
});
