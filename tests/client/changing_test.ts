/**
 * Files that change, go or cannot be read while they are fetched, and nodes that
 * have ended a session meanwhile.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { getFiles, type Selection } from "../../lib/client/get.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { sendRefusal } from "../_evil_node.ts";
import { within } from "../_event_log.ts";
import { describeBytes, honestExcept } from "../_lies.ts";
import { startNode, startRelay, type TestRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import {
  assertBytes,
  ClientLog,
  everything,
  fetch,
  filesIn,
  get,
  pinned,
} from "./_outcomes.ts";
import {
  LARGE,
  MIB,
  MIDDLE,
  PARTIAL,
  PIECE,
  read,
  startLyingNode,
} from "./_setting.ts";

/** Messages of what failed, by name, and the names of what was saved. */
async function outcome(
  relay: TestRelay,
  folder: { path: string },
  names: readonly (string | Selection)[],
): Promise<{ saved: string[]; why: Record<string, string> }> {
  const { saved, failed } = await within(
    getFiles({
      relay: pinned(relay),
      selections: names.map((name) =>
        typeof name === "string" ? { kind: "name", name } : name
      ),
      pathOf: (name) => join(folder.path, name),
    }),
    "the files",
  );
  for (const { exitCode } of failed.values()) assertEquals(exitCode, 5);
  return {
    saved: [...saved.keys()].toSorted(),
    why: Object.fromEntries(
      [...failed].map(([name, { message }]) => [name, message]),
    ),
  };
}

Deno.test("A file that is replaced while it is sent is fetched again, and never a mixture", async () => {
  await using relay = await startRelay();
  const before = randomBytes(32 * MIB, seededRandom(5));
  await using node = await startNode(relay, { "f": before }, {
    limitRate: 40 * MIB,
  });
  await node.log.until("hashed");
  const after = before.slice();
  for (let at = 0; at < after.length; at += PIECE) after[at]! ^= 1;
  after.set(before.subarray(0, 2 * PIECE)); // two pieces are as they were
  await using other = await tempShare({ "f": after });
  await using folder = await tempShare();
  const log = new ClientLog();
  const getting = get(relay, folder.path, ["f"], { log });
  await log.until("progress", ({ received }) => received > 0);
  await Deno.rename(join(other.path, "f"), join(node.directory, "f"));
  const { saved, failed } = await within(getting, "the end");
  assertEquals([Object.keys(saved), failed], [["f"], {}]);
  assertBytes(await read(folder, "f"), after);
  assertEquals(filesIn(folder.path), ["f"]);
  const trouble = log.of("node_trouble").map(({ kind, out }) => [kind, out]);
  assertEquals(new Set(trouble.flat()), new Set(["lost_file", false]));
  const last = log.of("progress").at(-1);
  const { length } = after;
  assertEquals(
    [last?.received, last?.total, last?.fileCount, last?.filesStarted],
    [length, length, 1, 1],
  );
});

Deno.test("A log that grows all the time is reported after refetchCount tries, and all other files are saved", async () => {
  await using relay = await startRelay();
  const files = { "big.log": LARGE, "small": MIDDLE };
  const truth = honestExcept(files, { unhashed: true });
  const { version } = describeBytes("big.log", LARGE).listed;
  await using node = await startLyingNode(relay, files, {
    unhashed: true,
    read: (channel, message) =>
      message.of === version
        ? sendRefusal(channel, message, { code: "gone" })
        : truth(channel, message),
  });
  await using folder = await tempShare();
  const { saved, why } = await outcome(relay, folder, ["big.log", "small"]);
  assertEquals(saved, ["small"]);
  assertBytes(await read(folder, "small"), MIDDLE);
  assertEquals(why, {
    "big.log": "Cannot fetch file (big.log): it is being written to: it " +
      "changed during each attempt; run again when it no longer changes, " +
      "or fetch a copy of it",
  });
  const finds = node.asked.filter((asked) =>
    asked.kind === "find" && asked.name === "big.log"
  );
  assertEquals(finds.length, 1 + LIMITS.refetchCount);
});

Deno.test("A real log of 30 MB that grows while it is fetched does not keep others from being saved", async () => {
  await using relay = await startRelay();
  const log = randomBytes(30 * MIB, seededRandom(3));
  await using node = await startNode(relay, { "big.log": log, "other": "o" }, {
    limitRate: 60 * MIB,
  });
  await using folder = await tempShare();
  const stop = new AbortController();
  const growing = (async () => {
    while (!stop.signal.aborted) {
      const line = new TextEncoder().encode("another line\n");
      const options = { append: true };
      await Deno.writeFile(join(node.directory, "big.log"), line, options);
    }
  })();
  const { saved, why } = await outcome(relay, folder, [everything()]);
  stop.abort();
  await growing;
  assertEquals(saved, ["other"]);
  assertMatch(
    why["big.log"]!,
    /^Cannot fetch file \(big\.log\): it is being written to/,
  );
  // Once it no longer changes it is fetched, with what was there already.
  assertEquals((await outcome(relay, folder, ["big.log"])).saved, ["big.log"]);
  assertBytes(
    await read(folder, "big.log"),
    await Deno.readFile(join(node.directory, "big.log")),
  );
});

