/**
 * Nodes that break off, where they are asked one at a time.
 */

import { assertEquals } from "@std/assert";
import { type Lie, startEvilNode } from "../_evil_node.ts";
import {
  closeEarly,
  describeBytes,
  honestExcept,
  type Lies,
  sendHonestly,
  sendManifest,
  sendOnly,
} from "../_lies.ts";
import { startNode, startRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { assertBytes } from "./_outcomes.ts";
import { CAROL, MALLORY, ONE_FAILURE, PIECE, TASK, TRUDY } from "./_setting.ts";
import { fetch } from "./_one_by_one.ts";

const CONTENT = randomBytes((TASK + 2) * PIECE, seededRandom(1));

const OTHER = CONTENT.slice();

OTHER[7] = OTHER[7]! ^ 1;

/**
 * A node that closes the connection in the middle of `CONTENT`, once the first part has been
 * given out; `onPart` reports it.
 */
function breaksLater(lies: Lies = {}): { lie: Lie; onPart: () => void } {
  const { promise: taken, resolve: onPart } = Promise.withResolvers<void>();
  const piece = sendOnly(TASK, async (channel, piece) => {
    await taken;
    await closeEarly(channel, piece);
  });
  return { lie: honestExcept({ "f": CONTENT }, { piece, ...lies }), onPart };
}

Deno.test("fetchFile continues from the next node if one disconnected", async () => {
  await using relay = await startRelay();
  const { lie, onPart } = breaksLater();
  await using _breaks = await startEvilNode(relay, { identity: MALLORY, lie });
  await using good = await startNode(relay, { "f": CONTENT }, { name: "good" });
  const outcome = await fetch(relay, "f", { limits: ONE_FAILURE, onPart });
  assertBytes(outcome.content, CONTENT);
  assertEquals(outcome.log.answers, ["1 found", "1 failed", "2 found"]);
  assertEquals(outcome.log.trouble, ["evil broke_off, out"]);
  // What had come from the first is not fetched once more.
  const rest = CONTENT.length - TASK * PIECE;
  const from = { evil: TASK * PIECE, good: rest };
  assertEquals(outcome.log.bytesFrom("f"), from);
  const served = await good.log.until("served");
  assertEquals(served.bytes, rest);
});

Deno.test("fetchFile tries a node again that disconnected, before it asks the next", async () => {
  await using relay = await startRelay();
  let count = 0;
  await using _breaks = await startEvilNode(relay, {
    identity: MALLORY,
    lie: honestExcept({ "f": CONTENT }, {
      piece: (channel, piece) =>
        ++count === 2
          ? closeEarly(channel, piece)
          : sendHonestly(channel, piece),
    }),
  });
  await using other = await startNode(relay, { "f": CONTENT });
  const outcome = await fetch(relay, "f");
  assertBytes(outcome.content, CONTENT);
  assertEquals(outcome.log.answers, ["1 found"]);
  assertEquals(outcome.log.trouble, ["evil broke_off"]);
  assertEquals(other.server.connectionCount, 0);
});

Deno.test("fetchFile never mixes the contents of two nodes", async () => {
  await using relay = await startRelay();
  const { lie, onPart } = breaksLater();
  await using _breaks = await startEvilNode(relay, { identity: MALLORY, lie });
  await using _other = await startNode(relay, { "f": OTHER });
  await using _longer = await startNode(relay, {
    "f": new Uint8Array([...OTHER, 1]),
  });
  await using _shorter = await startNode(relay, {
    "f": CONTENT.slice(0, TASK * PIECE - 1),
  });
  const outcome = await fetch(relay, "f", { limits: ONE_FAILURE, onPart });
  assertEquals(outcome.kind, "undelivered");
  assertEquals(outcome.log.answers, [
    "1 found",
    "1 failed",
    "2 found",
    "2 failed",
    "3 found",
    "3 failed",
    "4 found",
    "4 failed",
  ]);
});

Deno.test("fetchFile continues with a longer content that begins with the same bytes, and delivers all of it", async () => {
  await using relay = await startRelay();
  const { lie, onPart } = breaksLater();
  await using _breaks = await startEvilNode(relay, { identity: MALLORY, lie });
  const longer = new Uint8Array([...CONTENT, 1]);
  await using _longer = await startNode(relay, { "f": longer });
  const outcome = await fetch(relay, "f", { limits: ONE_FAILURE, onPart });
  assertBytes(outcome.content, longer);
  const [received] = outcome.log.of("file_received");
  assertEquals(
    [received?.bytes, received?.content],
    [longer.length, describeBytes("f", longer).manifest.contentId],
  );
});

Deno.test("fetchFile continues from a node that has not hashed the file, if the bytes so far are the same there", async () => {
  await using relay = await startRelay();
  const { lie, onPart } = breaksLater({ unhashed: true });
  await using _breaks = await startEvilNode(relay, { identity: MALLORY, lie });
  await using _other = await startEvilNode(relay, {
    identity: TRUDY,
    lie: honestExcept({ "f": OTHER }, { unhashed: true }),
  });
  await using _same = await startEvilNode(relay, {
    identity: CAROL,
    lie: honestExcept({ "f": CONTENT }, { unhashed: true }),
  });
  const outcome = await fetch(relay, "f", { limits: ONE_FAILURE, onPart });
  assertBytes(outcome.content, CONTENT);
  assertEquals(outcome.log.answers, [
    "1 found",
    "1 failed",
    "2 found",
    "2 failed",
    "3 found",
  ]);
});

Deno.test("fetchFile checks the SHA-256 of the whole file, even if another node continues with a shorter one", async () => {
  await using relay = await startRelay();
  const { lie, onPart } = breaksLater();
  await using _breaks = await startEvilNode(relay, { identity: MALLORY, lie });
  const { sha256 } = describeBytes("f", CONTENT);
  const shorter = describeBytes("f", CONTENT.slice(0, (TASK + 1) * PIECE));
  await using _liar = await startEvilNode(relay, {
    identity: TRUDY,
    lie: honestExcept({ "f": shorter.bytes }, {
      find: (channel, { request }) => {
        const { name: _, ...found } = shorter.listed;
        return channel.send({ kind: "found", request, ...found, sha256 });
      },
    }),
  });
  const outcome = await fetch(relay, "f", {
    limits: ONE_FAILURE,
    onPart,
    sha256,
  });
  const { content, kind } = outcome;
  assertEquals([content?.length, kind], [undefined, "corrupt"]);
});

for (const extra of [-1, 1]) {
  Deno.test(`fetchFile refuses a manifest with ${extra} more pieces than the file has`, async () => {
    await using relay = await startRelay();
    const { lie, onPart } = breaksLater({ unhashed: true });
    await using _breaks = await startEvilNode(relay, {
      identity: MALLORY,
      lie,
    });
    const size = CONTENT.length + extra * PIECE;
    const other = new Uint8Array(size);
    other.set(CONTENT.subarray(0, size));
    await using _other = await startEvilNode(relay, {
      identity: TRUDY,
      lie: honestExcept({ "f": CONTENT }, {
        unhashed: true,
        describe: (channel, message) =>
          sendManifest(channel, message, describeBytes("f", other)),
      }),
    });
    const outcome = await fetch(relay, "f", { limits: ONE_FAILURE, onPart });
    assertEquals(outcome.content, null);
    assertEquals(["undelivered", "corrupt"].includes(outcome.kind!), true);
  });
}
