/**
 * Limits that are seen only where several modules meet: each test fails where
 * its number is not enforced, or another one is in its place.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { connect } from "node:net";
import { fetchFile } from "../../lib/client/fetch.ts";
import { Channel } from "../../lib/protocol/channel.ts";
import { type Endpoint, writeAll } from "../../lib/base/conn.ts";
import { Counts } from "../../lib/guard/counts.ts";
import { Digests } from "../../lib/share/digests.ts";
import { Failure } from "../../lib/base/errors.ts";
import { encodeFrame } from "../../lib/protocol/frame.ts";
import { greet } from "../../lib/protocol/hello.ts";
import type { IncidentEvent } from "../../lib/guard/incidents.ts";
import type { NodeEvent } from "../../lib/node/server.ts";
import type { RelayEvent } from "../../lib/relay/server.ts";
import { createIdentity } from "../../lib/identity/identity.ts";
import { LIMITS, type Limits, limitsWith } from "../../lib/base/limits.ts";
import { NETWORK_LIMITS } from "../../lib/base/network_limits.ts";
import { SPENDING_LIMITS } from "../../lib/base/spending_limits.ts";
import { SWARM_LIMITS } from "../../lib/base/swarm_limits.ts";
import { WEB_LIMITS } from "../../lib/base/web_limits.ts";
import { BufferPool } from "../../lib/node/outbox.ts";
import { SlowReaders } from "../../lib/node/slow_readers.ts";
import { Turns } from "../../lib/base/turns.ts";
import { FetchWatch } from "../../lib/node/fetch_watch.ts";
import { ClientService } from "../../lib/node/client_service.ts";
import { Share } from "../../lib/share/share.ts";
import { StreamConn } from "../../lib/transport/stream_conn.ts";
import { WorkQueue } from "../../lib/node/work_queue.ts";
import { type EventLog, within } from "../_event_log.ts";
import { registerNode, sendRefusal, startEvilNode } from "../_evil_node.ts";
import { startFaultProxy } from "../_fault_proxy.ts";
import { memoryPair } from "../_memory_conn.ts";
import {
  IDENTITIES,
  openChannel,
  startNode,
  startRelay,
  type TestRelay,
} from "../_network.ts";
import { tempShare } from "../_temp_share.ts";

Deno.test("No two parts of the limits use one name for different numbers", () => {
  const parts = [
    NETWORK_LIMITS,
    SPENDING_LIMITS,
    SWARM_LIMITS,
    WEB_LIMITS,
  ];
  for (const [name, value] of parts.flatMap((part) => Object.entries(part))) {
    assertEquals(LIMITS[name as keyof Limits], value, name);
  }
});

/** A relay, or a node of one, that is to be asked too much. */
interface Crowded extends AsyncDisposable {
  readonly at: Endpoint;
  /** Resolves to the next refusal, past or to come, for any of these reasons. */
  refused(...reasons: readonly string[]): Promise<{ reason: string }>;
  /** The reasons of all refusals so far. */
  reasons(): readonly string[];
}

/** What is to be known of the refusals among events. */
function refusalsIn(log: EventLog<RelayEvent> | EventLog<NodeEvent>) {
  const incidents = log as unknown as EventLog<IncidentEvent>;
  return {
    refused: (...reasons: readonly string[]) =>
      incidents.until("refused", ({ reason }) => reasons.includes(reason)),
    reasons: () =>
      incidents.events.flatMap((event) =>
        event.event === "refused" ? [event.reason] : []
      ),
  };
}

const CROWDED: Readonly<
  Record<string, (limits: Partial<Limits>) => Promise<Crowded>>
> = {
  relay: async (limits) => {
    const relay = await startRelay({ plaintext: true, limits });
    return {
      at: relay.server.address,
      ...refusalsIn(relay.log),
      [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose](),
    };
  },
  node: async (limits) => {
    await using stack = new AsyncDisposableStack();
    const relay = stack.use(await startRelay({ plaintext: true }));
    const node = stack.use(
      await startNode(relay, { "f": "x" }, { plaintext: true, limits }),
    );
    const rest = stack.move();
    return {
      at: node.server.address,
      ...refusalsIn(node.log),
      [Symbol.asyncDispose]: () => rest.disposeAsync(),
    };
  },
};

