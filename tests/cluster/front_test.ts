/** Instances behind one address: nothing but the front's port is open. */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { type Endpoint, writeAll } from "../../lib/base/conn.ts";
import type { Limits } from "../../lib/base/limits.ts";
import type { Secrets } from "../../lib/access/relay_access.ts";
import type { Token } from "../../lib/access/token.ts";
import { listNodes } from "../../lib/client/listing.ts";
import { type ClientEvent, fetchFile } from "../../lib/mod.ts";
import { encodeMessage } from "../../lib/protocol/messages.ts";
import { greet } from "../../lib/protocol/hello.ts";
import { dial } from "../../lib/transport/dial.ts";
import { MEMBER, NODE_TOKEN, SECRET } from "../access/_private.ts";
import { EventLog } from "../_event_log.ts";
import {
  IDENTITIES,
  openChannel,
  openChannelFrom,
  startNode,
  startRelay,
  type TestNode,
  type TestRelay,
} from "../_network.ts";
import { ownPort } from "../_own_address.ts";
import {
  answerTo,
  askForTunnel,
  attachNode,
  openTunnel,
  passes,
  showKeyAt,
} from "../_tunnel_ends.ts";
import { dialFrom } from "../bench/_big_relay.ts";
import type { Channel } from "../../lib/protocol/channel.ts";
import { Front } from "./_front.ts";
import { eventually, startInstance } from "./_instances.ts";
import { MemoryStore } from "./_memory_store.ts";

/** A channel of a client at another address, after its hello. */
async function greetedFrom(from: string, relay: TestRelay): Promise<Channel> {
  const channel = await openChannelFrom(from, relay.server.address);
  await channel.send({ kind: "hello", protocol: 1, role: "client" });
  await channel.receive(["hello"]);
  channel.openUp();
  return channel;
}

/** Two instances; the first tells the others its address in a private network. */
class Pair implements AsyncDisposable {
  readonly a: TestRelay;
  readonly b: TestRelay;
  /** The way to `a` in the network of the instances. */
  readonly inside: Front;
  /** The only way in for others. */
  readonly front = new Front();

  private constructor([a, b]: [TestRelay, TestRelay], inside: Front) {
    this.a = a;
    this.b = b;
    this.inside = inside;
    inside.to = a.server.address;
    this.front.to = a.server.address;
  }

  static async start(
    { limits = {}, limitsOfA = limits, secrets }: {
      limits?: Partial<Limits>;
      limitsOfA?: Partial<Limits>;
      secrets?: Secrets;
    } = {},
  ): Promise<Pair> {
    const store = new MemoryStore();
    // Their ports for tunnels are not at the front's address.
    const host = "127.0.0.2";
    const options = { host, limits, ...secrets && { secrets } };
    const inside = new Front();
    const a = await startInstance(store, {
      ...options,
      limits: limitsOfA,
      address: inside.address,
    });
    const b = await startInstance(store, options);
    return new Pair([a, b], inside);
  }

  /** What nodes and clients know of the relay. */
  get relay(): { server: { address: Endpoint } } {
    return { server: { address: this.front.address } };
  }

