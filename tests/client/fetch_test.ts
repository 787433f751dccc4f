/**
 * Fetching as a stream, from all nodes that have the content.
 */

import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import type { Channel } from "../../lib/protocol/channel.ts";
import { fetchFile } from "../../lib/client/fetch.ts";
import { Failure } from "../../lib/base/errors.ts";
import { sendData, sendRefusal, staySilent } from "../_evil_node.ts";
import { within } from "../_event_log.ts";
import {
  describeBytes,
  type Lies,
  sendHonestly,
  sendOnly,
  stall,
} from "../_lies.ts";
import { startNode, startRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import {
  assertBytes,
  ClientLog,
  contentOf,
  fetch,
  pinned,
} from "./_outcomes.ts";
import {
  alphaAndBeta,
  BOTH_SERVE,
  BREAK_WAYS,
  LARGE,
  MIB,
  MIDDLE,
  ONE_FAILURE,
  PIECE,
  sendFoundFile,
  SHARED,
  startBreakingNode,
  startLyingNode,
  TASK,
  TRUDY,
} from "./_setting.ts";

Deno.test("fetchFile yields in order the bytes that come from two nodes", async () => {
  await using relay = await startRelay();
  await using _nodes = await alphaAndBeta(relay, { "f": LARGE });
  const { content, log } = await fetch(relay, "f");
  assertBytes(content, LARGE);
  const from = log.bytesFrom("f");
  assertEquals(from["alpha"]! + from["beta"]!, LARGE.length);
  assertEquals(from["alpha"]! > MIB && from["beta"]! > MIB, true);
  const [received] = log.of("file_received");
  for (const { bytes, paths } of received?.from ?? []) {
    assertEquals(paths, { direct: bytes, tunnel: 0 });
  }
  assertEquals(log.of("node_answered").map(({ path }) => path), [
    "direct",
    "direct",
  ]);
  assertEquals(
    [received?.bytes, received?.content, received?.path],
    [LARGE.length, describeBytes("f", LARGE).manifest.contentId, undefined],
  );
});

Deno.test("fetchFile yields the first bytes before the last are asked for", async () => {
  await using relay = await startRelay();
  const content = randomBytes(32 * MIB, seededRandom(3));
  const files = { "f": content };
  await using one = await startLyingNode(relay, files);
  await using two = await startLyingNode(relay, files, { identity: TRUDY });
  await using file = await fetchFile({ relay: pinned(relay), name: "f" });
  const pieces = file.pieces();
  const first = await pieces.next();
  assertEquals(first.value, content.slice(0, first.value?.length));
  // As far ahead as may be, and no further while nothing more is taken.
  const lastAsked = () =>
    Math.max(
      ...[one, two].flatMap(({ asked }) =>
        asked.map((message) =>
          message.kind === "read" ? message.first + message.count - 1 : 0
        )
      ),
    );
  assertEquals(lastAsked() < 64 + TASK, true, `piece ${lastAsked()}`);
  let taken = first.value?.length ?? 0;
  for await (const piece of pieces) {
    assertEquals(piece, content.subarray(taken, taken + piece.length));
    taken += piece.length;
    const ahead = lastAsked() + 1 - Math.floor(taken / PIECE);
    assertEquals(ahead <= 64 + TASK, true, `${ahead} pieces ahead`);
  }
  assertEquals(taken, content.length);
  assertEquals(lastAsked(), 127);
});

for (const [what, piece, kind] of BREAK_WAYS) {
  Deno.test(`fetchFile continues with the other node when one ${what} in the middle, and names it`, async () => {
    await using relay = await startRelay();
    await using _evil = await startBreakingNode(relay, piece);
    await using _good = await startNode(relay, { "f": LARGE }, BOTH_SERVE);
    const { content, log } = await fetch(relay, "f", {
      limits: { ...ONE_FAILURE, ...SHARED },
    });
    assertBytes(content, LARGE);
    assertEquals(log.trouble, [`mallory ${kind}, out`]);
  });
}

Deno.test("fetchFile continues if a node stalls, without waiting for it", async () => {
  await using relay = await startRelay();
  await using _stalls = await startLyingNode(relay, { "f": MIDDLE }, {
    piece: stall,
  });
  await using _good = await startNode(relay, { "f": MIDDLE });
  const { content } = await within(
    fetch(relay, "f", { limits: { takeOverMs: 50 } }),
    "the file",
  );
  assertBytes(content, MIDDLE);
});

Deno.test("fetchFile does not wait for a silent node when another has the file", async () => {
  await using relay = await startRelay();
  await using _silent = await startLyingNode(relay, {}, { find: staySilent });
  await using _good = await startNode(relay, { "f": "here" });
  const { content, log } = await within(
    fetch(relay, "f", { limits: { queryGraceMs: 50 } }),
    "the file",
  );
  assertEquals(content, new TextEncoder().encode("here"));
  assertEquals(log.answers, ["2 found"]);
});

Deno.test("fetchFile lets a node that answers late take part", async () => {
  await using relay = await startRelay();
  const begun = Promise.withResolvers<void>();
  const joined = Promise.withResolvers<void>();
  // The first delivers nothing after its first part until the other has joined.
  await using _early = await startLyingNode(relay, { "f": MIDDLE }, {
    piece: sendOnly(TASK, async (channel, piece) => {
      begun.resolve();
      await joined.promise;
      await sendHonestly(channel, piece);
    }),
  });
  const late = describeBytes("f", MIDDLE);
  await using _late = await startLyingNode(relay, { "f": MIDDLE }, {
    identity: TRUDY,
    find: async (channel, message) => {
      await begun.promise;
      await sendFoundFile(channel, message, late);
    },
    piece: async (channel, piece) => {
      joined.resolve();
      await sendHonestly(channel, piece);
    },
  });
  const limits = { queryGraceMs: 1, takeOverMs: 50 };
  const { content, log } = await within(fetch(relay, "f", { limits }), "it");
  assertBytes(content, MIDDLE);
  assertEquals(log.answers, ["1 found", "2 found"]);
  assertEquals(log.bytesFrom("f")["trudy"]! > 0, true);
});

Deno.test("fetchFile fetches a file that its node has not hashed yet, and returns its content id", async () => {
  await using relay = await startRelay();
  await using _node = await startLyingNode(relay, { "f": MIDDLE }, {
    unhashed: true,
  });
  const { content, log } = await fetch(relay, "f");
  assertBytes(content, MIDDLE);
  const [received] = log.of("file_received");
  assertEquals(
    received?.content,
    describeBytes("f", MIDDLE).manifest.contentId,
  );
});

Deno.test("fetchFile delivers an empty file, and returns its content id", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "f": "" });
  const { content, log } = await fetch(relay, "f");
  assertEquals(content, new Uint8Array());
  const [received] = log.of("file_received");
  assertEquals(
    [received?.bytes, received?.content],
    [0, describeBytes("f", new Uint8Array()).manifest.contentId],
  );
});

