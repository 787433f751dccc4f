/**
 * Small files that are asked for together: what becomes of the others where one
 * of them is wrong, gone, or does not come.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { LIMITS } from "../../lib/base/limits.ts";
import { getFiles } from "../../lib/client/get.ts";
import type { ClientToNode, MessageOf } from "../../lib/protocol/messages.ts";
import { type EvilNode, type Lie, startEvilNode } from "../_evil_node.ts";
import {
  closeEarly,
  describeBytes,
  honestExcept,
  sendHonestly,
  sendOnly,
  type SendPiece,
  sendWrongBytes,
} from "../_lies.ts";
import { startNode, startRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { replaced, systemError } from "../_replaced.ts";
import { tempShare } from "../_temp_share.ts";
import {
  assertBytes,
  ClientLog,
  everything,
  filesIn,
  get,
  pinned,
} from "./_outcomes.ts";
import { read, startLyingNode, TRUDY } from "./_setting.ts";

type Files = Readonly<Record<string, Uint8Array>>;

function filesOf(count: number, bytes = 1_000): Files {
  const names = Array.from({ length: count }, (_, n) => `d${n % 3}/f${n}`);
  return Object.fromEntries(
    names.map((name, n) => [name, randomBytes(bytes + n, seededRandom(n))]),
  );
}

function batchesOf(node: EvilNode): MessageOf<"readMany">[] {
  return node.asked.filter((message) => message.kind === "readMany");
}

async function assertSaved(
  folder: { path: string },
  files: Files,
): Promise<void> {
  assertEquals(filesIn(folder.path), Object.keys(files).toSorted());
  for (const [name, bytes] of Object.entries(files)) {
    assertBytes(await read(folder, name), bytes);
  }
}

/**
 * Sends no file before it is asked for as many as may be: a client asks for the
 * first ones before it knows the others.
 */
function untilWhole(answer: Lie): Lie {
  const held: ClientToNode[] = [];
  let isWhole = false;
  return async (channel, message) => {
    if (message.kind !== "read" && message.kind !== "readMany") {
      return await answer(channel, message);
    }
    held.push(message);
    isWhole ||= message.kind === "readMany" &&
      message.of.length === LIMITS.batchFileCount;
    if (!isWhole) return;
    for (const one of held.splice(0)) await answer(channel, one);
  };
}

Deno.test("getFiles asks for small files together, and saves each with its bytes", async () => {
  await using relay = await startRelay();
  await using folder = await tempShare();
  const files = filesOf(300);
  await using node = await startEvilNode(relay, {
    identity: TRUDY,
    lie: untilWhole(honestExcept(files)),
  });
  const { failed, log } = await get(relay, folder.path, [everything()]);
  assertEquals([failed, log.trouble], [{}, []]);
  await assertSaved(folder, files);
  const counts = batchesOf(node).map(({ of }) => of.length);
  assertEquals([Math.max(...counts), LIMITS.batchFileCount], [48, 48]);
  const alone = node.asked.filter(({ kind }) => kind === "read").length;
  assert(alone + counts.length < 50, `${alone} + ${counts.length} requests`);
});

/** Does to one file what `piece` does, and is honest about the others. */
function onlyTo(bytes: Uint8Array, piece: SendPiece): SendPiece {
  const hash = describeBytes("f", bytes).manifest.hashOf(0);
  return (channel, sent) =>
    (sent.hash === hash ? piece : sendHonestly)(channel, sent);
}

Deno.test("getFiles keeps the right files of an answer in which one is wrong, and blames only that one", async () => {
  await using relay = await startRelay();
  await using folder = await tempShare();
  const files = filesOf(100);
  const piece = onlyTo(files["d1/f4"]!, sendWrongBytes);
  await using node = await startLyingNode(relay, files, { piece });
  const { saved, failed, log } = await get(relay, folder.path, [everything()]);
  assertEquals(failed["d1/f4"], "corrupt");
  assertEquals(log.trouble, ["mallory lied, out"]);
  const contents = new Map(
    Object.entries(files).map(([name, bytes]) =>
      [describeBytes(name, bytes).manifest.contentId, name] as const
    ),
  );
  const batches = batchesOf(node).map(({ of }) =>
    of.map((content) => contents.get(content)!)
  );
  const batch = batches.find((names) => names.includes("d1/f4"))!;
  const others = batch.filter((name) => name !== "d1/f4");
  assert(others.length > 0, "it was asked for with others");
  for (const name of others) {
    assert(name in saved, name);
    assertBytes(await read(folder, name), files[name]!);
  }
});

Deno.test("getFiles fetches from another node a file that one sent wrong in the middle of an answer", async () => {
  await using relay = await startRelay();
  await using folder = await tempShare();
  const files = filesOf(200);
  const piece = onlyTo(files["d1/f4"]!, sendWrongBytes);
  await using _mallory = await startLyingNode(relay, files, { piece });
  await using _trudy = await startLyingNode(relay, files, { identity: TRUDY });
  const { failed } = await get(relay, folder.path, [everything()]);
  assertEquals(failed, {});
  await assertSaved(folder, files);
});

