/**
 * Fetches whose file bytes are received, verified and written in lanes.
 */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
} from "@std/assert";
import { join } from "@std/path";
import { Failure } from "../../lib/base/errors.ts";
import type { Channel } from "../../lib/protocol/channel.ts";
import { within } from "../_event_log.ts";
import {
  closeEarly,
  sendEndless,
  sendHonestly,
  sendOnly,
  sendOtherContent,
  sendTooFew,
  sendTooMany,
  sendWrongBytes,
  stall,
} from "../_lies.ts";
import { startNode, startRelay } from "../_network.ts";
import { tempShare } from "../_temp_share.ts";
import { assertBytes, ClientLog, filesIn, get } from "./_outcomes.ts";
import {
  LARGE,
  MIB,
  MIDDLE,
  PARTIAL,
  PIECE,
  read,
  startLyingNode,
  TASK,
  TRUDY,
} from "./_setting.ts";

const LANES = { lanesFromBytes: MIB };

/** On a busy machine a worker takes seconds to start, and is no trouble. */
const PATIENT = { ...LANES, connectMs: 60_000, pieceStallMs: 60_000 };

/** Sends truly, and counts the connections that pieces go over. */
function counting(channels: Set<Channel>) {
  return {
    piece: (channel: Channel, piece: Parameters<typeof sendHonestly>[1]) => {
      channels.add(channel);
      return sendHonestly(channel, piece);
    },
  };
}

/** The same, and sends nothing before there are two of them. */
function countingTwo(channels: Set<Channel>) {
  const two = Promise.withResolvers<void>();
  return {
    piece: async (
      channel: Channel,
      piece: Parameters<typeof sendHonestly>[1],
    ) => {
      channels.add(channel);
      if (channels.size > 1) two.resolve();
      await two.promise;
      await sendHonestly(channel, piece);
    },
  };
}

for (const files of [{ f: LARGE }, { f: MIDDLE, small: LARGE.slice(0, 100) }]) {
  const names = Object.keys(files);
  Deno.test(`getFiles receives ${names.join(" and ")} in lanes, over several connections to one node`, async () => {
    await using relay = await startRelay();
    const channels = new Set<Channel>();
    await using _node = await startLyingNode(
      relay,
      files,
      countingTwo(channels),
    );
    await using folder = await tempShare();
    const { failed, log } = await within(
      get(relay, folder.path, names, { limits: PATIENT }),
      "the files",
    );
    assertEquals(failed, {});
    assertEquals(log.trouble, []);
    for (const [name, bytes] of Object.entries(files)) {
      assertBytes(await read(folder, name), bytes);
    }
    assertEquals(filesIn(folder.path).sort(), names.sort());
    assertEquals(log.bytesFrom("f"), { mallory: files.f.length });
    assert(channels.size > 1, `${channels.size} connections`);
  });
}

for (
  const [why, options] of [
    ["at a limited rate", { limitRate: 100 * MIB, limits: LANES }],
    ["for fewer bytes than make lanes worthwhile", {
      limits: { lanesFromBytes: 9 * MIB },
    }],
    ["for a file whose hashes are not known", { limits: LANES }],
  ] as const
) {
  Deno.test(`getFiles uses one connection ${why}`, async () => {
    await using relay = await startRelay();
    const channels = new Set<Channel>();
    const unhashed = why.endsWith("not known");
    const lies = { ...counting(channels), unhashed };
    await using _node = await startLyingNode(relay, { f: LARGE }, lies);
    await using folder = await tempShare();
    const { failed } = await get(relay, folder.path, ["f"], options);
    assertEquals(failed, {});
    assertBytes(await read(folder, "f"), LARGE);
    assertEquals(channels.size, 1);
  });
}

Deno.test("getFiles receives in lanes from several nodes, and without encryption", async () => {
  await using relay = await startRelay({ plaintext: true });
  const start = (name: string) =>
    startNode(relay, { f: LARGE }, { name, plaintext: true });
  await using _alpha = await start("alpha");
  await using _beta = await start("beta");
  await using folder = await tempShare();
  const { failed, log } = await within(
    get(relay, folder.path, ["f"], {
      relay: relay.server.address,
      plaintext: true,
      limits: LANES,
    }),
    "the file",
  );
  assertEquals([failed, log.trouble], [{}, []]);
  assertBytes(await read(folder, "f"), LARGE);
});

Deno.test("getFiles uses no more lanes than allowed", async () => {
  await using relay = await startRelay();
  const channels = new Set<Channel>();
  await using _node = await startLyingNode(
    relay,
    { f: LARGE },
    counting(channels),
  );
  await using folder = await tempShare();
  const { failed } = await get(relay, folder.path, ["f"], {
    limits: { ...LANES, laneCount: 1 },
  });
  assertEquals(failed, {});
  assertBytes(await read(folder, "f"), LARGE);
  // The first one, until the lane has its own.
  assert(channels.size <= 2, `${channels.size} connections`);
});