Deno.test("fetchFile never yields a mixture of a file that changes while it is sent", async () => {
  await using relay = await startRelay();
  const before = randomBytes(32 * MIB, seededRandom(5));
  await using node = await startNode(relay, { "f": before });
  await node.log.until("hashed");
  const log = new ClientLog();
  await using file = await fetchFile({
    relay: pinned(relay),
    name: "f",
    onEvent: log.onEvent,
  });
  let taken = 0;
  const error = await assertRejects(async () => {
    for await (const piece of file.pieces()) {
      if (taken === 0) {
        await Deno.writeFile(join(node.directory, "f"), before.slice().fill(7));
      }
      assertEquals(piece, before.subarray(taken, taken + piece.length));
      taken += piece.length;
    }
  }, Failure);
  assertEquals(error.kind, "undelivered");
  assertEquals(taken > 0 && taken < before.length, true);
});

Deno.test("fetchFile releases everything when its caller stops in the middle", async () => {
  await using relay = await startRelay();
  await using one = await startNode(relay, { "f": LARGE });
  await using two = await startNode(relay, { "f": LARGE });
  for (const how of ["returned", "disposed of", "never begun"]) {
    await using file = await fetchFile({ relay: pinned(relay), name: "f" });
    const pieces = file.pieces();
    if (how === "never begun") continue;
    const first = await pieces.next();
    assertEquals(first.done, false);
    if (how === "returned") await pieces.return(undefined);
  }
  // Nodes notice that the client has left.
  await within(
    Promise.all([one.server.close(), two.server.close()]),
    "closing",
  );
});

