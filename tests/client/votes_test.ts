/**
 * Nodes that have different contents under one name: which is taken, and that
 * none is where nothing decides.
 */

import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { makeLink } from "../../lib/client/link.ts";
import { votesAs } from "../../lib/client/votes.ts";
import { Failure } from "../../lib/base/errors.ts";
import { sendRefusal, staySilent } from "../_evil_node.ts";
import { within } from "../_event_log.ts";
import { describeBytes } from "../_lies.ts";
import { startNode, startRelay } from "../_network.ts";
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
  MIDDLE,
  NEW,
  OLD,
  PARTIAL,
  read,
  startDividedNodes,
  startLateNode,
  startLyingNode,
  TRUDY,
} from "./_setting.ts";

for (
  const [what, path, host, expected] of [
    ["its address", "direct", "192.0.2.7", "192.0.2.7"],
    ["its /56", "direct", "2001:db8:1:2ff::1", "2001:db8:1:200::/56"],
    ["itself on loopback", "direct", "127.0.0.1", "its id"],
    ["itself on loopback, by IPv6", "direct", "::1", "its id"],
    ["all tunnels together", "tunnel", "192.0.2.1", "through the relay"],
    ["all tunnels together, on loopback", "tunnel", "::1", "through the relay"],
  ] as const
) {
  Deno.test(`A node's vote is counted by ${what}`, () => {
    const session = { path, remote: { host, port: 1701 } } as const;
    assertEquals(votesAs("its id", session), expected);
  });
}

Deno.test("In a tie between contents, getFiles fetches neither, and fetches all other files", async () => {
  await using relay = await startRelay();
  await using _alpha = await startNode(relay, { "f": OLD, "a": "a" });
  await using _beta = await startNode(relay, { "f": NEW, "b": "b" });
  await using folder = await tempShare();
  for (const wanted of [["f", "a", "b"], [everything()]]) {
    const { saved, failed, log } = await get(relay, folder.path, wanted);
    assertEquals(Object.keys(saved).toSorted(), ["a", "b"]);
    assertEquals(failed, { "f": "undelivered" });
    assertEquals(filesIn(folder.path), ["a", "b"]);
    const reported = log.of("contents_differ").map((
      { name, taken, groups },
    ) => ({
      [name]: [taken, ...groups.map(({ votes }) => votes)],
    }));
    assertEquals(reported, [{ "f": [false, 1, 1] }]);
  }
});

Deno.test("In a tie between contents, fetchFile and makeLink choose neither", async () => {
  await using relay = await startRelay();
  await using _alpha = await startNode(relay, { "f": OLD });
  await using _beta = await startNode(relay, { "f": NEW });
  const { content, kind, message } = await fetch(relay, "f");
  assertEquals([content, kind], [null, "undelivered"]);
  assertEquals(/\(f\): nodes have 2 contents of it/.test(message), true);
  const error = await assertRejects(
    () => makeLink({ relay: pinned(relay), name: "f" }),
    Failure,
  );
  assertEquals(error.kind, "undelivered");
});

const MINE = "what is there already";

for (
  const [what, options, expected] of [
    ["by what most nodes have", {}, null],
    ["where most nodes are asked for", { prefer: "most-nodes" }, OLD],
    ["where the newest is asked for", { prefer: "newest" }, NEW],
    ["where a node is named", { node: "beta" }, NEW],
    [
      "where the SHA-256 is given",
      { sha256: describeBytes("f", NEW).sha256 },
      NEW,
    ],
  ] as const
) {
  Deno.test(`A file that exists is ${expected === null ? "not " : ""}replaced ${what}`, async () => {
    await using relay = await startRelay();
    await using _nodes = await startDividedNodes(relay);
    await using folder = await tempShare({ "f": MINE });
    const { saved, failed } = await get(relay, folder.path, ["f"], {
      ...options,
      overwrite: true,
    });
    const isKept = expected === null;
    assertEquals(failed, isKept ? { "f": "undelivered" } : {});
    assertEquals(Object.keys(saved), isKept ? [] : ["f"]);
    assertBytes(
      await read(folder, "f"),
      expected ?? new TextEncoder().encode(MINE),
    );
    assertEquals(filesIn(folder.path), ["f"]);
  });
}

Deno.test("A file that exists is not replaced because a node with another content answers late", async () => {
  await using relay = await startRelay();
  await using _alpha = await startNode(relay, { "f": OLD });
  const log = new ClientLog();
  await using _late = await startLateNode(relay, NEW, log);
  await using folder = await tempShare({ "f": NEW });
  const { saved, failed } = await get(relay, folder.path, ["f"], {
    log,
    overwrite: true,
    limits: { queryGraceMs: 1 },
  });
  assertEquals([saved, failed], [{}, { "f": "undelivered" }]);
  assertBytes(await read(folder, "f"), NEW);
});

Deno.test("An existing file with the content of most nodes is kept if contents differ", async () => {
  await using relay = await startRelay();
  await using _nodes = await startDividedNodes(relay);
  await using folder = await tempShare({ "f": OLD });
  const options = { overwrite: true };
  const { saved, log } = await get(relay, folder.path, ["f"], options);
  assertEquals(Object.keys(saved), ["f"]);
  assertEquals(log.of("file_present").length, 1);
});