Deno.test("getFiles uses no more lanes than allowed with several nodes", async () => {
  await using relay = await startRelay();
  const channels = new Set<Channel>();
  const lies = counting(channels);
  await using _mallory = await startLyingNode(relay, { f: LARGE }, lies);
  await using _trudy = await startLyingNode(
    relay,
    { f: LARGE },
    { ...lies, identity: TRUDY },
  );
  await using folder = await tempShare();
  const { failed } = await get(relay, folder.path, ["f"], {
    limits: { ...LANES, laneCount: 1 },
  });
  assertEquals(failed, {});
  assertBytes(await read(folder, "f"), LARGE);
  // The first one to each, and the lane.
  assert(channels.size <= 3, `${channels.size} connections`);
});

for (
  const [what, piece] of Object.entries({
    "wrong bytes": sendWrongBytes,
    "another content": sendOtherContent,
    "a byte too few": sendTooFew,
    "a byte too many": sendTooMany,
    "bytes that never end": sendEndless,
    "wrong bytes after right ones": sendOnly(TASK, sendWrongBytes),
  })
) {
  Deno.test(`getFiles excludes a node that sends ${what} to a lane, and fetches from another`, async () => {
    await using relay = await startRelay();
    await using _mallory = await startLyingNode(relay, { f: LARGE }, { piece });
    await using _honest = await startLyingNode(relay, { f: LARGE }, {
      identity: TRUDY,
    });
    await using folder = await tempShare();
    const { failed, log } = await within(
      get(relay, folder.path, ["f"], { limits: LANES }),
      "the file",
    );
    assertEquals(failed, {});
    assertBytes(await read(folder, "f"), LARGE);
    assertEquals(log.trouble, ["mallory lied, out"]);
  });
}

Deno.test("getFiles continues with another node if one closes the connections of its lanes", async () => {
  await using relay = await startRelay();
  await using _mallory = await startLyingNode(relay, { f: LARGE }, {
    piece: sendOnly(TASK + 1, closeEarly),
  });
  await using _honest = await startNode(relay, { f: LARGE }, {
    name: "honest",
  });
  await using folder = await tempShare();
  const { failed, log } = await within(
    get(relay, folder.path, ["f"], { limits: LANES }),
    "the file",
  );
  assertEquals(failed, {});
  assertBytes(await read(folder, "f"), LARGE);
  const { honest = 0, mallory = 0 } = log.bytesFrom("f");
  assertEquals(honest + mallory, LARGE.length);
});

Deno.test("getFiles continues with the only node, which closes the connections of all lanes from time to time", async () => {
  await using relay = await startRelay();
  let count = 0;
  await using _mallory = await startLyingNode(relay, { f: LARGE }, {
    piece: (channel, piece) =>
      ++count % 8 < 2
        ? closeEarly(channel, piece)
        : sendHonestly(channel, piece),
  });
  await using folder = await tempShare();
  const { failed, log } = await within(
    get(relay, folder.path, ["f"], { limits: LANES }),
    "the file",
  );
  assertEquals(failed, {});
  assertBytes(await read(folder, "f"), LARGE);
  assert(count > LARGE.length / PIECE, `${count} pieces were asked for`);
  assertEquals(new Set(log.trouble), new Set(["mallory broke_off"]));
});

Deno.test("getFiles keeps pieces written by lanes when it is stopped, and continues from there", async () => {
  await using relay = await startRelay();
  await using folder = await tempShare();
  const stop = new AbortController();
  const log = new ClientLog();
  {
    await using _stalls = await startLyingNode(relay, { f: LARGE }, {
      piece: sendOnly(3 * TASK, stall),
    });
    const getting = get(relay, folder.path, ["f"], {
      signal: stop.signal,
      limits: LANES,
      log,
    });
    await log.until("progress", ({ received }) => received >= TASK * PIECE);
    stop.abort(
      new Failure("interrupted", {
        what: "Stopped",
        why: "by the test",
      }),
    );
    const { error } = await within(getting, "stopping");
    assertInstanceOf(error, Failure);
    assertEquals(error.kind, "interrupted");
    assertEquals(filesIn(folder.path), [PARTIAL]);
  }
  await using _node = await startNode(relay, { f: LARGE }, { name: "node" });
  const again = await get(relay, folder.path, ["f"], { limits: LANES });
  assertBytes(await read(folder, "f"), LARGE);
  const { node = 0 } = again.log.bytesFrom("f");
  assert(node <= LARGE.length - TASK * PIECE, `${node} bytes`);
});

Deno.test("getFiles reports that the partial file was removed while a lane writes", async () => {
  await using relay = await startRelay();
  await using folder = await tempShare();
  const log = new ClientLog();
  const removed = Promise.withResolvers<void>();
  await using _node = await startLyingNode(relay, { f: LARGE }, {
    piece: sendOnly(TASK, async (channel, piece) => {
      await removed.promise;
      await sendHonestly(channel, piece);
    }),
  });
  const getting = get(relay, folder.path, ["f"], { limits: LANES, log });
  await log.until("progress", ({ received }) => received > 0);
  await Deno.remove(join(folder.path, PARTIAL));
  removed.resolve();
  const { error } = await within(getting, "the failure");
  assertInstanceOf(error, Failure);
  assertMatch(
    error.message,
    /its partial file was removed while it was being received/,
  );
});
