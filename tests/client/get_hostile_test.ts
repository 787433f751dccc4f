/**
 * Fetching files to the disk from nodes that lie, or whose files change.
 */

import { LIMITS } from "../../lib/base/limits.ts";
import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import type { Channel } from "../../lib/protocol/channel.ts";
import { Failure } from "../../lib/base/errors.ts";
import { createIdentity } from "../../lib/identity/identity.ts";
import type { ListedFile, MessageOf } from "../../lib/protocol/messages.ts";
import { sendRefusal, staySilent, VERSION } from "../_evil_node.ts";
import { within } from "../_event_log.ts";
import {
  describeBytes,
  sendManifest,
  sendOnly,
  sendWrongBytes,
} from "../_lies.ts";
import { startNode, startRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import {
  assertBytes,
  ClientLog,
  everything,
  fetch,
  filesIn,
  get,
  type NodeAnswered,
} from "./_outcomes.ts";
import {
  MIDDLE,
  PARTIAL,
  PIECE,
  read,
  sendFoundFile,
  SIX_FILES,
  startClaimingNode,
  startLyingNode,
  TASK,
  TRUDY,
} from "./_setting.ts";

// Less than nodes are waited for that say nothing.
const SOON_MS = 10_000;

Deno.test("getFiles saves nothing under the name when all nodes lie, and continues if one does not", async () => {
  await using relay = await startRelay();
  await using folder = await tempShare();
  {
    const piece = sendOnly(TASK, sendWrongBytes);
    await using _mallory = await startLyingNode(relay, { "f": MIDDLE }, {
      piece,
    });
    await using _trudy = await startLyingNode(relay, { "f": MIDDLE }, {
      identity: TRUDY,
      piece: sendWrongBytes,
    });
    const { saved, failed, log } = await get(relay, folder.path, ["f"]);
    assertEquals([saved, failed], [{}, { "f": "corrupt" }]);
    assertEquals(log.trouble.toSorted(), [
      "mallory lied, out",
      "trudy lied, out",
    ]);
    assertEquals(filesIn(folder.path).includes("f"), false);
  }
  await using _good = await startNode(relay, { "f": MIDDLE });
  const { saved } = await get(relay, folder.path, ["f"]);
  assertEquals(Object.keys(saved), ["f"]);
  assertBytes(await read(folder, "f"), MIDDLE);
  assertEquals(filesIn(folder.path), ["f"]);
});

Deno.test("getFiles fetches from the one node that delivers, even if many others claim the files", async () => {
  await using relay = await startRelay();
  await using folder = await tempShare();
  const names = Array.from({ length: 20 }, (_, n) => `f${n}`);
  const files = Object.fromEntries(
    names.map((name, n) => [name, randomBytes(1_000, seededRandom(n))]),
  );
  await using _honest = await startNode(relay, files, { name: "honest" });
  await using stack = new AsyncDisposableStack();
  for (let n = 0; n < 12; n++) {
    const identity = await createIdentity();
    stack.use(
      await startLyingNode(relay, files, {
        identity,
        read: (channel, message) =>
          sendRefusal(channel, message, { code: "gone" }),
      }),
    );
  }
  const { saved, failed } = await get(relay, folder.path, names);
  assertEquals(failed, {});
  assertEquals(Object.keys(saved).toSorted(), names.toSorted());
  for (const name of names) {
    assertBytes(await read(folder, name), files[name]!);
  }
});

for (
  const [what, describe] of [
    ["says nothing", staySilent],
    ["reports only that it works", saysThatItWorks],
  ] as const
) {
  Deno.test(`A node that ${what} when it must describe a file delays neither get nor fetch`, async () => {
    await using relay = await startRelay();
    await using folder = await tempShare();
    let log = new ClientLog();
    await using _mallory = await startLyingNode(relay, { "f": MIDDLE }, {
      describe,
    });
    await using _trudy = await startLyingNode(relay, { "f": MIDDLE }, {
      identity: TRUDY,
      find: async (channel, message) => {
        const isFound = ({ answer }: NodeAnswered) => answer.kind === "found";
        await log.until("node_answered", isFound); // mallory is asked first
        await sendFoundFile(channel, message, describeBytes("f", MIDDLE));
      },
    });
    const limits = { queryPatienceMs: 1 };
    const got = get(relay, folder.path, ["f"], { log, limits });
    assertEquals((await within(got, "get", SOON_MS)).failed, {});
    assertBytes(await read(folder, "f"), MIDDLE);
    log = new ClientLog();
    const fetched = fetch(relay, "f", { limits, onEvent: log.onEvent });
    const { content } = await within(fetched, "fetch", SOON_MS);
    assertBytes(content!, MIDDLE);
  });
}

/** Says that it hashes; then waits until the client disconnected. */
async function saysThatItWorks(
  channel: Channel,
  { request }: MessageOf<"describe">,
): Promise<void> {
  await channel.send({ kind: "working", request });
  await staySilent(channel);
}

Deno.test("getFiles saves nothing of a small file when its node lies", async () => {
  await using relay = await startRelay();
  const files = { "f": MIDDLE.slice(0, 9), "empty": new Uint8Array() };
  await using _evil = await startLyingNode(relay, files, {
    piece: sendWrongBytes,
  });
  await using folder = await tempShare();
  const { saved, failed } = await get(relay, folder.path, ["f", "empty"]);
  assertEquals(failed, { "f": "corrupt" });
  assertEquals(Object.keys(saved), ["empty"]);
  assertEquals(filesIn(folder.path), ["empty"]);
});

for (
  const [size, bytes] of [["small", MIDDLE.slice(0, 99)], [
    "large",
    MIDDLE,
  ]] as const
) {
  Deno.test(`getFiles does not believe a node that gives another SHA-256 to a ${size} file`, async () => {
    await using relay = await startRelay();
    const random = randomBytes(bytes.length, seededRandom(9));
    const { sha256 } = describeBytes("f", random);
    await using _evil = await startClaimingNode(relay, bytes, sha256);
    await using folder = await tempShare();
    const { saved, failed, error } = await get(relay, folder.path, ["f"], {
      sha256,
    });
    assertEquals(saved, {});
    const kind = error instanceof Failure ? error.kind : failed["f"];
    assertEquals(kind, "corrupt");
    assertEquals(filesIn(folder.path), []);
  });
}

for (const pieces of [1, 2, 40]) {
  Deno.test(`getFiles refuses a manifest of ${pieces} pieces for a file of seven`, async () => {
    await using relay = await startRelay();
    const other = describeBytes("f", new Uint8Array(pieces * PIECE));
    await using _node = await startLyingNode(relay, { "f": MIDDLE }, {
      unhashed: true,
      describe: (channel, message) => sendManifest(channel, message, other),
    });
    // Of a file that is not hashed, and of which something is there already.
    await using folder = await tempShare({ [PARTIAL]: MIDDLE });
    const { saved, failed, error } = await get(relay, folder.path, ["f"]);
    assertEquals([saved, error], [{}, undefined]);
    assertEquals(["undelivered", "corrupt"].includes(failed["f"]!), true);
    assertEquals(filesIn(folder.path), [PARTIAL]);
  });
}

Deno.test("getFiles gives up the large files that no node will describe, and fetches the others", async () => {
  await using relay = await startRelay();
  const names = Object.keys(SIX_FILES);
  await using _node = await startLyingNode(relay, SIX_FILES, {
    unhashed: true,
    describe: (channel, message) =>
      sendRefusal(channel, message, { code: "unreadable" }),
  });
  // Where there is something of it already, a description is needed.
  await using folder = await tempShare(
    Object.fromEntries(
      names.slice(0, 4).map((name) => [`.${name}.p2p-part`, "something"]),
    ),
  );
  const { saved, failed } = await within(
    get(relay, folder.path, names),
    "the end",
  );
  assertEquals(Object.keys(saved).toSorted(), ["f4", "f5"]);
  assertEquals(Object.keys(failed).toSorted(), ["f0", "f1", "f2", "f3"]);
  assertEquals(new Set(Object.values(failed)), new Set(["undelivered"]));
});

/** Names that no file may be saved under. */
const HOSTILE = [
  "../escaped",
  "d/../../escaped",
  "/tmp/relay-p2p-escaped",
  "d//f",
  "d/.",
  "d/",
  "",
  "..",
  "..\\escaped",
  "C:escaped",
  "a\0b",
  "a\x1b[2Jb",
  "a\u202eb",
  "nul.txt",
  "trailing. ",
  "x.p2p-part",
  "e\u0301", // not in its normal form
  "x".repeat(300),
];

Deno.test("getFiles never uses a hostile name, size or time of a listing on the disk", async () => {
  await using relay = await startRelay();
  const good = describeBytes("good", new TextEncoder().encode("good"));
  const listed = (name: string, size = 4): ListedFile => ({
    name,
    size,
    modifiedMs: LIMITS.dateLastMs,
    version: VERSION,
  });
  const files = [
    ...HOSTILE.map((name) => listed(name)),
    listed("too-large", 2 ** 40 + 1),
    { ...good.listed, modifiedMs: LIMITS.dateLastMs },
  ];
  await using node = await startLyingNode(relay, { "good": good.bytes }, {
    browse: (channel, { request }) =>
      channel.send({ kind: "files", request, files, more: false }),
  });
  await using folder = await tempShare();
  const inside = join(folder.path, "a", "b");
  await Deno.mkdir(inside, { recursive: true });
  const { saved, failed } = await get(relay, inside, [everything()]);
  assertEquals([Object.keys(saved), failed], [["good"], {}]);
  assertEquals(filesIn(folder.path), ["a/b/good"]);
  const { mtime } = await Deno.stat(join(inside, "good"));
  assertEquals(Math.abs(Date.now() - (mtime?.getTime() ?? 0)) < 60_000, true);
  const reads = node.asked.filter(({ kind }) => kind === "read");
  assertEquals(reads.length, 1);
});

Deno.test("getFiles saves the listed files if a list was cut, and reports that there are more", async () => {
  await using relay = await startRelay();
  await using _good = await startNode(relay, { "good": "x" });
  const listed = { size: 1, modifiedMs: 0, version: VERSION };
  await using _long = await startLyingNode(relay, {}, {
    browse: (channel, { request }) => {
      const names = Array.from({ length: 100 }, (_, n) => `x${n}`);
      const files = names.map((name) => ({ ...listed, name }));
      return channel.send({ kind: "files", request, files, more: true });
    },
  });
  await using folder = await tempShare();
  const { saved, failed, log } = await get(
    relay,
    folder.path,
    [{
      kind: "matching",
      pattern: "**",
      prefix: "",
      matches: (name) => name === "good",
    }],
    { limits: { listingCount: 50 } },
  );
  assertEquals(Object.keys(saved), ["good"]);
  assertEquals(failed, { "**": "undelivered" });
  assertEquals(log.trouble, ["mallory slow, out"]);
});

Deno.test("getFiles takes no more of a node's listing than it asked for", async () => {
  await using relay = await startRelay();
  const lies = [
    { name: "other/f", size: 1, modifiedMs: 0, version: VERSION },
  ];
  await using node = await startLyingNode(relay, {}, {
    browse: (channel, { request }) =>
      channel.send({ kind: "files", request, files: lies, more: false }),
  });
  await using folder = await tempShare();
  const { failed } = await get(relay, folder.path, [everything("photos/")]);
  assertEquals(failed, { "photos/**": "not_found" });
  assertEquals(node.asked.map(({ kind }) => kind), ["browse"]);
});

Deno.test("A node that does not describe a file delays nothing, and the user sees why in words", async () => {
  await using relay = await startRelay();
  const described = describeBytes("f", MIDDLE);
  const asked = Promise.withResolvers<void>();
  await using _mute = await startLyingNode(relay, { "f": MIDDLE }, {
    describe: (channel) => {
      asked.resolve();
      return staySilent(channel);
    },
  });
  await using _good = await startLyingNode(relay, { "f": MIDDLE }, {
    identity: TRUDY,
    describe: async (channel, message) => {
      await asked.promise;
      await sendManifest(channel, message, described);
    },
  });
  await using folder = await tempShare();
  const limits = { queryPatienceMs: 1 };
  const { saved, log } = await get(relay, folder.path, ["f"], { limits });
  assertEquals(Object.keys(saved), ["f"]);
  assertEquals(
    log.of("node_trouble").map(({ node, cause }) => `${node.name}: ${cause}`),
    ["mallory: no answer in time"],
  );
});
