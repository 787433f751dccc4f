/**
 * Fetching files to the disk: which, from whom, where to.
 */

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { getFiles } from "../../lib/client/get.ts";
import { Failure } from "../../lib/base/errors.ts";
import { openFileCount } from "../_descriptors.ts";
import { sendRefusal, staySilent } from "../_evil_node.ts";
import { within } from "../_event_log.ts";
import { describeBytes, sendHonestly, stall } from "../_lies.ts";
import { startNode, startRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import {
  assertBytes,
  ClientLog,
  everything,
  filesIn,
  get,
  type NodeAnswered,
  pinned,
} from "./_outcomes.ts";
import {
  alphaAndBeta,
  BOTH_SERVE,
  BREAK_WAYS,
  LARGE,
  MIB,
  MIDDLE,
  NEW,
  OLD,
  ONE_FAILURE,
  PIECE,
  read,
  sendFoundFile,
  SHARED,
  SIX_FILES,
  startBreakingNode,
  startDividedNodes,
  startLateNode,
  startLyingNode,
  TRUDY,
} from "./_setting.ts";

Deno.test("getFiles takes the pieces of one file from two nodes, and both deliver some", async () => {
  await using relay = await startRelay();
  await using nodes = await alphaAndBeta(relay, { "f": LARGE });
  await using folder = await tempShare();
  const { saved, log } = await get(relay, folder.path, ["f"]);
  assertEquals(saved, { "f": join(folder.path, "f") });
  assertBytes(await read(folder, "f"), LARGE);
  assertEquals(filesIn(folder.path), ["f"]);
  const from = log.bytesFrom("f");
  assertEquals(from["alpha"]! + from["beta"]!, LARGE.length);
  assertEquals(from["alpha"]! > MIB && from["beta"]! > MIB, true);
  const last = log.of("progress").at(-1);
  assertEquals(
    [last?.received, last?.total, last?.files, last?.fileCount],
    [LARGE.length, LARGE.length, 1, 1],
  );
  for (const node of [nodes.alpha, nodes.beta]) await node.log.until("served");
});

for (const [what, piece, kind] of BREAK_WAYS) {
  Deno.test(`getFiles continues with the other node when one ${what} in the middle, and names it`, async () => {
    await using relay = await startRelay();
    await using _evil = await startBreakingNode(relay, piece);
    await using _good = await startNode(relay, { "f": LARGE }, {
      ...BOTH_SERVE,
      name: "good",
    });
    await using folder = await tempShare();
    const { saved, failed, log } = await get(relay, folder.path, ["f"], {
      limits: { ...ONE_FAILURE, ...SHARED },
    });
    assertEquals([Object.keys(saved), failed], [["f"], {}]);
    assertBytes(await read(folder, "f"), LARGE);
    assertEquals(filesIn(folder.path), ["f"]);
    assertEquals(log.trouble, [`mallory ${kind}, out`]);
    const from = log.bytesFrom("f");
    assertEquals(from["good"]! + (from["mallory"] ?? 0), LARGE.length);
  });
}

Deno.test("getFiles does not wait for a slow node with the last pieces", async () => {
  await using relay = await startRelay();
  await using _slow = await startBreakingNode(relay, stall);
  await using _quick = await startNode(relay, { "f": LARGE }, {
    ...BOTH_SERVE,
    name: "quick",
  });
  await using folder = await tempShare();
  const { saved, log } = await within(
    get(relay, folder.path, ["f"], { limits: { ...SHARED, takeOverMs: 50 } }),
    "the file",
  );
  assertEquals(Object.keys(saved), ["f"]);
  assertBytes(await read(folder, "f"), LARGE);
  assertEquals(log.trouble, [], "slow is not out: it is not waited for");
  const from = log.bytesFrom("f");
  assertEquals(from["quick"]! + (from["mallory"] ?? 0), LARGE.length);
});

Deno.test("getFiles waits for a node with the wanted SHA-256, though another has the name", async () => {
  await using relay = await startRelay();
  const log = new ClientLog();
  await using _other = await startNode(relay, { "f": "another content" });
  const { sha256 } = describeBytes("f", MIDDLE);
  await using _late = await startLateNode(relay, MIDDLE, log);
  await using folder = await tempShare();
  const { failed } = await within(
    get(relay, folder.path, ["f"], {
      sha256,
      limits: { queryGraceMs: 1 },
      log,
    }),
    "the file",
  );
  assertEquals(failed, {});
  assertBytes(await read(folder, "f"), MIDDLE);
});

/** Whether it is the second node that has "g". */
function isLate({ node, name, answer }: NodeAnswered): boolean {
  return node.number === 2 && name === "g" && answer.kind === "found";
}

for (const isOpen of [true, false]) {
  const which = isOpen ? "that is being fetched" : "that waits for others";
  Deno.test(`getFiles lets a node that answers late deliver a file ${which}`, async () => {
    await using relay = await startRelay();
    await using folder = await tempShare();
    const log = new ClientLog();
    const begun = Promise.withResolvers<void>();
    const joined = Promise.withResolvers<void>();
    const files = { ...SIX_FILES, "g": MIDDLE };
    const wanted = isOpen ? ["g"] : [...Object.keys(SIX_FILES), "g"];
    const late = describeBytes("g", MIDDLE);
    // The first delivers nothing of it until the other is asked for some.
    await using _early = await startLyingNode(relay, files, {
      piece: async (channel, piece) => {
        begun.resolve();
        const isIt = piece.message.of === late.manifest.contentId;
        if (isIt) await within(joined.promise, "the other's turn");
        else await log.until("node_answered", isLate);
        await sendHonestly(channel, piece);
      },
    });
    await using _late = await startLyingNode(relay, { "g": MIDDLE }, {
      identity: TRUDY,
      find: async (channel, message) => {
        if (message.name !== "g") {
          return await sendRefusal(channel, message, { code: "not_found" });
        }
        await begun.promise;
        await sendFoundFile(channel, message, late);
      },
      piece: async (channel, piece) => {
        joined.resolve();
        await sendHonestly(channel, piece);
      },
    });
    const { failed } = await within(
      get(relay, folder.path, wanted, {
        log,
        limits: { queryGraceMs: 1, takeOverMs: 50 },
      }),
      "the files",
    );
    assertEquals(failed, {});
    assertBytes(await read(folder, "g"), MIDDLE);
    assertEquals(log.bytesFrom("g")["trudy"]! > 0, true);
  });
}

Deno.test("getFiles sends at most one request to a node that does not answer, and does not wait for it", async () => {
  await using relay = await startRelay();
  const names = Object.keys(SIX_FILES);
  await using silent = await startLyingNode(relay, {}, { find: staySilent });
  await using _good = await startNode(relay, SIX_FILES);
  await using folder = await tempShare();
  const { saved } = await within(
    get(relay, folder.path, names, { limits: { queryGraceMs: 1 } }),
    "the files",
  );
  assertEquals(Object.keys(saved).toSorted(), names);
  assertEquals(silent.asked.length, 1);
});

for (
  const [what, choose, wanted] of [
    ["what most nodes have", () => ({}), OLD],
    ["the newest where that is asked for", () => ({ prefer: "newest" }), NEW],
    ["that of the node that is named", () => ({ node: "beta" }), NEW],
    [
      "that of the node whose id begins so",
      (id: string) => ({ node: id.slice(0, 8) }),
      NEW,
    ],
    [
      "that with the SHA-256 that is given",
      () => ({ sha256: describeBytes("f", NEW).sha256 }),
      NEW,
    ],
  ] as const
) {
  Deno.test(`getFiles takes ${what}, and first reports that contents differ`, async () => {
    await using relay = await startRelay();
    await using nodes = await startDividedNodes(relay);
    await using folder = await tempShare();
    const options = choose(nodes.beta.server.id);
    const { log } = await get(relay, folder.path, ["f"], options);
    assertBytes(await read(folder, "f"), wanted);
    const reported = log.of("contents_differ").map(({ groups }) =>
      groups.map(({ offers }) => offers.length)
    );
    const first = wanted === OLD ? 2 : 1;
    assertEquals(reported, "node" in options ? [] : [[first, 3 - first]]);
    const from = Object.keys(log.bytesFrom("f"));
    assertEquals(
      from.every((name) => (name === "beta") === (wanted === NEW)),
      true,
    );
  });
}

Deno.test("getFiles that prefers the newest ignores a file of the year 2100", async () => {
  await using relay = await startRelay();
  await using _nodes = await startDividedNodes(relay);
  await using liar = await startNode(relay, { "f": MIDDLE }, { name: "liar" });
  const at = new Date(2100, 1, 1);
  await Deno.utime(join(liar.directory, "f"), at, at);
  await using folder = await tempShare();
  await get(relay, folder.path, ["f"], { prefer: "newest" });
  assertBytes(await read(folder, "f"), NEW);
});

Deno.test("getFiles reports that no node has that SHA-256, or that name", async () => {
  await using relay = await startRelay();
  await using _nodes = await startDividedNodes(relay);
  await using folder = await tempShare();
  const pinnedTo = await get(relay, folder.path, ["f"], {
    sha256: "ab".repeat(32),
  });
  assertEquals(pinnedTo.failed, { "f": "not_found" });
  const { error } = await get(relay, folder.path, ["f"], { node: "delta" });
  assertEquals(error instanceof Failure && error.kind, "not_found");
  assertEquals(filesIn(folder.path), []);
});

Deno.test("getFiles saves files of sub-folders in sub-folders", async () => {
  await using relay = await startRelay();
  const files = {
    "1.txt": "one",
    "photos/2024/a.jpg": "a",
    "photos/2024/b.jpg": "b",
    "photos/c.jpg": "c",
    "photos/empty": "",
  };
  await using _alpha = await startNode(relay, files);
  await using _beta = await startNode(relay, { "photos/d.jpg": "d" });
  await using folder = await tempShare({ "photos/mine": "mine" });
  const { saved, failed } = await get(relay, folder.path, [
    everything("photos/"),
  ]);
  assertEquals(failed, {});
  assertEquals(Object.keys(saved).length, 5);
  assertEquals(filesIn(folder.path), [
    "photos/2024/a.jpg",
    "photos/2024/b.jpg",
    "photos/c.jpg",
    "photos/d.jpg",
    "photos/empty",
    "photos/mine",
  ]);
  for (const [name, content] of Object.entries(files)) {
    if (!name.startsWith("photos/")) continue;
    assertEquals(await Deno.readTextFile(join(folder.path, name)), content);
  }
});

Deno.test("getFiles continues with the others when one file cannot be fetched", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "a": "a", "b": MIDDLE });
  await using folder = await tempShare();
  const wanted = ["a", "none", "b", everything("zz")];
  const { saved, failed } = await get(relay, folder.path, wanted);
  assertEquals(Object.keys(saved).toSorted(), ["a", "b"]);
  assertEquals(failed, { "none": "not_found", "zz**": "not_found" });
});

