/**
 * What goes wrong on the way between a client and a node: the client goes on
 * with another node where there is one, says what happened where there is none,
 * never waits longer than it must, and never publishes a wrong file.
 */

import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { delay } from "@std/async/delay";
import { join } from "@std/path";
import { listNodes } from "../../lib/client/listing.ts";
import { Failure } from "../../lib/base/errors.ts";
import { greet } from "../../lib/protocol/hello.ts";
import type { Limits } from "../../lib/base/limits.ts";
import { pieceCountOf } from "../../lib/content/manifest.ts";
import { openConnectionCount } from "../_descriptors.ts";
import { within } from "../_event_log.ts";
import { startFaultProxy } from "../_fault_proxy.ts";
import {
  IDENTITIES,
  openChannel,
  startRelay,
  type TestRelay,
} from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import { ClientLog, get, type GetOutcome } from "../client/_outcomes.ts";
import { spawnNode } from "../e2e/_processes.ts";
import {
  DEADLINE_MS,
  type Fault,
  FILE,
  getInTime,
  LIMITS,
  MIB,
  MIDDLE,
  onEachConnection,
  startGood,
  startNetwork,
  towardsClient,
} from "./_proxied.ts";

const SMALL = randomBytes(5_000, seededRandom(2));

// Where nothing is to be given up, also on a busy machine.
const PATIENT: Partial<Limits> = {
  connectMs: 10_000,
  handshakeMs: 10_000,
  pieceStallMs: 10_000,
};

/** What the client says of a node it knows nothing good of. */
function lastAnswer({ log }: GetOutcome): string {
  return log.of("node_answered").filter(({ node }) => node.name === "faulty")
    .at(-1)!.answer.kind;
}

const FATAL: readonly Fault[] = [
  {
    name: "a proxy that takes everything and answers nothing",
    faults: { toTarget: { swallowAfter: 0 } },
    alone: "not_found",
    reached: false,
  },
  {
    name: "a proxy that reads nothing",
    faults: { toTarget: { stallAfter: 1 } },
    alone: "not_found",
    reached: false,
  },
  {
    name: "an end before the first byte",
    faults: towardsClient({ cutAfter: 0 }),
    alone: "not_found",
    reached: false,
  },
  {
    name: "a reset before the first byte",
    faults: towardsClient({ cutAfter: 0, cut: "rst" }),
    alone: "not_found",
    reached: false,
  },
  {
    name: "an end in the middle of the hellos",
    faults: towardsClient({ cutAfter: 100 }),
    alone: "not_found",
    reached: false,
  },
  {
    name: "a stall in the middle of the file",
    faults: onEachConnection({ stallAfter: MIDDLE }),
    alone: "undelivered",
    reached: true,
  },
  {
    name: "a black hole from the middle of the file on",
    faults: onEachConnection({ swallowAfter: MIDDLE }),
    alone: "undelivered",
    reached: true,
  },
  {
    name: "an end in the middle of the file",
    faults: onEachConnection({ cutAfter: MIDDLE }),
    alone: "undelivered",
    reached: true,
  },
  {
    name: "a reset in the middle of the file",
    faults: onEachConnection({ cutAfter: MIDDLE, cut: "rst" }),
    alone: "undelivered",
    reached: true,
  },
  {
    name: "a reset on the way to the node",
    faults: { toTarget: { cutAfter: 400, cut: "rst" } },
    alone: "not_found",
    reached: false,
  },
];