const OLDER = "0".repeat(32);

Deno.test("A small log that has grown since its node listed it is saved as it is now", async () => {
  await using relay = await startRelay();
  const now = new TextEncoder().encode("one line\nand another\n");
  const before = describeBytes("a.log", now.slice(0, 9)).listed;
  const { content: _, ...listed } = before;
  const truth = honestExcept({ "a.log": now });
  await using _node = await startLyingNode(relay, { "a.log": now }, {
    browse: (channel, { request }) =>
      channel.send({
        kind: "files",
        request,
        files: [{ ...listed, version: OLDER }],
        more: false,
      }),
    read: (channel, message) =>
      message.of === OLDER
        ? sendRefusal(channel, message, { code: "gone" })
        : truth(channel, message),
  });
  await using folder = await tempShare();
  assertEquals(await outcome(relay, folder, [everything()]), {
    saved: ["a.log"],
    why: {},
  });
  assertBytes(await read(folder, "a.log"), now);
});

Deno.test("A file that is removed while it is sent is reported as removed", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, { "f": LARGE }, {
    limitRate: 4 * MIB,
  });
  await node.log.until("hashed");
  await using folder = await tempShare();
  const log = new ClientLog();
  const getting = getFiles({
    relay: pinned(relay),
    selections: [{ kind: "name", name: "f" }],
    pathOf: (name) => join(folder.path, name),
    onEvent: log.onEvent,
  });
  await log.until("progress", ({ received }) => received > 0);
  // A node sends on what it has open: the file is emptied first.
  await Deno.truncate(join(node.directory, "f"));
  await Deno.remove(join(node.directory, "f"));
  const { failed } = await within(getting, "the end");
  assertMatch(
    failed.get("f")!.message,
    /\(f\): it was removed, or renamed, while it was being fetched$/,
  );
  assertEquals(filesIn(folder.path), [PARTIAL]);
});

Deno.test("A file that its node cannot read is reported with node, cause and remedy", async () => {
  await using relay = await startRelay();
  await using _node = await startLyingNode(
    relay,
    { "f": MIDDLE, "g": MIDDLE },
    {
      read: (channel, message) => {
        const text = "the file cannot be read";
        return sendRefusal(channel, message, { code: "unreadable", text });
      },
    },
  );
  await using folder = await tempShare();
  const { why } = await outcome(relay, folder, ["f"]);
  assertEquals(why, {
    "f": "Cannot fetch file (f): every node that has it failed, at 0 % " +
      "(mallory: the file cannot be read); check that the node may read it, and that its disk works",
  });
  const { kind, message } = await fetch(relay, "f");
  assertEquals(kind, "undelivered");
  assertMatch(
    message,
    /the only node has it, and could not deliver it \(the file cannot be read\)/,
  );
});

for (const isHashed of [true, false]) {
  Deno.test(`A node that has ended its session is asked again what a file ${isHashed ? "" : "that it has not hashed "}consists of`, async () => {
    await using relay = await startRelay();
    let described = 0;
    const truth = honestExcept({ "f": MIDDLE });
    await using _node = await startLyingNode(relay, { "f": MIDDLE }, {
      unhashed: !isHashed,
      describe: (channel, message) => {
        if (++described === 1) throw new Error("has waited too long");
        return truth(channel, message);
      },
    });
    // Where something is there already, it has to be described.
    await using folder = await tempShare({ [PARTIAL]: MIDDLE.slice(0, PIECE) });
    assertEquals(await outcome(relay, folder, ["f"]), {
      saved: ["f"],
      why: {},
    });
    assertBytes(await read(folder, "f"), MIDDLE);
    assertEquals(described, 2);
  });
}

Deno.test("A file that no node describes is named, with the cause", async () => {
  await using relay = await startRelay();
  await using _node = await startLyingNode(relay, { "f": MIDDLE }, {
    describe: (channel, message) =>
      sendRefusal(channel, message, { code: "unreadable", text: "no disk" }),
  });
  await using folder = await tempShare();
  const { why } = await outcome(relay, folder, ["f"]);
  assertEquals(why, {
    "f": "Cannot fetch file (f): no node could describe it (mallory: it " +
      "refused: no disk); check that the node may read it, and that its disk works",
  });
});
