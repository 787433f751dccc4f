/**
 * Files whose SHA-256 the person gives, and nodes that claim to have them.
 */

import { assert, assertEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { sendRefusal } from "../_evil_node.ts";
import {
  closeEarly,
  describeBytes,
  type Lies,
  sendManifest,
  sendOnly,
  sendWrongBytes,
} from "../_lies.ts";
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
} from "./_outcomes.ts";
import {
  CAROL,
  MALLORY,
  MIDDLE,
  ONE_FAILURE,
  PIECE,
  read,
  sendFoundFile,
  startClaimingNode,
  startLyingNode,
  TASK,
  TRUDY,
} from "./_setting.ts";

/** Later than any file here is written, and not too far in the future. */
const newestMs = () => Date.now() + LIMITS.clockToleranceMs / 2;
const SIZES = [
  ["small", MIDDLE.slice(0, 99)],
  ["large", MIDDLE],
] as const;

for (const [size, right] of SIZES) {
  const { sha256 } = describeBytes("f", right);
  const wrong = randomBytes(right.length, seededRandom(9));

  Deno.test(`getFiles checks the SHA-256 of an existing ${size} file, whatever its node claims`, async () => {
    await using relay = await startRelay();
    await using _mallory = await startClaimingNode(relay, wrong, sha256);
    await using folder = await tempShare({ "f": wrong });
    const kept = await get(relay, folder.path, ["f"], { sha256 });
    assertEquals([kept.saved, kept.failed], [{}, { "f": "local" }]);
    assertEquals(kept.log.of("file_present"), []);
    const { saved, failed, error } = await get(relay, folder.path, ["f"], {
      sha256,
      overwrite: true,
    });
    assertEquals(saved, {});
    assertEquals(error === undefined ? failed : error, { "f": "corrupt" });
    assertBytes(await read(folder, "f"), wrong);
    assertEquals(filesIn(folder.path), ["f"]);
  });

  for (const isHashed of [true, false]) {
    Deno.test(`getFiles finds a ${size} file there by its SHA-256, if its node ${isHashed ? "claims different content for it" : "has not hashed it"}`, async () => {
      await using relay = await startRelay();
      await using _mallory = await startLyingNode(relay, { "f": wrong }, {
        unhashed: !isHashed,
        find: (channel, message) => {
          const { listed: { content, ...listed }, ...described } =
            describeBytes("f", wrong);
          return sendFoundFile(channel, message, {
            ...described,
            listed: isHashed ? { ...listed, content: content! } : listed,
            sha256,
          });
        },
      });
      await using folder = await tempShare({ "f": right });
      const { saved, failed, log } = await get(relay, folder.path, ["f"], {
        sha256,
      });
      assertEquals([Object.keys(saved), failed], [["f"], {}]);
      assertEquals(log.of("file_present").length, 1);
      assertBytes(await read(folder, "f"), right);
    });
  }
}

/** Nodes whose contents of "f" are newer than any, and which lie about them. */
async function liars(
  relay: TestRelay,
  { sha256, size, isHashed = true }: {
    sha256: string;
    size: number;
    isHashed?: boolean;
  },
) {
  const stack = new AsyncDisposableStack();
  for (const [n, identity] of [MALLORY, TRUDY].entries()) {
    const described = describeBytes("f", randomBytes(size, seededRandom(n)));
    const { content, ...rest } = {
      ...described.listed,
      modifiedMs: newestMs(),
    };
    const listed = isHashed ? { ...rest, content: content! } : rest;
    const node = await startLyingNode(relay, { "f": described.bytes }, {
      identity,
      find: (channel, message) =>
        sendFoundFile(channel, message, { ...described, listed, sha256 }),
    });
    stack.use(node);
  }
  return stack;
}

for (const [size, right] of SIZES) {
  const { sha256 } = describeBytes("f", right);

  for (const isHashed of [true, false]) {
    Deno.test(`getFiles and fetchFile take a ${size} file from the node that has the given SHA-256, after all that claim it ${isHashed ? "for other contents" : "and name no content"}`, async () => {
      await using relay = await startRelay();
      await using _liars = await liars(relay, {
        sha256,
        size: right.length,
        isHashed,
      });
      await using _alpha = await startNode(relay, { "f": right }, {
        name: "alpha",
      });
      await using folder = await tempShare();
      const { saved, failed, log } = await get(relay, folder.path, ["f"], {
        sha256,
      });
      assertEquals([Object.keys(saved), failed], [["f"], {}]);
      assertBytes(await read(folder, "f"), right);
      assertEquals(log.trouble.toSorted(), ["mallory lied", "trudy lied"]);
      assertEquals(log.bytesFrom("f"), { "alpha": right.length });
      const [progress] = log.of("progress").slice(-1);
      assertEquals(progress?.received, right.length);
      assertEquals(filesIn(folder.path), ["f"]);

      const { content, log: fetched } = await fetch(relay, "f", { sha256 });
      const lied = fetched.trouble.filter((one) => one.endsWith(" lied, out"));
      assertEquals(lied.length, size === "small" ? 2 : 1);
      // What was given out of another content cannot be taken back.
      if (size === "small") assertBytes(content, right);
      else assertEquals(content, null);
    });
  }

  Deno.test(`getFiles waits for the node that has a ${size} file with the given SHA-256 when all false claims are detected`, async () => {
    await using relay = await startRelay();
    const log = new ClientLog();
    await using _liars = await liars(relay, { sha256, size: right.length });
    const alpha = describeBytes("f", right);
    await using _late = await startLyingNode(relay, { "f": right }, {
      identity: CAROL,
      find: async (channel, message) => {
        await log.until("node_trouble", ({ kind }) => kind === "lied");
        await sendFoundFile(channel, message, alpha);
      },
    });
    await using folder = await tempShare();
    const { failed } = await get(relay, folder.path, ["f"], {
      sha256,
      limits: { queryGraceMs: 1 },
      log,
    });
    assertEquals(failed, {});
    assertBytes(await read(folder, "f"), right);
  });
}

