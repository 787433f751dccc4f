/** The numbers of a cluster: each is reached by something here. */

import { assertEquals, assertLess, assertRejects } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { Instances } from "../../lib/cluster/instances.ts";
import { ChangeOutbox } from "../../lib/cluster/outbox.ts";
import { PhaseLines } from "../../lib/cluster/phase_lines.ts";
import type { ClusterEvent, ItemKey } from "../../lib/cluster/replicator.ts";
import { StoreError, type StoreRow } from "../../lib/cluster/store.ts";
import { ForwardClock } from "../_forward_clock.ts";
import { replaced } from "../_replaced.ts";
import { testWith } from "../_tools.ts";
import { MemoryStore } from "./_memory_store.ts";
import { RedisServer } from "./_redis_server.ts";
import { PATIENT, Side } from "./_side.ts";

Deno.test("A replicator writes changes within clusterBatchMs together, clusterBatchCount at once", async () => {
  const store = new MemoryStore();
  await using a = new Side(store, {
    limits: { ...PATIENT, clusterBatchMs: LIMITS.clusterBatchMs },
  });
  await a.until(() => a.phase === "whole");
  for (let n = 0; n < 450; n++) a.hold(`node-${n}`);
  await a.until(() => a.replicator.stats().written === 450);
  const sizes = store.batches.map(({ heads }) => heads.length);
  assertEquals(sizes, [200, 200, 50]);
  assertEquals(LIMITS.clusterBatchCount, 200);
});

Deno.test("A replicator asks a store that waits for no changes once in clusterBatchMs at most", async () => {
  const store = new MemoryStore();
  let asked = 0;
  const enough = Promise.withResolvers<void>();
  using _store = replaced(store, "open", (open) => async () => {
    const session = await open.call(store);
    session.follow = () => {
      if (++asked === 20) enough.resolve();
      return Promise.resolve([]);
    };
    return session;
  });
  const { clusterBatchMs } = LIMITS;
  const from = performance.now();
  await using _side = new Side(store, {
    limits: { ...PATIENT, clusterBatchMs },
  });
  await enough.promise;
  // A timer may be a little early.
  assertLess(19 * (clusterBatchMs - 2), performance.now() - from);
});

Deno.test("A replicator reads clusterAllPageCount pages at most, says that the store is broken, and tries again later", async () => {
  const store = new MemoryStore();
  const clusterAllPageCount = 20;
  let isEndless = true;
  let asked = 0;
  const asks = Promise.withResolvers<void>();
  using _store = replaced(store, "open", (open) => async () => {
    const session = await open.call(store);
    const page = session.page.bind(session);
    session.page = async (after) => {
      if (!isEndless) return await page(after);
      if (++asked > 2 * clusterAllPageCount) asks.resolve();
      return { largeCount: 0, values: [], next: `${asked} 0` };
    };
    return session;
  });
  await using side = new Side(store, {
    limits: { ...PATIENT, clusterAllPageCount },
  });
  await asks.promise;
  const failed = side.replicator.stats().failures;
  assertEquals(failed, { bad_reply: 2 });
  isEndless = false;
  await side.until(() => side.phase === "whole");
  assertEquals(LIMITS.clusterAllPageCount, 2_000);
});

Deno.test("A replicator writes and accepts no item larger than clusterItemBytes", async () => {
  const store = new MemoryStore();
  const most = LIMITS.clusterItemBytes;
  await using small = new Side(store);
  await using large = new Side(store, {
    limits: { ...PATIENT, clusterItemBytes: 2 * most },
  });
  await small.until(() => small.phase === "whole");
  small.hold("fits", 1, { body: "x".repeat(most) });
  small.hold("too-large", 1, { body: "x".repeat(most + 1) });
  await large.until(() => large.others.size === 1);
  large.hold("larger", 1, { body: "x".repeat(2 * most) });
  await small.until(() => small.replicator.stats().dropped["too_large"] === 1);
  assertEquals([...large.others.keys()], ["fits"]);
  assertEquals([...small.others.keys()], []);
});

Deno.test("An instance that reports every clusterBeatMs stays listed, and a killed one is removed after clusterInstanceMs", async () => {
  using clock = new ForwardClock();
  const store = new MemoryStore();
  const pass = (ms: number) => {
    clock.pass(ms);
    store.skewMs += ms;
  };
  const limits = { ...PATIENT, clusterInstanceMs: 600_000, clusterBeatMs: 50 };
  await using a = new Side(store, { limits });
  const b = new Side(store, { limits });
  const { instance } = b.replicator;
  const isThere = () => a.replicator.addressOf(instance) !== undefined;
  await a.until(isThere);
  const first = store.instances.get(instance);
  for (let n = 0; n < 2; n++) {
    const before = store.instances.get(instance);
    pass(400_000);
    await a.until(() => store.instances.get(instance) !== before);
    await a.until(isThere);
  }
  await b[Symbol.asyncDispose]();
  store.instances.set(instance, first!); // killed, it would not say goodbye
  pass(600_000);
  await a.until(() => !isThere());
});

Deno.test("Instances keeps clusterInstanceCount others, and a new one when one has stopped", () => {
  const instances = new Instances(LIMITS);
  const most = LIMITS.clusterInstanceCount;
  const note = (n: number, now: number) =>
    instances.note({ instance: `${n}`, address: `host:${n}` }, 1_000, now);
  for (let n = 0; n <= most; n++) note(n, 0);
  assertEquals(instances.count(0), most);
  assertEquals(instances.addressOf(`${most - 1}`, 999), `host:${most - 1}`);
  assertEquals(instances.addressOf(`${most}`, 0), undefined);
  note(most, 1_000);
  assertEquals(instances.addressOf(`${most}`, 1_000), `host:${most}`);
  assertEquals(instances.addressOf("0", 1_000), undefined);
});