Deno.test("getFiles reports that there is no node", async () => {
  await using relay = await startRelay();
  await using folder = await tempShare();
  const { failed } = await get(relay, folder.path, ["a", everything("b")]);
  assertEquals(failed, { "a": "not_found", "b**": "not_found" });
});

Deno.test("getFiles fetches a file that its node has not hashed yet", async () => {
  const files = { "d/f": MIDDLE, "d/s": MIDDLE.slice(0, 9) };
  for (const wanted of [["d/f", "d/s"], [everything("d/")]]) {
    await using relay = await startRelay();
    await using _node = await startLyingNode(relay, files, { unhashed: true });
    await using folder = await tempShare();
    const { saved, log } = await get(relay, folder.path, wanted);
    assertEquals(Object.keys(saved).toSorted(), ["d/f", "d/s"]);
    assertBytes(await read(folder, "d/f"), MIDDLE);
    assertBytes(await read(folder, "d/s"), MIDDLE.slice(0, 9));
    // What it contains is known in the end.
    assertEquals(
      log.of("file_received").map(({ name, content }) => [name, content])
        .toSorted(),
      Object.entries(files).map(([name, bytes]) => [
        name,
        describeBytes(name, bytes).manifest.contentId,
      ]),
    );
  }
});

Deno.test("getFiles fetches a thousand small files with few of them open", async () => {
  await using relay = await startRelay();
  const files = Object.fromEntries(
    Array.from({ length: 1_000 }, (_, n) => [`d${n % 10}/f${n}`, `file ${n}`]),
  );
  await using node = await startNode(relay, files, { name: "node" });
  await node.log.until("hashed");
  await using folder = await tempShare();
  const counts: Promise<number>[] = [];
  let received = 0;
  const log = new ClientLog();
  const { saved, failed } = await getFiles({
    relay: pinned(relay),
    selections: [everything()],
    pathOf: (name) => join(folder.path, name),
    limits: { openFileCount: 8 },
    onEvent: (event) => {
      log.onEvent(event);
      if (event.event === "file_received" && ++received % 50 === 0) {
        counts.push(openFileCount(folder.path));
      }
    },
  });
  assertEquals([saved.size, failed.size], [1_000, 0]);
  assertEquals(filesIn(folder.path), Object.keys(files).toSorted());
  for (const [name, content] of Object.entries(files)) {
    assertEquals(await Deno.readTextFile(join(folder.path, name)), content);
  }
  // A count takes a while, in which files come and go: one may be too great.
  const open = (await Promise.all(counts)).toSorted((a, b) => a - b);
  assertEquals(open.length, 20);
  assertEquals(open[10]! <= 16, true, `${open} are open`);
  const served = await node.log.until("served");
  assertEquals(served.files, 1_000);
  // One conversation is enough for all of them.
  assertEquals(node.log.names.filter((name) => name === "served").length, 1);
});

