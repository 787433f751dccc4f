import { assertEquals, assertRejects } from "@std/assert";
import { Failure } from "../../lib/base/errors.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { createIdentity, type Identity } from "../../lib/identity/identity.ts";
import { listNodes } from "../../lib/client/listing.ts";
import { signRegistration } from "../../lib/protocol/signed_record.ts";
import { linkTo, MEMBER, NODE_TOKEN, SECRET } from "../access/_private.ts";
import { fetch } from "../client/_outcomes.ts";
import {
  CLUSTER_SECRET,
  eventually,
  startInstance,
  untilListed,
} from "../cluster/_instances.ts";
import { MemoryStore } from "../cluster/_memory_store.ts";
import { Side } from "../cluster/_side.ts";
import { ForwardClock } from "../_forward_clock.ts";
import { IDENTITIES, startNode, type TestRelay } from "../_network.ts";

const [relayIdentity, alice, bob] = IDENTITIES as [
  Identity,
  Identity,
  Identity,
];

Deno.test("An instance lists a node that registered with another, until it withdraws there", async () => {
  const store = new MemoryStore();
  await using a = await startInstance(store);
  await using b = await startInstance(store);
  const node = await startNode(a, { "a.txt": "abc" }, { name: "alpha" });
  await untilListed(b, "alpha");
  const { content } = await fetch(b, "a.txt");
  assertEquals(new TextDecoder().decode(content!), "abc");
  assertEquals(b.server.stats().replicaCount, 1);
  assertEquals(a.server.stats().replicaCount, 0);
  await node[Symbol.asyncDispose]();
  await untilListed(b);
  const reported = b.log.names.filter((name) => name.startsWith("node_"));
  assertEquals(reported, [], "each instance reports its own nodes");
});

Deno.test("A node of another instance counts as one that may have any name", async () => {
  const store = new MemoryStore();
  await using a = await startInstance(store);
  await using b = await startInstance(store);
  await using node = await startNode(a, { "a.txt": "abc" }, { name: "alpha" });
  await node.log.until("indexed");
  await untilListed(b, "alpha");
  assertEquals(a.server.stats().index.unindexed, 0);
  assertEquals(b.server.stats().index.unindexed, 1);
});

Deno.test("A use of a link counts at every instance, and after a restart", async () => {
  const store = new MemoryStore();
  const secrets = { current: SECRET };
  const options = { secrets };
  const a = await startInstance(store, options);
  await using b = await startInstance(store, options);
  await using _node = await startNode(a, { "a.txt": "abc" }, {
    identity: alice,
    token: NODE_TOKEN,
  });
  const { access } = await linkTo(a, "a.txt", { uses: 1 });
  await fetch(a, "a.txt", { access: access("fetch-number-one-") });
  const again = { access: access("fetch-number-two-") };
  const stats = () => b.server.stats().cluster!;
  await eventually(() => stats().taken >= 2); // the node, and the use
  const isUsedUp = (relay: TestRelay) =>
    assertRejects(
      () => listNodes({ relay: relay.server.address, ...again }),
      Failure,
      "no uses left",
    );
  await isUsedUp(b);
  await eventually(() => a.server.stats().cluster!.waiting === 0);
  await a[Symbol.asyncDispose]();
  await using c = await startInstance(store, options);
  await eventually(() => c.server.stats().cluster!.phase === "whole");
  await isUsedUp(c);
  const { nodes } = await listNodes({
    relay: c.server.address,
    access: MEMBER,
  });
  assertEquals(nodes.length <= 1, true, "members are let in");
});

/** What an instance would write of a node, with some of it changed. */
async function bodyOf(
  identity: Identity,
  changes: {
    relay?: string;
    purpose?: "register" | "withdraw";
    host?: unknown;
    name?: string;
    addresses?: { host: string; port: number }[];
  } = {},
): Promise<Record<string, unknown>> {
  const signed = await signRegistration({
    purpose: changes.purpose ?? "register",
    relay: changes.relay ?? relayIdentity.id,
    nonce: new Uint8Array(32).toBase64(),
    instance: "instance 1",
    sequence: 7,
    name: changes.name ?? "alpha",
    addresses: changes.addresses ?? [{ host: "192.0.2.7", port: 1500 }],
  }, identity);
  return { ...signed, host: changes.host ?? "192.0.2.7" };
}