/** A channel from one of the loopback addresses that are not shared by all. */
async function channelFrom(
  localAddress: string,
  at: Endpoint,
): Promise<Channel> {
  const socket = connect({ ...at, localAddress });
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.once("connect", resolve);
  socket.once("error", resolve);
  await within(promise, "connecting");
  const local = { host: localAddress, port: 0 };
  const options = { limits: LIMITS, writeStallMs: 20_000, idleMs: 20_000 };
  return new Channel(new StreamConn(socket, { remote: at, local }), options);
}

for (
  const [role, most] of [
    ["relay", LIMITS.relayConnectionsPerAddressCount],
    ["node", LIMITS.nodeConnectionsPerAddressCount],
  ] as const
) {
  Deno.test(`A ${role} limits the connections of one address, and serves others`, async () => {
    await using crowded = await CROWDED[role]!({ connectBurstCount: 1_000 });
    await using stack = new AsyncDisposableStack();
    const open = async (from: string) => {
      const channel = stack.use(await channelFrom(from, crowded.at));
      return (await greet(channel, { role: "client" })).kind;
    };
    for (let n = 0; n < most; n++) {
      assertEquals(await open("127.0.0.2"), "greeted", `connection ${n}`);
    }
    await assertRejects(() => open("127.0.0.2"));
    await crowded.refused("too_many_connections_for_address");
    assertEquals(await open("127.0.0.3"), "greeted");
  });

  Deno.test(`A ${role} disconnects a client that is idle`, async () => {
    await using crowded = await CROWDED[role]!({ idleMs: 3_000 });
    await using channel = await channelFrom("127.0.0.2", crowded.at);
    await greet(channel, { role: "client" });
    await crowded.refused("idle");
  });

  for (const [pauseMs, reported] of [[undefined, 1], [0, 3]] as const) {
    Deno.test(`A ${role} reports a refusal ${reported === 1 ? "once in a while" : "each time, if allowed"}`, async () => {
      const limits = pauseMs === undefined ? {} : { refusalPauseMs: pauseMs };
      await using crowded = await CROWDED[role]!(limits);
      for (let n = 0; n < 3; n++) {
        await using channel = await channelFrom("127.0.0.2", crowded.at);
        await writeAll(channel.conn, encodeFrame(0x01, new Uint8Array(9)));
        await channel.receive(["hello"]);
        assertEquals((await channel.receive(["refused"]))?.code, "bad_message");
      }
      await crowded[Symbol.asyncDispose]();
      assertEquals(crowded.reasons(), Array(reported).fill("bad_message"));
    });
  }
}

/** What a relay finds of a node that a client says is dead. */
async function report(
  relay: TestRelay,
  id: string,
): Promise<string | undefined> {
  await using channel = await openChannel(
    relay.server.address,
    relay.identity,
  );
  await greet(channel, { role: "client" });
  await channel.send({ kind: "report", ids: [id] });
  return (await channel.receive(["reported"]))?.outcomes[0];
}

Deno.test("A relay dials at most dialBackCount reported nodes at once", async () => {
  await using relay = await startRelay({ limits: { dialBackCount: 2 } });
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const addresses = [{ host: "127.0.0.1", port }];
  for (const identity of IDENTITIES) {
    await registerNode(relay, { identity, name: "silent", addresses });
  }
  const [one, two, three] = IDENTITIES.map(({ id }) => id);
  const asked = [report(relay, one!), report(relay, two!)];
  // They are dialled, and say nothing.
  const dialled = [await listener.accept(), await listener.accept()];
  assertEquals(await report(relay, three!), "unchecked");
  for (const conn of dialled) conn.close();
  assertEquals(await Promise.all(asked), ["gone", "gone"]);
});

Deno.test("A relay gives up dialling a reported node that does not answer", async () => {
  await using relay = await startRelay({ limits: { connectMs: 200 } });
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const [identity] = IDENTITIES;
  const addresses = [{ host: "127.0.0.1", port }];
  await registerNode(relay, { identity: identity!, name: "silent", addresses });
  const asked = report(relay, identity!.id);
  using _conn = await listener.accept();
  assertEquals(await asked, "gone");
});

Deno.test("A node that cannot withdraw ends in time, and reports that", async () => {
  await using relay = await startRelay();
  await using proxy = await startFaultProxy();
  proxy.target = relay.server.address.port;
  const way = { server: { address: { host: "127.0.0.1", port: proxy.port } } };
  await using node = await startNode(way, { "f": "x" }, {
    limits: { withdrawMs: 200, connectMs: 600_000 },
  });
  proxy.faults = { toTarget: { swallowAfter: 0 } };
  // Sooner than the way to a relay is given up.
  await within(node.server.close(), "leaving");
  await node.log.until("withdraw_failed");
});

