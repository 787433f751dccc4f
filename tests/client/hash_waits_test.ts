/**
 * Nodes that say that they hash a file, and how long a client waits for them.
 */

import { assertEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import {
  HashAccount,
  type HashWaitEvent,
  HashWaits,
  type Others,
} from "../../lib/client/hash_waits.ts";
import type { ListedNode } from "../../lib/client/nodes.ts";
import { sumFiles } from "../../lib/client/sums.ts";
import type { Channel } from "../../lib/protocol/channel.ts";
import type { ClientToNode, MessageOf } from "../../lib/protocol/messages.ts";
import { staySilent } from "../_evil_node.ts";
import { within } from "../_event_log.ts";
import { FakeTime } from "../_fake_time.ts";
import { describeBytes, honestExcept } from "../_lies.ts";
import { startNode, startRelay } from "../_network.ts";
import { tempShare } from "../_temp_share.ts";
import { assertBytes, ClientLog, fetch, get, pinned } from "./_outcomes.ts";
import { MIDDLE, NEW, OLD, read, startLyingNode } from "./_setting.ts";

const { hashingMs, hashingBytesPerSecond, hashingMostMs } = LIMITS;
const { hashingAloneMs, hashingAloneBytesPerSecond } = LIMITS;
const WORD_MS = 5_000;
const TIB = 1024 ** 4;

/** Seconds after which a node that says every 5 s that it works is out. */
function outAfter(bytes: number, others: Others, mostMs: number) {
  const account = new HashAccount(LIMITS);
  account.expect(bytes);
  for (let now = WORD_MS; now <= mostMs; now += WORD_MS) {
    if (account.works(now, { askedAt: 0, others })) return now / 1_000;
  }
  return null;
}

for (
  const [what, bytes, others, expected] of [
    ["nothing", 0, "pending", hashingMs / 1_000 + 5],
    ["nothing", 0, "answered", hashingMs / 1_000 + 5],
    ["nothing", 0, "none", hashingAloneMs / 1_000 + 5],
    [
      "100 s of slow work",
      100 * hashingAloneBytesPerSecond,
      "none",
      hashingAloneMs / 1_000 + 105,
    ],
    [
      "100 s of work",
      100 * hashingBytesPerSecond,
      "pending",
      hashingMs / 1_000 + 105,
    ],
    ["a tebibyte", TIB, "answered", hashingMostMs / 1_000 + 5],
    ["a tebibyte", TIB, "pending", null],
    ["a tebibyte", TIB, "none", null],
  ] as const
) {
  Deno.test(`A node that claims ${what} and only reports that it hashes is excluded after ${expected ?? "no"} s if others: ${others}`, () => {
    assertEquals(outAfter(bytes, others, 3_600_000), expected);
  });
}

Deno.test("HashAccount counts time in which several requests wait once, and none before a request", () => {
  const account = new HashAccount(LIMITS);
  const others = "answered";
  account.works(5_000, { askedAt: 0, others });
  account.works(5_000, { askedAt: 1_000, others });
  account.works(10_000, { askedAt: 0, others });
  account.works(9_000_000, { askedAt: 8_999_000, others });
  assertEquals(account.spentMs, 11_000);
});

Deno.test("The only node that hashes before it answers is excluded after half an hour, not after the two hours of its session", async () => {
  using time = new FakeTime();
  const events: HashWaitEvent[] = [];
  const waits = new HashWaits(LIMITS, (event) => events.push(event));
  const node = { id: "n" } as ListedNode;
  const works = waits.findWorks(node);
  const askedAt = performance.now();
  let seconds = 0;
  while (!waits.isOut("n") && seconds < 7_200) {
    await time.advance(WORD_MS);
    seconds += WORD_MS / 1_000;
    works(askedAt);
  }
  assertEquals(seconds, LIMITS.hashingFindMs / 1_000 + 5);
  assertEquals(
    events.map((event) => "cause" in event && event.cause),
    ["it was still hashing after 1805 s"],
  );
  works(askedAt); // the session ends a little later
  assertEquals(events.length, 1);
});

Deno.test("Time that a node hashed before its answer does not count against other limits", () => {
  const account = new HashAccount(LIMITS);
  for (let now = WORD_MS; now <= hashingAloneMs * 2; now += WORD_MS) {
    assertEquals(account.worksOnFind(now, 0), false);
  }
  const askedAt = 2 * hashingAloneMs;
  const now = askedAt + WORD_MS;
  assertEquals(account.works(now, { askedAt, others: "none" }), false);
});

Deno.test("HashAccount adds up the time over all files of a run", () => {
  const account = new HashAccount(LIMITS);
  let files = 0;
  for (let now = 0;; files++) {
    account.expect(hashingBytesPerSecond); // a second of work
    const askedAt = now;
    now += WORD_MS;
    if (account.works(now, { askedAt, others: "answered" })) break;
  }
  // A file allows 1 s and takes 5.
  assertEquals(files, Math.floor(hashingMs / 1_000 / 4));
});

/** The first word that it works puts a node out, where another can answer. */
const AT_ONCE = { hashingMs: 0, hashingMostMs: 0 };

async function sayWorking(channel: Channel, message: ClientToNode) {
  await channel.send({ kind: "working", request: message.request });
}

/** Says that it hashes, and never answers. */
async function onlyWorks(
  channel: Channel,
  message: MessageOf<"describe">,
): Promise<void> {
  await sayWorking(channel, message);
  await staySilent(channel);
}

function describesOf(asked: readonly ClientToNode[]): number {
  return asked.filter(({ kind }) => kind === "describe").length;
}

Deno.test("get with a SHA-256 excludes a node that only says that it hashes when another has answered", async () => {
  await using relay = await startRelay();
  await using mallory = await startLyingNode(relay, {
    "f": MIDDLE,
    "g": MIDDLE,
  }, {
    unhashed: true,
    describe: onlyWorks,
  });
  await using honest = await startNode(relay, { "f": OLD, "g": NEW });
  await honest.log.until("hashed");
  await using folder = await tempShare();
  const sums = new Map(
    ["f", "g"].map((name) => [name, describeBytes(name, NEW).sha256]),
  );
  const { saved, failed, log } = await within(
    get(relay, folder.path, ["f", "g"], { sums, limits: AT_ONCE }),
    "get",
  );
  assertEquals(Object.keys(saved), ["g"]);
  assertBytes(await read(folder, "g"), NEW);
  assertEquals(failed, { "f": "undelivered" });
  assertEquals(log.trouble, ["mallory slow, out"]);
  assertEquals(describesOf(mallory.asked), 1);
});

Deno.test("The vote of a node that hashed for too long lapses", async () => {
  await using relay = await startRelay();
  await using _mallory = await startLyingNode(relay, {
    "f": MIDDLE,
    "g": new Uint8Array(NEW.length + 1),
  }, { unhashed: true, describe: onlyWorks });
  await using honest = await startNode(relay, { "f": OLD, "g": NEW });
  await honest.log.until("hashed");
  await using folder = await tempShare();
  const { saved, log } = await within(
    get(relay, folder.path, ["f", "g"], { limits: AT_ONCE }),
    "get",
  );
  assertEquals(Object.keys(saved).toSorted(), ["f", "g"]);
  assertBytes(await read(folder, "f"), OLD);
  assertEquals(log.trouble, ["mallory slow, out"]);
});

Deno.test("If no other node can answer, the user learns which node hashes which file, and the node gets its time", async () => {
  await using relay = await startRelay();
  const log = new ClientLog();
  const files = { "f": MIDDLE };
  const honest = honestExcept(files, { unhashed: true });
  await using _node = await startLyingNode(relay, files, {
    unhashed: true,
    describe: async (channel, message) => {
      await sayWorking(channel, message);
      await log.until("node_hashing");
      await sayWorking(channel, message);
      await honest(channel, message);
    },
  });
  const { sha256 } = describeBytes("f", MIDDLE);
  const limits = { ...AT_ONCE, hashingReportMs: 1 };
  const options = { sha256, limits, onEvent: log.onEvent };
  const { content } = await within(fetch(relay, "f", options), "the fetch");
  assertBytes(content, MIDDLE);
  assertEquals(log.trouble, []);
  const [reported] = log.of("node_hashing");
  assertEquals(
    [reported?.node.name, reported?.name, reported?.bytes],
    ["mallory", "f", MIDDLE.length],
  );
});

Deno.test("A fetch ends if its only node says that it hashes for longer than its claim takes", async () => {
  await using relay = await startRelay();
  await using _mallory = await startLyingNode(relay, { "f": MIDDLE }, {
    unhashed: true,
    describe: onlyWorks,
  });
  const { sha256 } = describeBytes("f", MIDDLE);
  const limits = { hashingAloneMs: 0, hashingAloneBytesPerSecond: Infinity };
  const { kind, log } = await within(
    fetch(relay, "f", { sha256, limits }),
    "the fetch",
  );
  assertEquals(kind, "undelivered");
  assertEquals(log.trouble, ["mallory slow, out"]);
});

Deno.test("sumFiles takes no content of a node that only says that it hashes, and ends", async () => {
  await using relay = await startRelay();
  await using _mallory = await startLyingNode(relay, { "f": MIDDLE }, {
    unhashed: true,
    describe: onlyWorks,
  });
  await using honest = await startNode(relay, { "f": OLD });
  await honest.log.until("hashed");
  const limits = { ...AT_ONCE, settleMs: 600_000 };
  const all = Array.fromAsync(sumFiles({ relay: pinned(relay), limits }));
  const [sum] = await within(all, "the sums");
  assertEquals(sum, {
    name: "f",
    size: OLD.length,
    sha256: describeBytes("f", OLD).sha256,
  });
});
