/**
 * Which content a stream takes, and what it does when nodes lie.
 */

import { assertEquals, assertRejects } from "@std/assert";
import { fetchFile } from "../../lib/client/fetch.ts";
import { Failure } from "../../lib/base/errors.ts";
import { within } from "../_event_log.ts";
import {
  closeEarly,
  describeBytes,
  honestExcept,
  type Lies,
  sendHonestly,
  sendOnly,
  sendWrongBytes,
} from "../_lies.ts";
import { startNode, startRelay } from "../_network.ts";
import { assertBytes, ClientLog, fetch, pinned } from "./_outcomes.ts";
import {
  MIDDLE,
  NEW,
  OLD,
  ONE_FAILURE,
  PIECE,
  startClaimingNode,
  startDividedNodes,
  startLateNode,
  startLyingNode,
  TASK,
  TRUDY,
} from "./_setting.ts";

Deno.test("fetchFile yields no wrong byte when all nodes lie, and reports it", async () => {
  await using relay = await startRelay();
  const lies = { piece: sendOnly(TASK, sendWrongBytes) };
  await using _mallory = await startLyingNode(relay, { "f": MIDDLE }, lies);
  await using _trudy = await startLyingNode(relay, { "f": MIDDLE }, {
    identity: TRUDY,
    piece: sendWrongBytes,
  });
  const log = new ClientLog();
  await using file = await fetchFile({
    relay: pinned(relay),
    name: "f",
    onEvent: log.onEvent,
  });
  let taken = 0;
  const error = await assertRejects(async () => {
    for await (const piece of file.pieces()) {
      assertEquals(piece, MIDDLE.subarray(taken, taken + piece.length));
      taken += piece.length;
    }
  }, Failure);
  assertEquals(error.kind, "corrupt");
  assertEquals(taken <= TASK * PIECE, true);
  assertEquals(log.of("file_received"), []);
});

Deno.test("fetchFile continues with a node that answers only after all others have lied", async () => {
  await using relay = await startRelay();
  const log = new ClientLog();
  const { onEvent } = log;
  const honest = honestExcept({ "f": MIDDLE });
  await using _liar = await startLyingNode(relay, { "f": MIDDLE }, {
    piece: sendWrongBytes,
  });
  await using _late = await startLyingNode(relay, { "f": MIDDLE }, {
    identity: TRUDY,
    find: async (channel, message) => {
      await log.until("node_trouble", ({ out }) => out);
      await honest(channel, message);
    },
  });
  const { content } = await within(
    fetch(relay, "f", { limits: { queryGraceMs: 1 }, onEvent }),
    "the file",
  );
  assertBytes(content, MIDDLE);
});

Deno.test("fetchFile waits for a node with the wanted SHA-256, though another has the name", async () => {
  await using relay = await startRelay();
  const log = new ClientLog();
  await using _other = await startNode(relay, { "f": "another content" });
  const { sha256 } = describeBytes("f", MIDDLE);
  await using _late = await startLateNode(relay, MIDDLE, log);
  const { content, kind } = await within(
    fetch(relay, "f", {
      sha256,
      limits: { queryGraceMs: 1 },
      onEvent: log.onEvent,
    }),
    "the file",
  );
  assertEquals(kind, null);
  assertBytes(content, MIDDLE);
});

for (
  const [what, options, wanted] of [
    ["what most nodes have", {}, OLD],
    ["the newest where that is asked for", { prefer: "newest" }, NEW],
    ["that of the node that is named", { node: "beta" }, NEW],
    [
      "that with the SHA-256 that is given",
      { sha256: describeBytes("f", NEW).sha256.toUpperCase() },
      NEW,
    ],
  ] as const
) {
  Deno.test(`fetchFile takes ${what} if contents differ`, async () => {
    await using relay = await startRelay();
    await using _nodes = await startDividedNodes(relay);
    const { content, log } = await fetch(relay, "f", options);
    assertBytes(content, wanted);
    const [received] = log.of("file_received");
    assertEquals(
      received?.content,
      describeBytes("f", wanted).manifest.contentId,
    );
    const reported = log.of("contents_differ").length;
    assertEquals(reported, "node" in options ? 0 : 1);
  });
}

Deno.test("fetchFile takes another content when nobody can deliver the first, unless some of it has been yielded", async () => {
  for (const isGivenOut of [false, true]) {
    await using relay = await startRelay();
    const taken = Promise.withResolvers<void>();
    // The first pieces come, so that some are given out before both close their connections.
    const lies: Lies = {
      piece: async (channel, piece) => {
        if (isGivenOut && piece.index < TASK) {
          return await sendHonestly(channel, piece);
        }
        if (isGivenOut) await taken.promise;
        await closeEarly(channel, piece);
      },
    };
    await using _mallory = await startLyingNode(relay, { "f": MIDDLE }, lies);
    await using _trudy = await startLyingNode(relay, { "f": MIDDLE }, {
      ...lies,
      identity: TRUDY,
    });
    const other = MIDDLE.slice();
    other[5]! ^= 1;
    await using _other = await startNode(relay, { "f": other });
    const { content, kind } = await fetch(relay, "f", {
      limits: ONE_FAILURE,
      onPart: () => taken.resolve(),
    });
    assertEquals(content, isGivenOut ? null : other);
    assertEquals(kind, isGivenOut ? "undelivered" : null);
  }
});

Deno.test("fetchFile reports that no node has that SHA-256", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "f": "one" });
  const { kind, message } = await fetch(relay, "f", {
    sha256: "ab".repeat(32),
  });
  assertEquals(kind, "not_found");
  assertEquals(message.includes("no node has it with that SHA-256"), true);
});

for (
  const [size, bytes] of [
    ["small", MIDDLE.slice(0, 99)],
    ["large", MIDDLE],
    ["empty", new Uint8Array()],
  ] as const
) {
  Deno.test(`fetchFile does not believe a node that gives another SHA-256 to a file that is ${size}`, async () => {
    await using relay = await startRelay();
    const { sha256 } = describeBytes("f", new Uint8Array(7));
    await using _evil = await startClaimingNode(relay, bytes, sha256);
    let parts = 0;
    const { content, kind } = await fetch(relay, "f", {
      sha256,
      onPart: () => parts++,
    });
    assertEquals([content, kind], [null, "corrupt"]);
    // It cannot be known before the end; the end is never given out.
    assertEquals(parts < Math.max(1, bytes.length / PIECE / TASK), true);
  });
}