for (const mode of ["TLS", "plaintext"] as const) {
  for (const { name, faults, alone, reached } of FATAL) {
    // In plaintext a client says less than that in all.
    if (mode === "plaintext" && !reached && faults.toTarget?.cutAfter) continue;
    Deno.test(`Fault proxy, ${mode}: ${name}, and no other node: reported as ${alone}, in time`, async () => {
      await using network = await startNetwork({ mode, faults });
      await using folder = await tempShare();
      const outcome = await getInTime(network, folder, { mode });
      assertEquals([outcome.saved, outcome.failed], [{}, { "f": alone }]);
      if (reached) {
        assertEquals(outcome.log.trouble.at(-1), "faulty broke_off, out");
      } else assertMatch(lastAnswer(outcome), /^(unreachable|failed)$/);
      network.proxy.faults = {};
      const { saved } = await getInTime(network, folder, { mode });
      assertEquals(Object.keys(saved), ["f"], "mended, the same run goes on");
    });

    Deno.test(`Fault proxy, ${mode}: ${name}: the client continues with another node`, async () => {
      await using network = await startNetwork({ mode, faults });
      await using _good = await startGood(network.relay, mode);
      await using folder = await tempShare();
      const outcome = await getInTime(network, folder, { mode });
      assertEquals([Object.keys(outcome.saved), outcome.failed], [["f"], {}]);
      assert(network.proxy.acceptedCount > 0, "it was tried");
      const from = outcome.log.bytesFrom("f");
      assert(from["good"]! > 0, JSON.stringify(from));
    });
  }

  for (
    const [name, faults] of [
      ["a byte at a time in the hellos", { sliceBytes: 1 }],
      ["100 ms late, both ways", { delayMs: 100 }],
      ["at 100 KB a second", { bytesPerSecond: 100_000 }],
    ] as const
  ) {
    Deno.test(`Fault proxy, ${mode}: ${name}: slower, and nothing else`, async () => {
      const both = { toTarget: faults, toDialler: faults };
      const files = { "f": SMALL };
      await using network = await startNetwork({ mode, faults: both, files });
      await using folder = await tempShare();
      const outcome = await getInTime(network, folder, {
        ...{ mode, bytes: SMALL },
        limits: PATIENT,
      });
      assertEquals([Object.keys(outcome.saved), outcome.log.trouble], [
        ["f"],
        [],
      ]);
    });
  }

  Deno.test(`Fault proxy, ${mode}: a node that does not return is given up, and the other finishes`, async () => {
    // Slow enough for the file not to be there before the node is gone.
    await using network = await startNetwork({
      mode,
      faults: towardsClient({ bytesPerSecond: 2 * MIB }),
    });
    await using _good = await startGood(network.relay, mode, 2 * MIB);
    await using folder = await tempShare();
    const getting = getInTime(network, folder, { mode });
    await within(
      network.proxy.passed(MIB / 4),
      "some of the file from the faulty node",
    );
    await network.proxy.breakDown();
    const { saved, log } = await getting;
    assertEquals(Object.keys(saved), ["f"]);
    const total = Object.values(log.bytesFrom("f")).reduce((a, b) => a + b);
    assertEquals(total, FILE.length, "nothing counted twice");
  });
}

/**
 * Lets the event loop turn until a state is reached that no event reports;
 * fails with `what` otherwise.
 */
async function untilSettled(
  isSo: () => boolean | Promise<boolean>,
  what: string,
): Promise<void> {
  let isWaiting = true;
  const looking = async () => {
    while (isWaiting && !await isSo()) await delay(0);
  };
  try {
    await within(looking(), what);
  } finally {
    isWaiting = false;
  }
}

for (const count of [1, 2, 3, 5, 8]) {
  Deno.test(`Fault proxy: when the only node vanishes, each of ${count} large files is reported as undelivered, in time`, async () => {
    const random = seededRandom(4);
    const files = Object.fromEntries(
      Array.from(
        { length: count },
        (_, at) => [`f${at}`, randomBytes(4 * MIB, random)],
      ),
    );
    await using network = await startNetwork({
      faults: towardsClient({ cutAfter: 3 * MIB, cut: "rst" }),
      files,
    });
    await network.faulty.log.until("hashed");
    await using folder = await tempShare();
    const stop = new AbortController();
    try {
      const { saved, failed, error } = await within(
        get(network.relay, folder.path, Object.keys(files), {
          signal: stop.signal,
          // Several files are under way at once.
          limits: { ...LIMITS, sourceFailureCount: 1, windowBytes: 512 * 1024 },
        }),
        "an end",
      );
      assertEquals(error, undefined);
      assertEquals(
        Object.keys({ ...saved, ...failed }).toSorted(),
        Object.keys(files),
      );
      assertEquals(new Set(Object.values(failed)), new Set(["undelivered"]));
    } finally {
      stop.abort(new Error("the test is over"));
    }
  });
}

Deno.test("Fault proxy: a connection that is cut again and again, but delivers something each time, delivers everything", async () => {
  await using network = await startNetwork({
    // Not with a reset, which takes along what has not been read yet.
    faults: towardsClient({ cutAfter: MIDDLE }),
    files: { "f": randomBytes(5 * MIB, seededRandom(5)) },
  });
  await using folder = await tempShare();
  const { saved, failed } = await within(
    get(network.relay, folder.path, ["f"]),
    "an end",
  );
  assertEquals([Object.keys(saved), failed], [["f"], {}]);
  assert(network.proxy.acceptedCount >= 5);
});

Deno.test("Fault proxy: the node disconnects a client that stops reading, in time, and frees everything", async () => {
  const identity = IDENTITIES[1]!;
  await using network = await startNetwork({
    identity,
    faults: { toDialler: { stallAfter: MIDDLE } },
    files: { "f": randomBytes(32 * MIB, seededRandom(3)) },
    limits: { dataWriteStallMs: 500 },
  });
  const { proxy, faulty } = network;
  const at = { host: "127.0.0.1", port: proxy.port };
  await using channel = await openChannel(at, identity);
  await greet(channel, { role: "client" });
  await channel.send({ kind: "find", request: 1, name: "f" });
  const found = await channel.receive(["found"]);
  // All of it at once: more than sockets hold.
  const { version: of, size } = found!;
  const count = pieceCountOf(size);
  await channel.send({ kind: "read", request: 2, of, first: 0, count });
  const { server, log } = faulty;
  assertEquals(server.connectionCount, 1);
  await log.until("refused", ({ reason }) => reason === "slow_consumer");
  await untilSettled(() => server.connectionCount === 0, "its end");
  assertLess(proxy.passedBytes, 2 * MIB);
});

