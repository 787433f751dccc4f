/** Clients of swarms at several instances of one relay. */

import { delay } from "@std/async/delay";
import { assertEquals } from "@std/assert";
import type { Item } from "../../lib/cluster/replicator.ts";
import { contentFingerprint } from "../../lib/content/fingerprints.ts";
import { createIdentity } from "../../lib/identity/identity.ts";
import {
  CLUSTER_SECRET,
  eventually,
  startInstance,
} from "../cluster/_instances.ts";
import {
  holdersAt,
  signedHolder,
  SwarmClient,
} from "../cluster/_swarm_client.ts";
import { MemoryStore } from "../cluster/_memory_store.ts";
import { RedisServer } from "../cluster/_redis_server.ts";
import { PATIENT, Side } from "../cluster/_side.ts";
import type { TestRelay } from "../_network.ts";
import { replaced } from "../_replaced.ts";
import { testWith } from "../_tools.ts";

const CONTENT = "cd".repeat(32);
const OTHER = "ab".repeat(32);

function untilCounted(
  relay: TestRelay,
  count: number,
  content = CONTENT,
): Promise<void> {
  return eventually(async () => await holdersAt(relay, content) === count);
}

async function follows(store: MemoryStore | RedisServer): Promise<void> {
  const meeting = () =>
    store instanceof MemoryStore ? store : store.store(PATIENT);
  await using a = await startInstance(meeting());
  await using b = await startInstance(meeting());
  const client = await SwarmClient.enter(a);
  await client.hold(CONTENT);
  await untilCounted(b, 1);
  await client.hold(OTHER);
  await untilCounted(b, 1, OTHER);
  await untilCounted(b, 0);
  await using late = await startInstance(meeting());
  await untilCounted(late, 1, OTHER);
  // It comes to another instance, and the first notices later.
  await using moved = await SwarmClient.enter(b, client.identity);
  await moved.hold(CONTENT, OTHER);
  await untilCounted(a, 1);
  await client[Symbol.asyncDispose]();
  await untilCounted(late, 1);
  assertEquals([await holdersAt(a, CONTENT), await holdersAt(b, CONTENT)], [
    1,
    1,
  ]);
  await moved[Symbol.asyncDispose]();
  for (const instance of [a, b, late]) await untilCounted(instance, 0);
}

Deno.test("A client of a swarm finds those of every instance, until they stop there", async () => {
  await follows(new MemoryStore());
});

testWith(
  ["redis-server"],
  "A client of a swarm finds those of every instance over Redis, until they stop there",
  async () => {
    await using server = await RedisServer.start();
    await follows(server);
  },
);

Deno.test("An instance checks the signature of a holder once, however often its contents change", async () => {
  const store = new MemoryStore();
  await using a = await startInstance(store);
  await using b = await startInstance(store);
  await using client = await SwarmClient.enter(a);
  await client.hold(CONTENT);
  await untilCounted(b, 1);
  let checks = 0;
  using _counted = replaced(crypto.subtle, "verify", (verify) => (...args) => {
    checks++;
    return verify.apply(crypto.subtle, args);
  });
  await client.hold(OTHER);
  await untilCounted(b, 1, OTHER);
  await client.hold(CONTENT, OTHER);
  await untilCounted(b, 1);
  assertEquals(checks, 0);
});

Deno.test("An instance accepts no holder without proof, over its limits, or that has stopped", async () => {
  const store = new MemoryStore();
  await using a = await startInstance(store);
  await using writer = new Side(store, { secret: CLUSTER_SECRET });
  const [alice, bob] = [await createIdentity(), await createIdentity()];
  const good = await signedHolder(a, alice);
  const fingerprint = contentFingerprint(a.identity.id, CONTENT);
  const rest = {
    ...{ host: "127.0.0.1", reached: "unchecked", contents: [fingerprint] },
  };
  const bodies: unknown[] = [
    "garbage",
    { ...good, ...rest, host: "nas.local" },
    { ...good, ...rest, contents: ["short"] },
    { ...good, ...rest, contents: Array(65).fill(fingerprint) },
    { ...good, ...rest, reached: "perhaps" },
    { ...good, ...rest, more: 1 },
    { ...await signedHolder(a, alice, { purpose: "register" }), ...rest },
    { ...await signedHolder(a, alice, { relay: bob.id }), ...rest },
    { ...await signedHolder(a, bob), ...rest },
    { ...good, signature: (await signedHolder(a, bob)).signature, ...rest },
  ];
  const dropped = () => a.server.stats().cluster!.dropped;
  const write = (body: unknown, sequence: number) => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const changes: Partial<Item> = { kind: "h", body: text };
    writer.hold(alice.id, sequence, changes);
  };
  for (const [n, body] of bodies.entries()) {
    write(body, n + 1);
    await eventually(() => dropped()["unproven"] === n + 1);
  }
  assertEquals(await holdersAt(a, CONTENT), 0);
  write({ ...good, ...rest }, 100);
  await untilCounted(a, 1);
  writer.replicator.ended({ kind: "h", id: alice.id }, 100);
  await untilCounted(a, 0);
});

Deno.test("A client of a swarm is found at every instance while the store is down for longer than its lease", async () => {
  const store = new MemoryStore();
  const limits = { leaseSeconds: 1 };
  await using a = await startInstance(store, { limits });
  await using b = await startInstance(store, { limits });
  await using client = await SwarmClient.enter(a);
  await client.hold(CONTENT);
  await untilCounted(b, 1);
  store.stop();
  await eventually(() => b.server.stats().cluster!.phase === "away");
  const awayAt = performance.now();
  while (performance.now() - awayAt < 4_000) {
    await client.hold(CONTENT); // b cannot learn of it
    assertEquals(await holdersAt(b, CONTENT), 1);
    await delay(100); // more often, and the relay refuses them
  }
});
