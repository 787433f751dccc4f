/** Entries that somebody writes into Redis again, for the real engine. */

import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { createIdentity } from "../../lib/identity/identity.ts";
import { list, register } from "../relay/_server.ts";
import type { TestRelay } from "../_network.ts";
import { testWith } from "../_tools.ts";
import { eventually, startInstance } from "./_instances.ts";
import { RedisServer } from "./_redis_server.ts";
import { PATIENT } from "./_side.ts";
import { holdersAt, SwarmClient } from "./_swarm_client.ts";

const TAG = "{relayrelayrelay1}";
const CONTENT = "cd".repeat(32);

/** Two instances, and what was in Redis under a key. */
interface Place {
  readonly all: readonly [TestRelay, TestRelay];
  valueOf(key: string): Promise<string>;
  /** Writes it again, and waits until `a` and `b` have dropped it. */
  replay(key: string, value: string, reason: string): Promise<void>;
}

function withInstances(name: string, fn: (place: Place) => Promise<void>) {
  testWith(["redis-server"], name, async () => {
    await using redis = await RedisServer.start();
    await using a = await startInstance(redis.store(PATIENT));
    await using b = await startInstance(redis.store(PATIENT));
    const droppedBy = ({ server }: TestRelay, reason: string) =>
      server.stats().cluster!.dropped[reason] ?? 0;
    await fn({
      all: [a, b],
      valueOf: async (key) => {
        let value = null;
        while (value === null) value = await redis.ask("GET", `${TAG}:${key}`);
        return String(value);
      },
      replay: async (key, value, reason) => {
        const before = [a, b].map((it) => droppedBy(it, reason));
        await redis.put(TAG, `${TAG}:${key}`, value);
        await redis.announce(TAG, value.split("\n")[0]!);
        // The instance that wrote it knows its own hand, and looks no further.
        await eventually(() =>
          [a, b].some((it, n) => droppedBy(it, reason) > before[n]!)
        );
      },
    });
  });
}

async function namesAt(relay: TestRelay): Promise<number> {
  return (await list(relay)).nodes.length;
}

withInstances(
  "A node that has stopped is not listed when somebody writes its entry into Redis again",
  async ({ all: [a, b], valueOf, replay }) => {
    const node = await createIdentity();
    await register(a, node);
    await eventually(async () => await namesAt(b) === 1);
    const value = await valueOf(`n:${node.id}`);
    await register(a, node, { sequence: 2, purpose: "withdraw" });
    await eventually(async () => await namesAt(b) === 0);
    await eventually(async () => / w \S+$/.test(await valueOf(`n:${node.id}`)));
    await replay(`n:${node.id}`, value, "stale");
    assertEquals([await namesAt(a), await namesAt(b)], [0, 0]);
  },
);

withInstances(
  "A node stays listed as it registered last when somebody writes an older entry into Redis again",
  async ({ all: [a, b], valueOf, replay }) => {
    const node = await createIdentity();
    await register(a, node, { name: "older" });
    const value = await valueOf(`n:${node.id}`);
    await register(a, node, { name: "newer", sequence: 2 });
    const recordAt = async (relay: TestRelay) =>
      (await list(relay)).nodes[0]?.record ?? "";
    const newer = await recordAt(a);
    assertMatch(newer, /newer/);
    await eventually(async () => await recordAt(b) === newer);
    await replay(`n:${node.id}`, value, "stale");
    assertEquals([await recordAt(a), await recordAt(b)], [newer, newer]);
  },
);

withInstances(
  "A node is not listed at another address that somebody writes into Redis",
  async ({ all: [a, b], valueOf, replay }) => {
    const node = await createIdentity();
    await register(a, node);
    await eventually(async () => await namesAt(b) === 1);
    const record = (await list(b)).nodes[0]!.record;
    const value = await valueOf(`n:${node.id}`);
    const forged = value.replace(/"host":"[^"]+"/, '"host":"192.0.2.66"');
    assertNotEquals(forged, value);
    // As if it were a newer registration, so that the body is looked at.
    await replay(
      `n:${node.id}`,
      forged.replace(`${node.id} 1 `, `${node.id} 2 `),
      "forged",
    );
    for (const relay of [a, b]) {
      assertEquals((await list(relay)).nodes.map((it) => it.record), [record]);
    }
  },
);

withInstances(
  "A client of a swarm that has stopped is not found when somebody writes it into Redis again",
  async ({ all: [a, b], valueOf, replay }) => {
    const client = await SwarmClient.enter(a);
    await client.hold(CONTENT);
    await eventually(async () => await holdersAt(b, CONTENT) === 1);
    const key = `h:${client.identity.id}`;
    const value = await valueOf(key);
    await client[Symbol.asyncDispose]();
    await eventually(async () => await holdersAt(b, CONTENT) === 0);
    await replay(key, value, "stale");
    assertEquals(
      [await holdersAt(a, CONTENT), await holdersAt(b, CONTENT)],
      [0, 0],
    );
  },
);