Deno.test("A client asks at most queriedNodeCount nodes at once", async () => {
  await using relay = await startRelay();
  await using stack = new AsyncDisposableStack();
  const nodeCount = 5;
  const asked = new Map<string, number>();
  let [asking, most] = [0, 0];
  let wake = Promise.withResolvers<void>();
  for (let n = 0; n < nodeCount; n++) {
    const node = await startEvilNode(relay, {
      identity: await createIdentity(),
      lie: async (channel, message) => {
        const count = (asked.get(message.kind) ?? 0) + 1;
        asked.set(message.kind, count);
        most = Math.max(most, ++asking);
        // Until there are two, or nobody else can come; then one more may.
        if (asking < 2 && count < nodeCount) await wake.promise;
        wake.resolve();
        // Time for one more question to come, if another node is asked.
        for (let turn = 0; turn < 5; turn++) await new Turns(0).give();
        wake = Promise.withResolvers();
        asking--;
        await sendRefusal(channel, message, { code: "not_found" });
      },
    });
    stack.use(node);
  }
  const fetching = fetchFile({
    relay: relay.server.address,
    name: "f",
    limits: { queriedNodeCount: 2 },
  });
  await assertRejects(() => within(fetching, "an answer"), Failure);
  // Once for the file, and once for a folder of that name.
  assertEquals(
    [...asked],
    [["find", nodeCount], ["browse", nodeCount]],
  );
  assertEquals(most, 2);
});

/** A node's answers to a client in memory, on a share that nobody hashes. */
async function startService(
  files: Readonly<Record<string, Uint8Array>>,
  overrides: Partial<Limits>,
) {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempShare(files));
  const limits = limitsWith(overrides);
  const share = stack.use(await Share.open(folder.path, limits));
  const digests = stack.use(
    new Digests(share, { limits, isBusy: () => false, onIdle: () => {} }),
  );
  const options = { limits, acceptsData: true, writeStallMs: 1e4, idleMs: 1e4 };
  const [client, node] = memoryPair().map((conn) => {
    const channel = stack.adopt(
      new Channel(conn, options),
      (one) => one.abort(new Error("over")),
    );
    channel.openUp();
    return channel;
  });
  const work = stack.use(new WorkQueue(limits));
  const service = stack.use(
    new ClientService(node!, {
      share,
      digests,
      limits,
      rate: undefined,
      buffers: new BufferPool(limits.sendBufferBytes),
      slowReaders: new SlowReaders(limits),
      work,
      clientCount: 0,
      busyCount: 0,
      fetches: stack.use(
        new FetchWatch({
          ...{ limits, digests },
          onEvent: () => {},
          onFetches: undefined,
        }),
      ).fetches,
      requests: new Counts(),
      sentBytes: 0,
    }),
  );
  service.run().catch(() => {}); // it ends with the channel
  const owned = stack.move();
  return {
    client: client!,
    share,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

Deno.test("A node hashes requested files up to hashOnFindBytes at once, and no larger ones", async () => {
  const files = { at: new Uint8Array(1_000), above: new Uint8Array(1_001) };
  await using service = await startService(files, { hashOnFindBytes: 1_000 });
  const { client } = service;
  // A worker that has hashed one file continues with the rest.
  for (const [name, isHashed] of [["above", false], ["at", true]] as const) {
    await client.send({ kind: "find", request: 1, name });
    const found = await client.receive(["found"]);
    assertEquals(found?.content !== undefined, isHashed, name);
  }
});

Deno.test("A node reads files up to smallFileBytes in one step, and larger ones piece by piece", async () => {
  const most = LIMITS.smallFileBytes;
  const files = { at: new Uint8Array(most), above: new Uint8Array(most + 1) };
  // To hash them they are opened too.
  await using service = await startService(files, { hashOnFindBytes: 0 });
  const { client, share } = service;
  const opened: string[] = [];
  const open = share.open.bind(share);
  share.open = (file) => {
    opened.push(file.name);
    return open(file);
  };
  assert(share.isQuick);
  for (const name of ["at", "above"]) {
    await client.send({ kind: "find", request: 1, name });
    const found = await client.receive(["found"]);
    const of = found!.version;
    await client.send({ kind: "read", request: 2, of, first: 0, count: 1 });
    for (;;) {
      const part = await client.receiveOrData(["pieces"]);
      if (part?.kind !== "data") break;
      await client.readData(new Uint8Array(part.length));
    }
  }
  assertEquals(opened, ["above"]);
});