Deno.test("getFiles plans plannedFileCount files at a time, and saves all of them", async () => {
  await using relay = await startRelay();
  // Each in a folder of its own, which is made when the file is planned.
  const names = Array.from({ length: 300 }, (_, n) => `d${n}/f`);
  const files = Object.fromEntries(names.map((name) => [name, name]));
  await using node = await startNode(relay, files, { name: "node" });
  await node.log.until("hashed");
  await using folder = await tempShare();
  let received = 0;
  let most = 0;
  const { saved, failed } = await getFiles({
    relay: pinned(relay),
    selections: [everything()],
    pathOf: (name) => join(folder.path, name),
    limits: { plannedFileCount: 16 },
    onEvent: ({ event }) => {
      if (event !== "file_received") return;
      const planned = [...Deno.readDirSync(folder.path)].length - received++;
      most = Math.max(most, planned);
    },
  });
  assertEquals([saved.size, failed.size], [300, 0]);
  assertEquals(filesIn(folder.path), names.toSorted());
  // The folder of the next is there before there is room for it.
  assertEquals(most <= 17, true, `${most} are planned`);
});

Deno.test("getFiles saves several large files from one node", async () => {
  await using relay = await startRelay();
  const names = Array.from({ length: 8 }, (_, n) => `f${n}`);
  const files = Object.fromEntries(names.map((name, n) => [
    name,
    randomBytes(3 * PIECE + n, seededRandom(n)),
  ]));
  await using node = await startNode(relay, files);
  await node.log.until("hashed");
  await using folder = await tempShare();
  const { failed, log } = await get(relay, folder.path, [everything()]);
  assertEquals([failed, log.trouble], [{}, []]);
  for (const name of names) {
    assertBytes(await read(folder, name), files[name]!);
  }
  assertEquals(filesIn(folder.path), names);
});

Deno.test("getFiles keeps its rate", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "f": MIDDLE });
  await using folder = await tempShare();
  const startedAt = performance.now();
  await get(relay, folder.path, ["f"], { limitRate: 3 * MIB });
  const seconds = (performance.now() - startedAt) / 1000;
  assertEquals(seconds > 0.35, true, `${seconds} s`);
  assertBytes(await read(folder, "f"), MIDDLE);
});