Deno.test("Fault proxy: the node frees everything of a client that vanishes", async () => {
  await using network = await startNetwork({
    faults: { toDialler: { cutAfter: MIDDLE, cut: "rst" } },
  });
  const { target } = network.proxy;
  const before = await openConnectionCount(target);
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: target });
  assert(await openConnectionCount(target) > before);
  conn.close();
  const rounds = 5;
  for (let round = 0; round < rounds; round++) {
    await using folder = await tempShare();
    const { failed } = await getInTime(network, folder);
    assertEquals(failed, { "f": "undelivered" });
  }
  const { server, log } = network.faulty;
  await log.until(
    "served",
    () => log.names.filter((name) => name === "served").length >= rounds,
  );
  await untilSettled(() => server.connectionCount === 0, "their end");
  await untilSettled(
    async () => await openConnectionCount(target) <= before,
    "their descriptors",
  );
});

Deno.test("Fault proxy: a very slow node loses its pieces to the other, and does not delay it", async () => {
  const faults = towardsClient({ bytesPerSecond: 20_000 });
  await using network = await startNetwork({ faults });
  await using _good = await startGood(network.relay, "TLS");
  await using folder = await tempShare();
  const { saved, ms, log } = await getInTime(network, folder);
  assertEquals(Object.keys(saved), ["f"]);
  assertLess(ms, DEADLINE_MS); // at the crawl, 200 s
  assertEquals(log.bytesFrom("f")["good"]! > FILE.length / 2, true);
});

/** A node in a process of its own, which can be stopped, and takes seconds to send. */
async function spawnSlowNode(relay: TestRelay, directory: string) {
  const { port } = relay.server.address;
  return await spawnNode(String(port), directory, ["--limit-rate", "3M"]);
}

Deno.test("A node that is stopped for a moment in the middle continues, and so does the client", async () => {
  await using relay = await startRelay();
  await using share = await tempShare({ "f": FILE });
  await using node = await spawnSlowNode(relay, share.path);
  await using folder = await tempShare();
  const log = new ClientLog();
  const getting = get(relay, folder.path, ["f"], { limits: LIMITS, log });
  await log.until("progress", ({ received }) => received > 0);
  node.signal("SIGSTOP");
  // Progress is reported several times a second, also where there is none.
  const reported = log.of("progress").length;
  await log.until("progress", () => log.of("progress").length > reported + 3);
  node.signal("SIGCONT");
  const { saved } = await within(getting, "the file");
  assertEquals([Object.keys(saved), log.trouble], [["f"], []]);
  assertEquals(await Deno.readFile(join(folder.path, "f")), FILE);
});

Deno.test("A node that is stopped for long is replaced by another, and is used again later", async () => {
  await using relay = await startRelay();
  await using share = await tempShare({ "f": FILE });
  await using node = await spawnSlowNode(relay, share.path);
  const log = new ClientLog();
  {
    await using _good = await startGood(relay, "TLS", 2 * MIB);
    await using folder = await tempShare();
    const getting = get(relay, folder.path, ["f"], { limits: LIMITS, log });
    await log.until("progress", ({ received }) => received > 0);
    node.signal("SIGSTOP");
    const { saved } = await within(getting, "the file");
    assertEquals(Object.keys(saved), ["f"]);
    assertEquals(await Deno.readFile(join(folder.path, "f")), FILE);
    node.signal("SIGCONT");
  }
  await using folder = await tempShare();
  const { saved } = await get(relay, folder.path, ["f"], { limits: LIMITS });
  assertEquals(Object.keys(saved), ["f"]);
});

for (
  const [name, faults] of [
    ["takes everything and answers nothing", { toTarget: { swallowAfter: 0 } }],
    ["cuts the hellos", { toDialler: { cutAfter: 900 } }],
    ["resets", { toDialler: { cutAfter: 0, cut: "rst" } }],
    ["flips a bit", { toDialler: { flipAt: 400 } }],
  ] as const
) {
  Deno.test(`Fault proxy: a relay behind a proxy that ${name} is reported as a failure of the relay, in time`, async () => {
    await using relay = await startRelay();
    await using proxy = await startFaultProxy(faults);
    proxy.target = relay.server.address.port;
    const { id } = relay.identity;
    const at = { host: "127.0.0.1", port: proxy.port, id };
    const startedAt = performance.now();
    const failure = await within(
      listNodes({ relay: at, limits: LIMITS }).catch((error) => error),
      "an answer",
    );
    assert(failure instanceof Failure, String(failure));
    assertEquals(failure.kind, "relay", failure.message);
    assertLess(performance.now() - startedAt, DEADLINE_MS);
  });
}