  /** Waits until `b` knows that a node is attached to `a`. */
  async untilKnown(plain = {}): Promise<void> {
    const { host, port } = this.inside.address;
    await eventually(async () => {
      const { nodes } = await listNodes({
        relay: this.b.server.address,
        ...plain,
      });
      return nodes[0]?.signed.at === `${host}:${port}`;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.front[Symbol.dispose]();
    this.inside[Symbol.dispose]();
    await this.b[Symbol.asyncDispose]();
    await this.a[Symbol.asyncDispose]();
  }
}

/** A node that nobody can dial, which comes through the front. */
async function startUnreachable(pair: Pair, token?: Token): Promise<TestNode> {
  const node = await startNode(pair.relay, { "a.txt": "abc" }, {
    advertise: { host: "127.0.0.1", port: ownPort() },
    ...token === undefined ? {} : { token },
  });
  await node.log.until("attached");
  return node;
}

for (const isPrivate of [false, true]) {
  Deno.test(`A get goes through a tunnel across instances with only the port of the load balancer${isPrivate ? ", at a private relay" : ""}`, async () => {
    const secrets = isPrivate ? { secrets: { current: SECRET } } : {};
    const access = isPrivate ? { access: MEMBER } : {};
    await using pair = await Pair.start(secrets);
    await using _node = await startUnreachable(
      pair,
      isPrivate ? NODE_TOKEN : undefined,
    );
    await pair.untilKnown(access);
    // From now on everybody comes to the other instance, with joins too.
    pair.front.to = pair.b.server.address;
    pair.inside.refuses = 1; // the client is not in the instances' network
    const log = new EventLog<ClientEvent>();
    await using file = await fetchFile({
      relay: pair.front.address,
      name: "a.txt",
      ...access,
      onEvent: log.onEvent,
    });
    const pieces = await Array.fromAsync(file.pieces(), (it) => it.slice());
    assertEquals(await new Blob(pieces).text(), "abc");
    assertEquals((await log.until("node_answered")).path, "tunnel");
    await file[Symbol.asyncDispose]();
    assertEquals((await pair.a.log.until("tunnel_ended")).how, "completed");
    assertEquals(pair.b.log.names.includes("tunnel_ended"), false);
    assert(pair.inside.refuses <= 0, "the client tried the instance first");
  });
}

Deno.test("A client that cannot dial the instance of a node waits instanceConnectMs, and asks its own", async () => {
  await using pair = await Pair.start();
  await using _node = await startUnreachable(pair);
  await pair.untilKnown();
  pair.front.to = pair.b.server.address;
  pair.inside.ignores = 1;
  const log = new EventLog<ClientEvent>();
  await using _file = await fetchFile({
    relay: pair.front.address,
    name: "a.txt",
    limits: { instanceConnectMs: 300, connectMs: 600_000 },
    onEvent: log.onEvent,
  });
  assertEquals(pair.inside.ignores, 0, "the client tried the instance first");
  assertEquals((await log.until("node_answered")).path, "tunnel");
});

Deno.test("An instance passes both ends of a tunnel on to the instance that made the keys", async () => {
  await using pair = await Pair.start();
  await using node = await attachNode(pair.a, IDENTITIES[1]!);
  await pair.untilKnown();
  const keys = await openTunnel(pair.b, node);
  assertEquals(pair.a.server.tunnelCount, 1);
  assertEquals(pair.b.server.tunnelCount, 0);
  using client = await showKeyAt(pair.b.server.address, keys.client);
  using end = await showKeyAt(pair.b.server.address, keys.node);
  assertEquals(await answerTo(client), "joined");
  assertEquals(await answerTo(end), "joined");
  const bytes = crypto.getRandomValues(new Uint8Array(50_000));
  await passes(client, end, bytes);
  await passes(end, client, bytes);
  client.close();
  end.close();
  assertEquals((await pair.a.log.until("tunnel_ended")).toNodeBytes, 50_000);
});

for (
  const [what, change] of [
    ["a code that is wrong", (key: string) => flipped(key, -1)],
    ["another number", (key: string) => flipped(key, 0)],
    ["another instance", (key: string) => flipped(key, 30)],
    ["no instance", (key: string) => key.slice(0, 22)],
  ] as const
) {
  Deno.test(`An instance dials no other instance for a key with ${what}`, async () => {
    await using pair = await Pair.start();
    await using node = await attachNode(pair.a, IDENTITIES[1]!);
    await pair.untilKnown();
    const { client } = await openTunnel(pair.a, node);
    assertNotEquals(change(client), client);
    const before = pair.inside.count;
    using conn = await showKeyAt(pair.b.server.address, change(client));
    assertEquals(await answerTo(conn), "unknown_key");
    assertEquals(pair.inside.count, before);
  });
}

/** The text with another letter at a place. */
function flipped(text: string, at: number): string {
  const letters = [...text];
  const index = at < 0 ? letters.length + at - 1 : at;
  letters[index] = letters[index] === "A" ? "B" : "A";
  return letters.join("");
}

Deno.test("An instance passes on no end that was passed on before", async () => {
  await using pair = await Pair.start();
  await using node = await attachNode(pair.a, IDENTITIES[1]!);
  await pair.untilKnown();
  const { client: key } = await openTunnel(pair.a, node);
  const before = pair.inside.count;
  using conn = await dial(pair.b.server.address, {
    peer: null,
    timeoutMs: 20_000,
  });
  await writeAll(conn, encodeMessage({ kind: "join", key, passed: true }));
  assertEquals(await answerTo(conn), "unknown_key");
  assertEquals(pair.inside.count, before);
});

Deno.test("An instance passes on clusterPassCount ends to one other instance", async () => {
  await using pair = await Pair.start({ limits: { clusterPassCount: 1 } });
  await using node = await attachNode(pair.a, IDENTITIES[1]!);
  await pair.untilKnown();
  const keys = await openTunnel(pair.b, node);
  const before = pair.inside.count;
  using waiting = await showKeyAt(pair.b.server.address, keys.client);
  await eventually(() => pair.inside.count > before);
  using refused = await showKeyAt(pair.b.server.address, keys.node);
  assertEquals(await answerTo(refused), "too_many_tunnels");
  using end = await showKeyAt(pair.a.server.address, keys.node);
  assertEquals(await answerTo(waiting), "joined");
  assertEquals(await answerTo(end), "joined");
});

Deno.test("An instance that calls and passes on for many clients is not limited like one address", async () => {
  await using pair = await Pair.start({
    limitsOfA: { connectBurstCount: 4, connectRatePerSecond: 0.001 },
  });
  pair.inside.from = "127.0.0.5";
  await using node = await attachNode(pair.a, IDENTITIES[1]!);
  await pair.untilKnown();
  for (let n = 0; n < 8; n++) {
    const keys = await openTunnel(pair.b, node);
    using client = await showKeyAt(pair.b.server.address, keys.client);
    using end = await showKeyAt(pair.a.server.address, keys.node);
    assertEquals(await answerTo(client), "joined");
    assertEquals(await answerTo(end), "joined");
  }
});

Deno.test("A client makes an instance call another one as often as clusterCallRequestCount allows", async () => {
  await using pair = await Pair.start({
    limits: { requestBurstCount: 42, requestRatePerSecond: 0.001 },
  });
  await using node = await attachNode(pair.a, IDENTITIES[1]!);
  await pair.untilKnown();
  const before = pair.inside.count;
  const busy = await greetedFrom("127.0.0.3", pair.b);
  await using _busy = busy;
  for (let n = 0; n < 5; n++) await busy.send({ kind: "tunnel", id: node.id });
  for (let n = 0; n < 2; n++) await busy.receive(["rendezvous"]);
  const other = await greetedFrom("127.0.0.4", pair.b);
  await using _other = other;
  await other.send({ kind: "tunnel", id: node.id });
  assertEquals((await other.receive(["rendezvous"]))?.kind, "rendezvous");
  assertEquals(pair.inside.count - before, 3);
});

Deno.test("An end of another address takes the place of one of many that an instance passes on", async () => {
  await using pair = await Pair.start({ limits: { clusterPassCount: 2 } });
  await using node = await attachNode(pair.a, IDENTITIES[1]!);
  await pair.untilKnown();
  const keys = [];
  for (let n = 0; n < 3; n++) keys.push(await openTunnel(pair.b, node));
  const at = pair.b.server.address;
  const [first, , last] = await Array.fromAsync(keys, async (key, n) => {
    const from = n < 2 ? "127.0.0.3" : "127.0.0.4";
    const conn = await dialFrom(from, { at, plaintext: true });
    const before = pair.inside.count;
    await writeAll(conn, encodeMessage({ kind: "join", key: key.client }));
    await eventually(() => pair.inside.count > before);
    return conn;
  });
  assertEquals(await answerTo(first!), "end");
  using end = await showKeyAt(pair.a.server.address, keys[2]!.node);
  assertEquals(await answerTo(last!), "joined");
  assertEquals(await answerTo(end), "joined");
  last!.close();
});

Deno.test("An instance asks others for clusterCallCount tunnels at once", async () => {
  await using pair = await Pair.start({
    limits: {
      clusterCallCount: 1,
      clusterCallWaitMs: 1,
      connectMs: 600_000,
    },
  });
  await using node = await attachNode(pair.a, IDENTITIES[1]!);
  await pair.untilKnown();
  pair.inside.ignores = 1;
  const before = pair.inside.count;
  const first = askForTunnel(pair.b, node.id);
  await eventually(() => pair.inside.count > before);
  const second = await askForTunnel(pair.b, node.id);
  assertEquals(second.kind === "refused" && second.code, "too_many_tunnels");
  pair.inside.hangUp();
  const answer = await first;
  assertEquals(answer.kind === "refused" && answer.code, "elsewhere");
});

Deno.test("A call to another instance waits for its turn when all clusterCallCount places are taken", async () => {
  await using pair = await Pair.start({
    limits: {
      clusterCallCount: 1,
      clusterCallWaitMs: 600_000,
      connectMs: 600_000,
    },
  });
  await using node = await attachNode(pair.a, IDENTITIES[1]!);
  await pair.untilKnown();
  pair.inside.ignores = 1;
  const before = pair.inside.count;
  const first = askForTunnel(pair.b, node.id);
  await eventually(() => pair.inside.count > before);
  const second = askForTunnel(pair.b, node.id);
  const early = await Promise.race([second, settled("waits")]);
  assertEquals(early, "waits");
  pair.inside.hangUp();
  assertEquals((await first).kind, "refused");
  assertEquals((await second).kind, "rendezvous");
});

/** Some turns of the event loop and an answer of the kernel later. */
async function settled<T>(value: T): Promise<T> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using _listener = listener;
  const { port } = listener.addr;
  for (let n = 0; n < 20; n++) {
    using _conn = await Deno.connect({ hostname: "127.0.0.1", port });
    using _other = await listener.accept();
  }
  return value;
}

for (const secrets of [undefined, { current: SECRET }]) {
  Deno.test(`A relay opens no tunnel for a peer that only claims to be an instance${secrets ? " of a private relay" : ""}`, async () => {
    await using pair = await Pair.start(secrets && { secrets });
    await using channel = await openChannel(
      pair.a.server.address,
      pair.a.identity,
    );
    await greet(channel, { role: "instance" });
    const { id } = IDENTITIES[1]!;
    const proof = "A".repeat(22);
    await channel.send({ kind: "open", id, from: "192.0.2.7", proof });
    const answer = await channel.receive(["rendezvous", "refused"]);
    assertEquals(answer?.kind === "refused" && answer.code, "wrong_service");
  });
}

Deno.test("A peer that claims to be an instance and asks nothing is waited for as long as a handshake may take", async () => {
  await using pair = await Pair.start({
    secrets: { current: SECRET },
    limitsOfA: { handshakeMs: 10_000 },
  });
  const { identity, server } = pair.a;
  await using channel = await openChannel(server.address, identity);
  await greet(channel, { role: "instance" });
  await channel.receive(["refused"]).catch(() => null); // it may arrive
  await pair.a.log.until("refused", ({ reason }) => reason === "timed_out");
});

Deno.test("A relay outside a cluster opens no tunnel for an instance", async () => {
  await using relay = await startRelay();
  await using channel = await openChannel(
    relay.server.address,
    relay.identity,
  );
  await greet(channel, { role: "instance" });
  const answer = await channel.receive(["rendezvous", "refused"]);
  assertEquals(answer?.kind === "refused" && answer.code, "wrong_service");
});