Deno.test("Instances keeps others while their reports cannot arrive, so that tunnels through them work", () => {
  const instances = new Instances(LIMITS);
  instances.note({ instance: "a", address: "a:1" }, 15_000, 0);
  instances.hold(600_000);
  assertEquals(instances.addressOf("a", 600_000), "a:1");
  assertEquals(instances.count(600_000), 1);
  instances.hold(0);
  assertEquals(instances.addressOf("a", 600_000), undefined);
  assertEquals(instances.count(600_000), 0);
});

Deno.test("PhaseLines repeats a line about the store after clusterNoteMs, and reports changes at once", () => {
  const reported: string[] = [];
  const emit = ({ phase, why }: ClusterEvent) =>
    reported.push(`${phase} ${why}`);
  const lines = new PhaseLines(LIMITS.clusterNoteMs, emit);
  lines.emit("away", "why", 0);
  lines.emit("away", "why", LIMITS.clusterNoteMs - 1);
  lines.emit("stale", undefined, 1);
  lines.emit("whole", undefined, 2);
  lines.emit("whole", undefined, LIMITS.clusterNoteMs + 2);
  assertEquals(reported, ["away why", "whole undefined"]);
  lines.emit("away", "again", LIMITS.clusterNoteMs + 3);
  assertEquals(reported.length, 3);
});

Deno.test("ChangeOutbox keeps the newest state of each item, and returns the oldest entries first", () => {
  const outbox = new ChangeOutbox(2);
  const key = (id: string): ItemKey => ({ kind: "n", id });
  outbox.changed(key("a"), true);
  outbox.changed(key("b"), false);
  outbox.changed(key("a"), false); // a renewal: its body is still to be written
  outbox.ended(key("b"), 7);
  assertEquals(outbox.size, 2);
  const taken = outbox.take(9);
  assertEquals(taken, [
    { ...key("a"), isNew: true },
    { ...key("b"), isNew: false, endedAt: 7 },
  ]);
  outbox.changed(key("b"), false);
  outbox.putBack(taken);
  assertEquals(outbox.take(9), [
    { ...key("b"), isNew: true },
    { ...key("a"), isNew: true },
  ]);
});

Deno.test("ChangeOutbox keeps a limited number of ended items", () => {
  const outbox = new ChangeOutbox(2);
  for (const id of ["a", "b", "c"]) outbox.ended({ kind: "n", id }, 1);
  assertEquals(outbox.size, 2);
  outbox.keepEnded();
  assertEquals(outbox.take(1).length, 1);
  outbox.ended({ kind: "n", id: "c" }, 1);
  assertEquals(outbox.size, 2);
});

function rowOf(id: string): StoreRow {
  return {
    ...{ kind: "n", id, sequence: 1, until: Date.now() + 60_000 },
    ...{ head: `n ${id} 1 1 holder -`, body: "body", hasEnded: false },
  };
}

testWith(
  ["redis-server"],
  "A Redis is read clusterPageCount items at a time, each once, also where many end at the same moment",
  async () => {
    await using server = await RedisServer.start();
    const limits = { ...PATIENT, clusterPageCount: 3 };
    using session = await server.store(limits).open(
      AbortSignal.timeout(60_000),
    );
    const { until } = rowOf("");
    const rows = Array.from({ length: 11 }, (_, n) => ({
      ...rowOf(`node-${n}`),
      until: n < 7 ? until : until + n,
    }));
    await session.write(rows);
    const sizes: number[] = [];
    const ids = new Set<string>();
    let after: string | undefined;
    do {
      const { values, next } = await session.page(after);
      sizes.push(values.length);
      for (const value of values) ids.add(value.text.split(" ")[1]!);
      after = next;
    } while (after !== undefined);
    assertEquals(sizes, [3, 3, 3, 2]);
    assertEquals(ids.size, 11);
  },
);

testWith(
  ["redis-server"],
  "A stream keeps about clusterStreamCount batches",
  async () => {
    await using server = await RedisServer.start();
    const limits = { ...PATIENT, clusterStreamCount: 10 };
    using session = await server.store(limits).open(
      AbortSignal.timeout(60_000),
    );
    for (let n = 0; n < 300; n++) await session.write([rowOf(`node-${n}`)]);
    const length = await server.ask("XLEN", "{relayrelayrelay1}:log");
    assertLess(Number(length), 210); // it is cut a hundred at a time
  },
);

testWith(
  ["redis-server"],
  "The stream is waited for clusterFollowMs at once",
  async () => {
    await using server = await RedisServer.start();
    const limits = { ...PATIENT, clusterFollowMs: 150 };
    using session = await server.store(limits).open(
      AbortSignal.timeout(60_000),
    );
    const from = performance.now();
    assertEquals(await session.follow("0-0"), []);
    assertEquals(performance.now() - from >= 145, true);
  },
);

testWith(
  ["redis-server"],
  "An answer of Redis larger than clusterReplyBytes ends the conversation before it is read",
  async () => {
    await using server = await RedisServer.start();
    const limits = { ...PATIENT, clusterReplyBytes: 10_000 };
    using session = await server.store(limits).open(
      AbortSignal.timeout(60_000),
    );
    const ids = ["large", "large-too"];
    for (const id of ids) {
      await server.ask("SET", `{relayrelayrelay1}:n:${id}`, "x".repeat(8_000));
    }
    const error = await assertRejects(
      () => session.fetch(ids.map((id) => ({ kind: "n", id }))),
      StoreError,
    );
    assertEquals(error.trouble, "bad_reply");
  },
);
