/**
 * The SHA-256 of files, and fetching what has the given ones.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { delay } from "@std/async/delay";
import { join } from "@std/path";
import type { Failure } from "../../lib/base/errors.ts";
import { createSha256 } from "../../lib/base/hash.ts";
import { listFiles } from "../../lib/client/listing.ts";
import { sumFiles, type SumsOptions } from "../../lib/client/sums.ts";
import type { Identity } from "../../lib/identity/identity.ts";
import type { Offer } from "../../lib/content/choice.ts";
import { sendRefusal, staySilent } from "../_evil_node.ts";
import { within } from "../_event_log.ts";
import { describeBytes, sendManifest } from "../_lies.ts";
import { startNode, startRelay, type TestRelay } from "../_network.ts";
import { tempShare } from "../_temp_share.ts";
import {
  assertBytes,
  ClientLog,
  everything,
  filesIn,
  get,
  pinned,
} from "./_outcomes.ts";
import {
  CAROL,
  LARGE,
  MALLORY,
  MIDDLE,
  NEW,
  OLD,
  read,
  startClaimingNode,
  startDividedNodes,
  startLyingNode,
  TRUDY,
} from "./_setting.ts";

function sumOf(content: string | Uint8Array): string {
  const bytes = typeof content === "string"
    ? new TextEncoder().encode(content)
    : content;
  return createSha256().update(bytes).digest("hex");
}

/** The sums of files, or the kinds of failures, by name. */
async function sums(
  relay: TestRelay,
  options: Partial<SumsOptions> = {},
): Promise<Record<string, string>> {
  const found = await Array.fromAsync(
    sumFiles({ relay: pinned(relay), ...options }),
  );
  return Object.fromEntries(
    found.map((one) =>
      "failure" in one
        ? [one.name, one.failure.kind]
        : [one.name, `${one.size} ${one.sha256}`]
    ),
  );
}

/** Waits until each node has hashed its file as it is now, of 2020. */
async function untilHashed(relay: TestRelay): Promise<void> {
  const isNow = ({ content, modifiedMs }: Offer) =>
    content !== undefined && modifiedMs < Date.UTC(2021, 0);
  for (;;) {
    const [file] = await listFiles({ relay: pinned(relay) });
    if (file?.offers.every(isNow)) return;
  }
}

const FILES = { "a": "one", "d/b": "", "large": LARGE, "middle": MIDDLE };

Deno.test("sumFiles yields the SHA-256 of each file, including those that were not hashed", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, FILES);
  const wanted = Object.entries(FILES).map(([name, content]) => [
    name,
    `${content.length} ${sumOf(content)}`,
  ]);
  // The node may be about to hash them.
  assertEquals(await sums(relay), Object.fromEntries(wanted));
  assertEquals(
    Object.keys(await sums(relay, { prefix: "d/" })),
    ["d/b"],
  );
  assertEquals(await sums(relay, { matches: () => false }), {});
});

Deno.test("sumFiles chooses the content that a fetch chooses", async () => {
  await using relay = await startRelay();
  await using _nodes = await startDividedNodes(relay);
  await untilHashed(relay);
  assertEquals(await sums(relay), { "f": `${OLD.length} ${sumOf(OLD)}` });
  assertEquals(
    await sums(relay, { prefer: "newest" }),
    { "f": `${NEW.length} ${sumOf(NEW)}` },
  );
});

