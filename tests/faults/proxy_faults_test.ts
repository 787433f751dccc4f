/**
 * What goes wrong on the way between a client and a node: the client goes on
 * with another node where there is one, says what happened where there is none,
 * never waits longer than it must, and never publishes a wrong file.
 * `tests/long/faults/` has the same without encryption, and stopped processes.
 */

import { assert, assertEquals, assertLess } from "@std/assert";
import { delay } from "@std/async/delay";
import { listNodes } from "../../lib/client/listing.ts";
import { Failure } from "../../lib/base/errors.ts";
import { greet } from "../../lib/protocol/hello.ts";
import { pieceCountOf } from "../../lib/content/manifest.ts";
import { openConnectionCount } from "../_descriptors.ts";
import { within } from "../_event_log.ts";
import { startFaultProxy } from "../_fault_proxy.ts";
import { IDENTITIES, openChannel, startRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import { get } from "../client/_outcomes.ts";
import { testFaultsOnTheWay } from "./_on_the_way.ts";
import {
  DEADLINE_MS,
  FILE,
  getInTime,
  LIMITS,
  MIB,
  MIDDLE,
  startGood,
  startNetwork,
  towardsClient,
} from "./_proxied.ts";

testFaultsOnTheWay("TLS");

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