const FORGERIES: readonly (readonly [
  what: string,
  body: () => Promise<string>,
])[] = [
  ["text", () => Promise.resolve("text")],
  ["an object of another form", () => Promise.resolve('{"record":1}')],
  ["a record of another node", async () => JSON.stringify(await bodyOf(bob))],
  [
    "a record for another relay",
    async () => {
      const { id: relay } = await createIdentity();
      return JSON.stringify(await bodyOf(alice, { relay }));
    },
  ],
  [
    "a record with which the node withdrew",
    async () => JSON.stringify(await bodyOf(alice, { purpose: "withdraw" })),
  ],
  [
    "a signature of another record",
    async () => {
      const { signature } = await bodyOf(alice, { name: "beta" });
      return JSON.stringify({ ...await bodyOf(alice), signature });
    },
  ],
  [
    "a certificate of another key",
    async () => {
      const { certificate } = await bodyOf(bob);
      return JSON.stringify({ ...await bodyOf(alice), certificate });
    },
  ],
  [
    "a host that is no address",
    async () => JSON.stringify(await bodyOf(alice, { host: "localhost" })),
  ],
  [
    "a node without an address",
    async () => JSON.stringify(await bodyOf(alice, { addresses: [] })),
  ],
];

for (const [what, body] of FORGERIES) {
  Deno.test(`An instance does not list ${what}, even if another instance wrote it`, async () => {
    const store = new MemoryStore();
    await using relay = await startInstance(store);
    await using side = new Side(store, { secret: CLUSTER_SECRET });
    side.hold(alice.id, 7, { body: await body() });
    const cluster = () => relay.server.stats().cluster!;
    await eventually(() => cluster().dropped["unproven"] === 1);
    assertEquals(relay.server.nodeCount, 0);
    side.hold(alice.id, 7, { body: JSON.stringify(await bodyOf(alice)) });
    await eventually(() => relay.server.nodeCount === 1);
  });
}

Deno.test("An instance does not list an entry with another sequence than the node signed", async () => {
  const store = new MemoryStore();
  await using relay = await startInstance(store);
  await using side = new Side(store, { secret: CLUSTER_SECRET });
  const body = JSON.stringify(await bodyOf(alice));
  side.hold(alice.id, 8, { body }); // replayed as if it were newer
  const cluster = () => relay.server.stats().cluster!;
  await eventually(() => cluster().dropped["unproven"] === 1);
  assertEquals(relay.server.nodeCount, 0);
});

Deno.test("An instance keeps entries of others for clusterHoldMs more while the store is down, and lets them end afterwards", async () => {
  using clock = new ForwardClock();
  const store = new MemoryStore();
  await using relay = await startInstance(store);
  const side = new Side(store, { secret: CLUSTER_SECRET });
  const leftMs = 600_000;
  const body = JSON.stringify(await bodyOf(alice));
  await eventually(() => {
    side.hold(alice.id, 7, { body, leftMs }); // again, where it came too late
    return relay.server.nodeCount === 1;
  });
  store.stop();
  await eventually(() => relay.server.stats().cluster!.phase === "away");
  await side[Symbol.asyncDispose]();
  clock.pass(LIMITS.clusterHoldMs);
  assertEquals(relay.server.nodeCount, 1);
  clock.pass(leftMs);
  await eventually(() => relay.server.nodeCount === 0);
  assertEquals(LIMITS.clusterHoldMs, 3_600_000);
});

Deno.test("An instance lets entries of others end clusterHealMs after the return of the store", async () => {
  const store = new MemoryStore();
  await using relay = await startInstance(store, {
    limits: { clusterHealMs: 50 },
  });
  const side = new Side(store, { secret: CLUSTER_SECRET });
  const body = JSON.stringify(await bodyOf(alice));
  const leftMs = 3_000; // held, it lasts an hour more
  await eventually(() => {
    side.hold(alice.id, 7, { body, leftMs }); // again, where it came too late
    return relay.server.nodeCount === 1;
  });
  store.stop();
  await eventually(() => relay.server.stats().cluster!.phase === "away");
  await side[Symbol.asyncDispose]();
  store.flush();
  store.start();
  const whole = () => relay.server.stats().cluster!.phase === "whole";
  await eventually(whole);
  await eventually(() => relay.server.nodeCount === 0);
});