Deno.test("getFiles with a pattern and a SHA-256 fetches few files from a node that claims it falsely for many, and the right one from another", async () => {
  await using relay = await startRelay();
  const names = Array.from({ length: 20 }, (_, n) => `n${10 + n}`);
  const wrong = names.map((name, n) =>
    describeBytes(name, randomBytes(2 * PIECE, seededRandom(n)))
  );
  const right = randomBytes(2 * PIECE, seededRandom(99));
  const { sha256 } = describeBytes("n29", right);
  const files = Object.fromEntries(
    wrong.map(({ listed, bytes }) => [listed.name, bytes]),
  );
  await using _liar = await startLyingNode(relay, files, {
    describe: async (channel, message) => {
      const { manifest } = wrong.find(({ listed }) =>
        [listed.content, listed.version].includes(message.of)
      )!;
      await sendManifest(channel, message, { manifest, sha256 });
    },
  });
  await using _alpha = await startNode(relay, { "n29": right }, {
    name: "alpha",
  });
  await using folder = await tempShare();
  const { saved, failed, log } = await get(
    relay,
    folder.path,
    [everything()],
    { sha256 },
  );
  assertEquals(Object.keys(saved), ["n29"]);
  assertBytes(await read(folder, "n29"), right);
  assertEquals(Object.keys(failed).toSorted(), names.slice(0, -1));
  assertEquals(new Set(Object.values(failed)), new Set(["corrupt"]));
  // Those that were under way when the first was found out.
  const lied = log.trouble.filter((one) => one.startsWith("mallory lied"));
  assert(lied.length <= 4, `${lied.length} files were fetched for nothing`);
});

Deno.test("fetchFile does not take the beginning of one content that a node claims for the whole that another node claims", async () => {
  await using relay = await startRelay();
  const taken = Promise.withResolvers<void>();
  const whole = describeBytes("f", MIDDLE.slice(0, (TASK + 1) * PIECE));
  const start = describeBytes("f", MIDDLE.slice(0, TASK * PIECE));
  const { sha256 } = describeBytes("f", MIDDLE);
  const listed = { ...whole.listed, modifiedMs: newestMs() };
  await using _mallory = await startLyingNode(relay, { "f": whole.bytes }, {
    piece: sendOnly(TASK, async (channel, piece) => {
      await taken.promise;
      await closeEarly(channel, piece);
    }),
    find: (channel, message) =>
      sendFoundFile(channel, message, { ...whole, listed, sha256 }),
  });
  await using _trudy = await startLyingNode(relay, { "f": start.bytes }, {
    identity: TRUDY,
    find: (channel, message) =>
      sendFoundFile(channel, message, { ...start, sha256 }),
  });
  const { content, kind } = await fetch(relay, "f", {
    sha256,
    limits: ONE_FAILURE,
    onPart: () => taken.resolve(),
  });
  assertEquals([content, kind], [null, "corrupt"]);
});

/** Ways in which a node does not deliver a content that it claims. */
const UNDELIVERED: readonly (readonly [string, Lies])[] = [
  ["disconnects", { piece: closeEarly }],
  ["sends other bytes", { piece: sendWrongBytes }],
  ["does not describe it", {
    describe: (channel, message) =>
      sendRefusal(channel, message, { code: "unreadable" }),
    read: (channel, message) =>
      sendRefusal(channel, message, { code: "unreadable" }),
  }],
  ["reports repeatedly that it has changed", {
    describe: (channel, message) =>
      sendRefusal(channel, message, { code: "changed" }),
    read: (channel, message) =>
      sendRefusal(channel, message, { code: "changed" }),
  }],
];

for (const [what, lies] of UNDELIVERED) {
  Deno.test(`getFiles takes a file with the given SHA-256 from its nodes, where another claims it for a smaller one and ${what}`, async () => {
    const { sha256 } = describeBytes("f", MIDDLE);
    const small = MIDDLE.slice(0, 99);
    const described = { ...describeBytes("f", small), sha256 };
    await using relay = await startRelay();
    await using mallory = await startLyingNode(relay, { "f": small }, {
      ...lies,
      find: (channel, message) => sendFoundFile(channel, message, described),
    });
    await using _alpha = await startNode(relay, { "f": MIDDLE });
    await using _beta = await startNode(relay, { "f": MIDDLE });
    await using folder = await tempShare();
    const { saved, failed } = await get(relay, folder.path, ["f"], {
      sha256,
      limits: ONE_FAILURE,
    });
    assertEquals([Object.keys(saved), failed], [["f"], {}]);
    assertBytes(await read(folder, "f"), MIDDLE);
    assertEquals(filesIn(folder.path), ["f"]);
    const kinds = mallory.asked.map(({ kind }) => kind);
    assert(kinds.some((kind) => kind !== "find"), kinds.join());
  });
}