Deno.test("sumFiles escapes what a node says that does not describe a file", async () => {
  await using relay = await startRelay();
  await using _mallory = await startLyingNode(relay, { "f": MIDDLE }, {
    unhashed: true,
    describe: (channel, message) =>
      sendRefusal(channel, message, {
        ...{ code: "gone", text: "no\nerror: \x1b[31mforged" },
      }),
  });
  const options = { relay: pinned(relay) };
  const [sum] = await Array.fromAsync(sumFiles(options));
  const { message } = (sum as { failure: Failure }).failure;
  assertMatch(message, /mallory: it refused: no\\x0aerror: \\x1b\[31mforged/);
});

Deno.test("sumFiles takes the sums from another node when one only says that it works", async () => {
  await using relay = await startRelay();
  await using _mallory = await startLyingNode(relay, {
    "f": MIDDLE,
    "g": LARGE,
  }, {
    describe: async (channel, { request }) => {
      await channel.send({ kind: "working", request });
      await staySilent(channel);
    },
  });
  await using honest = await startNode(relay, { "f": MIDDLE, "g": LARGE });
  await honest.log.until("hashed");
  const limits = { queryPatienceMs: 1, settleMs: 1, pieceStallMs: 600_000 };
  assertEquals(await within(sums(relay, { limits }), "the sums"), {
    "f": `${MIDDLE.length} ${sumOf(MIDDLE)}`,
    "g": `${LARGE.length} ${sumOf(LARGE)}`,
  });
});

/** Lists files truly, and gives another SHA-256 of each. */
function givesOtherSums(
  relay: TestRelay,
  files: Readonly<Record<string, Uint8Array>>,
) {
  const contents = Object.entries(files).map(([name, bytes]) => ({
    ...describeBytes(name, bytes),
    sha256: sumOf("other"),
  }));
  return startLyingNode(relay, files, {
    describe: async (channel, message) => {
      const content = contents.find(({ manifest }) =>
        manifest.contentId === message.of
      );
      await sendManifest(channel, message, content!);
    },
  });
}

Deno.test("sumFiles trusts no SHA-256 that one of several nodes with the same content gives", async () => {
  await using relay = await startRelay();
  await using _evil = await givesOtherSums(relay, { "f": MIDDLE });
  await using stack = new AsyncDisposableStack();
  for (const name of ["alpha", "beta"]) {
    const honest = await startNode(relay, { "f": MIDDLE }, { name });
    stack.use(honest);
    await honest.log.until("hashed");
  }
  const right = { "f": `${MIDDLE.length} ${sumOf(MIDDLE)}` };
  // The nodes are asked in an order of chance.
  for (let n = 0; n < 8; n++) assertEquals(await sums(relay), right);
});

Deno.test("sumFiles asks a few of many addresses for a SHA-256", async () => {
  await using relay = await startRelay();
  const nodes = await Promise.all(
    [MALLORY, TRUDY, CAROL].map((identity) =>
      startLyingNode(relay, { "f": MIDDLE }, { identity })
    ),
  );
  const limits = { sumAddressCount: 1, queryPatienceMs: 600_000 };
  await sums(relay, { limits });
  const asked = nodes.map(({ asked }) =>
    asked.filter(({ kind }) => kind === "describe").length
  );
  assertEquals(asked.toSorted(), [0, 0, 1]);
  for (const node of nodes) await node[Symbol.asyncDispose]();
});

/** A node that says for a while that it works, and then describes "f" truly. */
function worksFor(relay: TestRelay, identity: Identity, count: number) {
  const files = { "f": MIDDLE, "g": LARGE };
  return startLyingNode(relay, files, {
    identity,
    describe: async (channel, message) => {
      const contents = Object.entries(files).map((file) =>
        describeBytes(...file)
      );
      const content = contents.find(({ manifest }) =>
        manifest.contentId === message.of
      )!;
      for (let n = 0; n < count && content.listed.name === "f"; n++) {
        await channel.send({ kind: "working", request: message.request });
        await delay(100);
      }
      await sendManifest(channel, message, content);
    },
  });
}

Deno.test("sumFiles does not trust only a quick node while two are slow, neither for that file nor for later ones", async () => {
  await using relay = await startRelay();
  const files = { "f": MIDDLE, "g": LARGE };
  await using _quick = await givesOtherSums(relay, files);
  await using _slow = await worksFor(relay, TRUDY, 5);
  await using _slower = await worksFor(relay, CAROL, 8);
  const limits = { settleMs: 100, queryPatienceMs: 20, requestedAheadCount: 1 };
  assertEquals(await sums(relay, { limits }), {
    "f": `${MIDDLE.length} ${sumOf(MIDDLE)}`,
    "g": `${LARGE.length} ${sumOf(LARGE)}`,
  });
});

Deno.test("sumFiles asks one node for the SHA-256 of a small file", async () => {
  await using relay = await startRelay();
  const nodes = await Promise.all(
    [MALLORY, TRUDY, CAROL].map((identity) =>
      startLyingNode(relay, { "f": OLD }, { identity })
    ),
  );
  await sums(relay, { limits: { queryPatienceMs: 600_000 } });
  const asked = nodes.flatMap(({ asked }) =>
    asked.filter(({ kind }) => kind === "describe")
  );
  assertEquals(asked.length, 1);
  for (const node of nodes) await node[Symbol.asyncDispose]();
});

Deno.test("sumFiles names no SHA-256 if as many nodes give another one, but that of a small file, which its content id proves", async () => {
  await using relay = await startRelay();
  const files = { "f": MIDDLE, "small": OLD };
  await using _evil = await givesOtherSums(relay, files);
  await using honest = await startNode(relay, files);
  await honest.log.until("hashed");
  assertEquals(await sums(relay), {
    "f": "undelivered",
    "small": `${OLD.length} ${sumOf(OLD)}`,
  });
});

Deno.test("sumFiles fails only for a file of which equally many nodes have another content", async () => {
  await using relay = await startRelay();
  await using _alpha = await startNode(relay, { "f": OLD, "g": "g" });
  await using _beta = await startNode(relay, { "f": NEW });
  assertEquals(await sums(relay), {
    "f": "undelivered",
    "g": `1 ${sumOf("g")}`,
  });
});

Deno.test("getFiles with sums fetches a content that most nodes do not have, and fails for one that nobody has", async () => {
  await using relay = await startRelay();
  await using nodes = await startDividedNodes(relay);
  for (const [name, content] of [["g", "g"], ["h", MIDDLE]] as const) {
    const bytes = typeof content === "string"
      ? new TextEncoder().encode(content)
      : content;
    await Deno.writeFile(join(nodes.beta.directory, name), bytes);
  }
  await using folder = await tempShare();
  const wanted = new Map([
    ["f", sumOf(NEW)],
    ["g", sumOf("another")],
    ["h", sumOf(MIDDLE)],
    ["nowhere", sumOf("nothing")],
  ]);
  const { saved, failed } = await get(relay, folder.path, [...wanted.keys()], {
    sums: wanted,
    anywhere: true,
  });
  assertEquals(Object.keys(saved).toSorted(), ["f", "h"]);
  assertEquals(failed, { "g": "corrupt", "nowhere": "not_found" });
  assertBytes(await read(folder, "f"), NEW);
  assertBytes(await read(folder, "h"), MIDDLE);
  const again = await get(relay, folder.path, ["f", "h"], { sums: wanted });
  assertEquals(
    again.log.of("file_present").map(({ name }) => name).toSorted(),
    ["f", "h"],
  );
});

Deno.test("getFiles with sums fails for matching files without a sum, and for files that their node lies about", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "d/a": "a", "d/b": "b" });
  await using folder = await tempShare();
  const listed = await get(relay, folder.path, [everything("d/")], {
    sums: new Map([["d/a", sumOf("a")]]),
  });
  assertEquals(listed.failed, { "d/b": "corrupt" });
  assertEquals(filesIn(folder.path), ["d/a"]);
  const claimed = sumOf("what is wanted");
  await using _liar = await startClaimingNode(relay, MIDDLE, claimed);
  const log = new ClientLog();
  const lied = await get(relay, folder.path, ["f"], {
    log,
    sums: new Map([["f", claimed]]),
  });
  assertEquals(lied.failed, { "f": "corrupt" });
  assertEquals(filesIn(folder.path), ["d/a"]);
});