Deno.test("An existing large file is not replaced by one about which nodes may differ", async () => {
  await using relay = await startRelay();
  await using _mallory = await startLyingNode(relay, { "f": MIDDLE }, {
    unhashed: true,
  });
  await using _trudy = await startLyingNode(relay, { "f": MIDDLE }, {
    identity: TRUDY,
    unhashed: true,
  });
  await using folder = await tempShare({ "f": MINE });
  const { failed } = await get(relay, folder.path, ["f"], { overwrite: true });
  assertEquals(failed, { "f": "undelivered" });
  assertEquals(await Deno.readTextFile(join(folder.path, "f")), MINE);
  // Where nothing is there, one of them will do.
  await using other = await tempShare();
  const { saved } = await get(relay, other.path, ["f"]);
  assertEquals(Object.keys(saved), ["f"]);
  assertBytes(await read(other, "f"), MIDDLE);
});

const { sha256: RIGHT } = describeBytes("f", MIDDLE);
const WRONG = "ab".repeat(32);

for (
  const [what, options, expected] of [
    ["and is it, is fetched", { sha256: RIGHT }, null],
    ["and is not it, is not there", { sha256: WRONG }, "not_found"],
    [
      "by its content id, is fetched",
      { content: describeBytes("f", MIDDLE).manifest.contentId },
      null,
    ],
  ] as const
) {
  Deno.test(`A file that its node has not hashed, and that is asked for by its SHA-256 ${what}`, async () => {
    await using relay = await startRelay();
    await using _node = await startLyingNode(relay, { "f": MIDDLE }, {
      unhashed: true,
    });
    await using folder = await tempShare();
    for (const wanted of [["f"], [everything("f")]]) {
      const { failed } = await get(relay, folder.path, wanted, options);
      assertEquals(failed, expected === null ? {} : { "f": expected });
      const isThere = filesIn(folder.path).includes("f");
      assertEquals(isThere, expected === null);
      if (isThere) await Deno.remove(join(folder.path, "f"));
    }
    const { content, kind } = await fetch(relay, "f", options);
    assertEquals(kind, expected);
    if (expected === null) assertBytes(content, MIDDLE);
  });
}

Deno.test("If a node cannot hash a file that may be the right one, the client does not claim that no node has it", async () => {
  await using relay = await startRelay();
  await using _node = await startLyingNode(relay, { "f": MIDDLE }, {
    unhashed: true,
    describe: (channel, message) =>
      sendRefusal(channel, message, { code: "changed" }),
  });
  const { kind, message } = await fetch(relay, "f", { sha256: RIGHT });
  assertEquals(kind, "undelivered");
  assertEquals(
    /could not hash the file and compare it; run again when/.test(message),
    true,
    message,
  );
  await using folder = await tempShare();
  const { failed } = await get(relay, folder.path, ["f"], { sha256: RIGHT });
  assertEquals(failed, { "f": "undelivered" });
});

Deno.test("A node that never hashes its file delays a choice for settleMs, and is not trusted", async () => {
  await using relay = await startRelay();
  await using good = await startNode(relay, { "f": OLD, "g": OLD });
  await good.log.until("hashed"); // it has nothing left to do in settleMs
  await using _silent = await startLyingNode(relay, {
    "f": new Uint8Array(OLD.length),
    "g": MIDDLE,
  }, { unhashed: true, describe: staySilent });
  await using folder = await tempShare();
  const { saved, failed } = await within(
    get(relay, folder.path, ["f", "g"], { limits: { settleMs: 50 } }),
    "the choice",
  );
  // Of one size, it may be the same: what is hashed is taken.
  assertEquals(Object.keys(saved), ["f"]);
  assertBytes(await read(folder, "f"), OLD);
  assertEquals(failed, { "g": "undelivered" });
  assertEquals(filesIn(folder.path).includes(PARTIAL), false);
});

Deno.test("Nodes that are asked one by one for a SHA-256 are asked until one has it", async () => {
  await using relay = await startRelay();
  await using _alpha = await startNode(relay, { "f": OLD }, { name: "alpha" });
  await using _beta = await startNode(relay, { "f": NEW }, { name: "beta" });
  for (const bytes of [OLD, NEW]) {
    const { sha256 } = describeBytes("f", bytes);
    const options = { oneByOne: true, sha256 };
    const { content, kind } = await fetch(relay, "f", options);
    assertEquals(kind, null);
    assertBytes(content, bytes);
  }
  const options = { oneByOne: true, sha256: WRONG };
  assertEquals((await fetch(relay, "f", options)).kind, "not_found");
});

Deno.test("A node that had the wanted SHA-256 but could not deliver is not reported as lacking it", async () => {
  await using relay = await startRelay();
  await using _other = await startNode(relay, { "f": OLD });
  await using _broken = await startLyingNode(relay, { "f": MIDDLE }, {
    piece: (channel, { message }) =>
      sendRefusal(channel, message, { code: "unreadable" }),
  });
  const { kind } = await fetch(relay, "f", { sha256: RIGHT });
  assertEquals(kind, "undelivered");
});
