/** What holds for every replicator, on a store in memory and on Redis. */

import { assertEquals } from "@std/assert";
import type { Store } from "../../lib/cluster/store.ts";
import { testWith } from "../_tools.ts";
import { MemoryStore } from "./_memory_store.ts";
import { RedisServer } from "./_redis_server.ts";
import { PATIENT, Side } from "./_side.ts";

/** A store of a test, and what may happen to it. */
interface Place extends AsyncDisposable {
  readonly store: Store;
  flush(): Promise<void>;
  stop(): Promise<void>;
  start(): Promise<void>;
}

function inMemory(): Promise<Place> {
  const store = new MemoryStore();
  return Promise.resolve({
    store,
    flush: () => Promise.resolve(store.flush()),
    stop: () => Promise.resolve(store.stop()),
    start: () => Promise.resolve(store.start()),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
}

async function inRedis(): Promise<Place> {
  const server = await RedisServer.start();
  return {
    store: server.store({ ...PATIENT, clusterPageCount: 3 }),
    flush: async () => void await server.ask("FLUSHALL"),
    stop: () => server.kill(),
    start: () => server.start(),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

const PLACES = [
  { where: "in memory", open: inMemory, tools: [] },
  { where: "in Redis", open: inRedis, tools: ["redis-server"] },
];

function contract(name: string, fn: (place: Place) => Promise<void>): void {
  for (const { where, open, tools } of PLACES) {
    testWith(tools, `A replicator ${where} ${name}`, async () => {
      await using place = await open();
      await fn(place);
    });
  }
}

contract("lists on every instance what any of them holds", async (place) => {
  await using a = new Side(place.store);
  await using b = new Side(place.store);
  await a.until(() => a.phase === "whole");
  a.hold("one");
  await b.untilListed("one 1");
  b.hold("two");
  await a.untilListed("one 1", "two 1");
  const { holder, isAttached } = b.others.get("one")!;
  assertEquals(holder, a.replicator.instance);
  assertEquals(isAttached, false);
});

contract(
  "gives an instance that comes later all that is there",
  async (place) => {
    await using a = new Side(place.store);
    for (let n = 0; n < 10; n++) a.hold(`node-${n}`);
    await a.until(() => a.phase === "whole");
    await using b = new Side(place.store);
    await b.untilListed(...a.listed);
    assertEquals(b.listed.length, 10);
  },
);

contract(
  "hands a renewal on without the body, and with the time that is left",
  async (place) => {
    await using a = new Side(place.store);
    await using b = new Side(place.store);
    a.hold("one", 1, { leftMs: 30_000 });
    await b.untilListed("one 1");
    const before = b.others.get("one")!.leftMs;
    assertEquals(before > 10_000 && before < 50_000, true, `${before}`);
    a.renew("one", { leftMs: 90_000, isAttached: true, body: "not sent" });
    await b.until(() => b.others.get("one")!.leftMs > 60_000);
    assertEquals(b.others.get("one")?.isAttached, true);
    assertEquals(b.listed, ["one 1"]);
  },
);

contract(
  "keeps the newest registration of a node that moves, and the old instance ends nothing",
  async (place) => {
    await using a = new Side(place.store);
    await using b = new Side(place.store);
    await using c = new Side(place.store);
    a.hold("one", 1);
    await b.untilListed("one 1");
    b.hold("one", 2);
    await a.untilListed("one 2");
    await c.untilListed("one 2");
    a.end("one", 1); // too late
    a.hold("last");
    await b.untilListed("last 1", "one 2");
    await c.untilListed("last 1", "one 2");
    await using d = new Side(place.store);
    await d.untilListed("last 1", "one 2");
  },
);

contract(
  "takes a node that left from every list, and lets nothing older in again",
  async (place) => {
    await using a = new Side(place.store);
    await using b = new Side(place.store);
    a.hold("one", 3);
    await b.untilListed("one 3");
    a.end("one", 3);
    await b.untilListed();
    await using c = new Side(place.store);
    c.hold("one", 3); // as a batch that was held up would
    c.hold("two", 1);
    await b.untilListed("two 1");
    await using d = new Side(place.store);
    await d.untilListed("two 1");
  },
);

contract("lists again what was removed from the store", async (place) => {
  await using a = new Side(place.store);
  await using b = new Side(place.store);
  a.hold("one");
  b.hold("two");
  await a.untilListed("one 1", "two 1");
  await b.untilListed("one 1", "two 1");
  const before = a.phases.length;
  await place.flush();
  await a.until(() => a.phases.length > before && a.phase === "whole");
  await using c = new Side(place.store);
  await c.untilListed("one 1", "two 1");
});

contract(
  "continues without the store, and is complete again after its return",
  async (place) => {
    await using a = new Side(place.store);
    await using b = new Side(place.store);
    a.hold("one");
    await b.untilListed("one 1");
    await place.stop();
    await a.until(() => a.phase === "away");
    await b.until(() => b.phase === "away");
    assertEquals(b.listed, ["one 1"], "it still lists what it knew");
    a.hold("two");
    a.end("one");
    b.hold("three");
    assertEquals(
      a.replicator.stats().waiting,
      1,
      "what is held is written later",
    );
    await place.start();
    await a.untilListed("three 1", "two 1");
    assertEquals(b.events.map(({ phase }) => phase), ["whole", "away"]);
  },
);

contract(
  "starts without the store, and joins the others when it is there",
  async (place) => {
    await place.stop();
    await using a = new Side(place.store);
    a.hold("one");
    await a.until(() => a.events.length > 0);
    assertEquals(a.events.map(({ phase }) => phase), ["away"]);
    assertEquals(a.phase, "away");
    await place.start();
    await using b = new Side(place.store);
    await b.untilListed("one 1");
  },
);

contract(
  "knows where the other instances are, until they go",
  async (place) => {
    await using a = new Side(place.store, { port: 1 });
    const b = new Side(place.store, { port: 2 });
    const { instance } = b.replicator;
    await a.until(() => a.replicator.addressOf(instance) !== undefined);
    assertEquals(a.replicator.addressOf(instance), "192.0.2.1:2");
    assertEquals(a.replicator.stats().instances, 2);
    await b[Symbol.asyncDispose]();
    await using c = new Side(place.store);
    await c.until(() => c.phase === "whole");
    assertEquals(c.replicator.addressOf(instance), undefined);
  },
);

contract("takes nothing that another secret has sealed", async (place) => {
  await using a = new Side(place.store, { secret: "another" });
  a.hold("one");
  await a.until(() => a.phase === "whole");
  await using b = new Side(place.store);
  await b.until(() => b.phase === "whole");
  assertEquals(b.listed, []);
  assertEquals(b.replicator.stats().dropped["forged"], 1);
  assertEquals(b.replicator.stats().instances, 1);
});

contract("counts what its relay does not believe", async (place) => {
  await using a = new Side(place.store);
  await using b = new Side(place.store);
  b.unproven.add("one 1");
  await b.until(() => b.phase === "whole");
  a.hold("one");
  a.hold("two");
  await b.untilListed("two 1");
  assertEquals(b.replicator.stats().dropped["unproven"], 1);
});

contract(
  "has written and read all when nothing changes: it lags by nothing, and nothing waits",
  async (place) => {
    await using a = new Side(place.store);
    await using b = new Side(place.store);
    a.hold("one");
    await b.untilListed("one 1");
    await a.until(() => a.replicator.stats().waiting === 0);
    const { lagBatches, lagSeconds, taken } = b.replicator.stats();
    assertEquals({ lagBatches, lagSeconds, taken }, {
      lagBatches: 0,
      lagSeconds: 0,
      taken: 1,
    });
  },
);

Deno.test("A replicator counts remaining time by the clock of its store, not by that of this machine", async () => {
  for (const skewMs of [-3_600_000, 3_600_000]) {
    const store = new MemoryStore();
    store.skewMs = skewMs;
    await using a = new Side(store);
    await using b = new Side(store);
    a.hold("one", 1, { leftMs: 30_000 });
    await b.untilListed("one 1");
    const { leftMs } = b.others.get("one")!;
    assertEquals(leftMs > 10_000 && leftMs < 50_000, true, `${leftMs}`);
  }
});

Deno.test("A replicator writes everything again when the clock of its store was set", async () => {
  const store = new MemoryStore();
  await using a = new Side(store);
  a.hold("one", 1, { leftMs: 30_000 });
  await a.until(() => a.phase === "whole");
  store.skewMs = 3_600_000;
  await a.until(() => a.replicator.stats().written > 1);
  await using b = new Side(store);
  await b.untilListed("one 1");
});