Deno.test("getFiles keeps complete files when a node closes the connection, and fetches the rest from another", async () => {
  await using relay = await startRelay();
  await using folder = await tempShare();
  const files = filesOf(200);
  const limits = { sourceFailureCount: 1 };
  const gone = Promise.withResolvers<void>();
  const piece = sendOnly(5, (channel, piece) => {
    gone.resolve();
    return closeEarly(channel, piece);
  });
  await using _mallory = await startLyingNode(relay, files, { piece });
  await using _trudy = await startLyingNode(relay, files, {
    identity: TRUDY,
    piece: async (channel, piece) => {
      await gone.promise;
      await sendHonestly(channel, piece);
    },
  });
  const { failed, log } = await get(relay, folder.path, [everything()], {
    limits,
  });
  assertEquals(failed, {});
  await assertSaved(folder, files);
  assertEquals(log.trouble, ["mallory broke_off, out"]);
  const received = log.of("file_received").flatMap(({ from }) => from);
  const ofMallory = received.filter(({ node }) => node.name === "mallory");
  assertEquals(ofMallory.length, 5);
});

Deno.test("getFiles fetches each file from a node that has it, if each node has different files", async () => {
  await using relay = await startRelay();
  await using folder = await tempShare();
  const files = filesOf(200);
  const entries = Object.entries(files);
  const part = (rest: number) =>
    Object.fromEntries(entries.filter((_, n) => n % 3 !== rest));
  await using _one = await startNode(relay, part(0), { name: "one" });
  await using _other = await startNode(relay, part(1), { name: "other" });
  const { failed } = await get(relay, folder.path, [everything()]);
  assertEquals(failed, {});
  await assertSaved(folder, files);
});

Deno.test("getFiles saves the other files of an answer if the node no longer has one of them", async () => {
  await using relay = await startRelay();
  await using folder = await tempShare();
  const files = filesOf(10);
  const { listed } = describeBytes("ghost", randomBytes(7, seededRandom(99)));
  await using _node = await startLyingNode(relay, files, {
    browse: async (channel, { request }) => {
      const all = Object.entries(files)
        .map(([name, bytes]) => describeBytes(name, bytes).listed);
      await channel.send({
        kind: "files",
        request,
        files: [...all, listed],
        more: false,
      });
    },
  });
  const { saved, failed, log } = await get(relay, folder.path, [everything()]);
  assertEquals(Object.keys(saved).length, 10);
  assertEquals(failed, { ghost: "undelivered" });
  assertEquals(log.trouble, ["mallory lost_file"]);
  await assertSaved(folder, files);
});

Deno.test("getFiles keeps the rate of a node, and its own, with files that come together", async () => {
  await using relay = await startRelay();
  const files = filesOf(30, 3_000);
  const bytes = Object.values(files).reduce((sum, one) => sum + one.length, 0);
  for (
    const [nodeRate, ownRate] of [[80_000, undefined], [undefined, 80_000]]
  ) {
    await using folder = await tempShare();
    await using node = await startNode(relay, files, {
      name: "node",
      ...(nodeRate === undefined ? {} : { limitRate: nodeRate }),
    });
    await node.log.until("hashed");
    const startedAt = performance.now();
    const { failed } = await get(relay, folder.path, [everything()], {
      ...(ownRate === undefined ? {} : { limitRate: ownRate }),
    });
    const ms = performance.now() - startedAt;
    assertEquals(failed, {});
    await assertSaved(folder, files);
    // What comes at once after a pause is let through.
    assert(ms > (bytes / 80_000 - 0.4) * 1_000, `${ms} ms`);
  }
});

Deno.test("getFiles that is stopped in the middle leaves complete files, and continues later", async () => {
  await using relay = await startRelay();
  await using folder = await tempShare();
  const files = filesOf(400);
  await using node = await startNode(relay, files);
  await node.log.until("hashed");
  const stop = new AbortController();
  const log = new ClientLog();
  const running = getFiles({
    relay: pinned(relay),
    selections: [everything()],
    pathOf: (name) => join(folder.path, name),
    signal: stop.signal,
    onEvent: (event) => {
      log.onEvent(event);
      const isEnough = log.of("file_received").length >= 100;
      if (isEnough) stop.abort(new Error("stopped"));
    },
  });
  await assertRejects(() => running, Error, "stopped");
  for (const name of filesIn(folder.path)) {
    assertBytes(await read(folder, name), files[name]!);
  }
  const { failed } = await get(relay, folder.path, [everything()]);
  assertEquals(failed, {});
  await assertSaved(folder, files);
});

Deno.test("getFiles ends when the disk is full in the middle of an answer, and continues later", async () => {
  await using relay = await startRelay();
  await using folder = await tempShare();
  const files = filesOf(60);
  await using _node = await startLyingNode(relay, files);
  {
    let writes = 0;
    using _full = replaced(
      Deno.FsFile.prototype,
      "writeSync",
      (writeSync) =>
        function (this: Deno.FsFile, bytes: Uint8Array) {
          if (++writes > 30) throw systemError("ENOSPC");
          return writeSync.call(this, bytes);
        },
    );
    const { error } = await get(relay, folder.path, [everything()]);
    assert(String(error).includes("no space left on the disk"), String(error));
  }
  const { failed } = await get(relay, folder.path, [everything()]);
  assertEquals(failed, {});
  await assertSaved(folder, files);
});