Deno.test("fetchFile stops at once while a node says that it is working", async () => {
  await using relay = await startRelay();
  const asked = Promise.withResolvers<void>();
  await using _node = await startLyingNode(relay, { "f": MIDDLE }, {
    describe: async (channel: Channel, { request }) => {
      await channel.send({ kind: "working", request });
      asked.resolve();
      await staySilent(channel);
    },
  });
  const stop = new AbortController();
  await using file = await fetchFile({
    relay: pinned(relay),
    name: "f",
    signal: stop.signal,
  });
  const reading = assertRejects(
    () => contentOf(file),
    Error,
    "by the test",
  );
  await asked.promise;
  stop.abort(new Error("by the test"));
  await within(reading, "stopping");
});

Deno.test("fetchFile asks another node for the manifest when one refuses it, or makes one up", async () => {
  const other = describeBytes("f", MIDDLE.slice().fill(1));
  const { size, contentId: content } = describeBytes("f", MIDDLE).manifest;
  const { sha256 } = other;
  const describes: NonNullable<Lies["describe"]>[] = [
    (channel, message) => sendRefusal(channel, message, { code: "gone" }),
    async (channel, { request }) => {
      await channel.send({ kind: "manifest", request, size, content, sha256 });
      await sendData(channel, { request }, other.manifest.hashes);
    },
  ];
  for (const describe of describes) {
    await using relay = await startRelay();
    await using _evil = await startLyingNode(relay, { "f": MIDDLE }, {
      describe,
    });
    await using _good = await startNode(relay, { "f": MIDDLE });
    const outcome = await fetch(relay, "f");
    assertBytes(outcome.content, MIDDLE);
  }
});

Deno.test("fetchFile uses the given number of connections to a node", async () => {
  await using relay = await startRelay();
  const node = await startNode(relay, { "f": LARGE }, { limitRate: 16 * MIB });
  await using _node = node;
  const { content } = await fetch(relay, "f", {
    connections: 3,
    limits: { windowBytes: MIB },
  });
  assertBytes(content, LARGE);
  await node.server.close();
  // Each has delivered something.
  const reported = node.log.names.filter((name) => name === "served");
  assertEquals(reported.length, 3);
});

Deno.test("fetchFile keeps its rate", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "f": MIDDLE });
  const startedAt = performance.now();
  const { content } = await fetch(relay, "f", { limitRate: 3 * MIB });
  const seconds = (performance.now() - startedAt) / 1000;
  assertBytes(content, MIDDLE);
  assertEquals(seconds > 0.35, true, `${seconds} s`);
});

Deno.test("fetchFile reports what happened at every node when nobody has the file", async () => {
  await using relay = await startRelay();
  await using _alpha = await startNode(relay, { "g": "one" });
  await using _breaks = await startLyingNode(relay, {}, {
    find: () => Promise.reject(new Error("closes the connection")),
  });
  await using _refuses = await startLyingNode(relay, {}, {
    identity: TRUDY,
    find: (channel, message) =>
      sendRefusal(channel, message, { code: "busy", text: "not\x1b[2J now" }),
  });
  const { kind, message, log } = await fetch(relay, "f", {
    limits: { turnedAwayMs: 100 },
  });
  assertEquals(kind, "not_found");
  assertEquals(log.answers.toSorted(), ["1 not_found", "2 failed", "3 failed"]);
  assertEquals(
    message,
    "Cannot find file (f): none of 3 nodes has it, 2 of them could not be asked; check that the nodes are running",
  );
  const refusal = log.of("node_answered").find(({ node }) => node.number === 3);
  assertEquals(refusal?.answer, {
    kind: "failed",
    cause: "it refused: not\\x1b[2J now",
  });
});
