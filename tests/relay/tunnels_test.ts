/**
 * The relay's part in tunnels, with both ends played by hand.
 */

import { assert, assertEquals, assertLess } from "@std/assert";
import { connect } from "node:net";
import type { Channel } from "../../lib/protocol/channel.ts";
import { type Conn, writeAll } from "../../lib/base/conn.ts";
import type { Identity } from "../../lib/identity/identity.ts";
import { LIMITS, type Limits } from "../../lib/base/limits.ts";
import { type IncidentEvent, Incidents } from "../../lib/guard/incidents.ts";
import { encodeMessage } from "../../lib/protocol/messages.ts";
import { type TunnelEvent, Tunnels } from "../../lib/relay/tunnels.ts";
import { EventLog, within } from "../_event_log.ts";
import { FakeTime } from "../_fake_time.ts";
import { memoryPair } from "../_memory_conn.ts";
import { IDENTITIES, startRelay, type TestRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import {
  answerTo,
  askForTunnel,
  attachNode,
  joinTunnel,
  openTunnel,
  passes,
  showKey,
} from "../_tunnel_ends.ts";

const [, alice, bob] = IDENTITIES as [Identity, Identity, Identity];
const MIB = 1024 * 1024;
const BYTES = randomBytes(100_000, seededRandom(1));

/** Ends of tunnels are looked for so often that no test waits for it. */
const OFTEN = { sweepMs: 5 };

async function endingOf(
  relay: TestRelay,
  id: string = alice.id,
): Promise<string> {
  const { how } = await relay.log.until(
    "tunnel_ended",
    (event) => event.id === id,
  );
  return how;
}

/** Until the other side has ended, one way or the other. */
function untilEnd(conn: Conn): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  const ended = (async () => {
    while (await conn.read(buffer).catch(() => null) !== null);
  })();
  return within(ended, "the end");
}

for (const entrance of ["tunnel", "own"] as const) {
  Deno.test(`A tunnel by the ${entrance} port carries both ways, counts, and is completed`, async () => {
    await using relay = await startRelay();
    await using node = await attachNode(relay, alice);
    using tunnel = await joinTunnel(relay, node, entrance);
    assertEquals(relay.server.tunnelCount, 1);
    await passes(tunnel.client, tunnel.node, BYTES.subarray(0, 70));
    await passes(tunnel.node, tunnel.client, BYTES);
    await tunnel.client.closeWrite();
    await untilEnd(tunnel.node);
    await passes(tunnel.node, tunnel.client, BYTES); // row 82
    await tunnel.node.closeWrite();
    await untilEnd(tunnel.client);
    const { event: _, ...told } = await relay.log.until("tunnel_ended");
    assertEquals(told, {
      how: "completed",
      id: alice.id,
      from: "", // many share the address of this machine
      toClientBytes: 2 * BYTES.length,
      toNodeBytes: 70,
    });
    assertEquals(relay.server.tunnelCount, 0);
  });
}

Deno.test("row 81: where the node never joins, the client is told peer_did_not_join and the tunnel is expired", async () => {
  await using relay = await startRelay({
    limits: { ...OFTEN, tunnelJoinMs: 50 },
  });
  await using node = await attachNode(relay, alice);
  const keys = await openTunnel(relay, node);
  using client = await showKey(relay, keys.client);
  assertEquals(await answerTo(client), "peer_did_not_join");
  await untilEnd(client);
  assertEquals(await endingOf(relay), "expired");
  assertEquals(relay.server.tunnelCount, 0);
  // Late: as any key that nobody waits for.
  using late = await showKey(relay, keys.node);
  assertEquals(await answerTo(late), "unknown_key");
});

Deno.test("row 81: a tunnel to which nobody comes is expired as well", async () => {
  await using relay = await startRelay({
    limits: { ...OFTEN, tunnelJoinMs: 50 },
  });
  await using node = await attachNode(relay, alice);
  await openTunnel(relay, node);
  assertEquals(await endingOf(relay), "expired");
  assertEquals(relay.server.tunnelCount, 0);
});

for (const entrance of ["tunnel", "own"] as const) {
  Deno.test(`row 84: keys by the ${entrance} port that are wrong, used twice or of others harm no honest pair`, async () => {
    await using relay = await startRelay();
    await using node = await attachNode(relay, alice);
    await using other = await attachNode(relay, bob);
    const keys = await openTunnel(relay, node);
    const show = async (key: string) => {
      using conn = await showKey(relay, key, entrance);
      const answer = await answerTo(conn);
      await untilEnd(conn);
      return answer;
    };
    assertEquals(await show("AAECAwQFBgcICQoLDA0ODw"), "unknown_key");
    using client = await showKey(relay, keys.client, entrance);
    // Shown again, before and after the other side has come.
    assertEquals(await show(keys.client), "unknown_key");
    // The other node's tunnel: its key joins nothing of this one.
    const foreign = await openTunnel(relay, other);
    using stranger = await showKey(relay, foreign.node, entrance);
    using honest = await showKey(relay, keys.node, entrance);
    assertEquals(await answerTo(client), "joined");
    assertEquals(await answerTo(honest), "joined");
    for (const key of [keys.client, keys.node, foreign.node]) {
      assertEquals(await show(key), "unknown_key");
    }
    await passes(client, honest, BYTES);
    await passes(honest, client, BYTES);
    stranger.close();
    await relay.log.until("refused", ({ reason }) => reason === "unknown_key");
  });
}

Deno.test("row 84: the client's key shown twice makes no pair: it is good for one side", async () => {
  await using relay = await startRelay();
  await using node = await attachNode(relay, alice);
  const keys = await openTunnel(relay, node);
  using first = await showKey(relay, keys.client);
  using second = await showKey(relay, keys.client);
  assertEquals(await answerTo(second), "unknown_key");
  using third = await showKey(relay, keys.node);
  assertEquals(await answerTo(first), "joined");
  assertEquals(await answerTo(third), "joined");
});

for (
  const [what, bytes] of [
    ["noise", randomBytes(5_000, seededRandom(2))],
    ["a frame of 4 GiB", Uint8Array.of(3, 255, 255, 255, 255)],
    ["a key of another length", encodeMessage({ kind: "join", key: "short" })],
    ["another message", encodeMessage({ kind: "ping" })],
    [
      "half a key",
      encodeMessage({ kind: "join", key: "A".repeat(22) }).subarray(0, 9),
    ],
    ["nothing", new Uint8Array()],
  ] as const
) {
  Deno.test(`A relay ends a peer that sends ${what} to the port for tunnels`, async () => {
    await using relay = await startRelay({ limits: { handshakeMs: 200 } });
    const { tunnelPort = 0 } = await relay.log.until("relay_listening");
    const tcp = await Deno.connect({ hostname: "127.0.0.1", port: tunnelPort });
    await tcp.write(bytes).catch(() => {});
    const buffer = new Uint8Array(4096);
    const ended = (async () => {
      while (await tcp.read(buffer).catch(() => null) !== null);
    })();
    await within(ended, "the end");
    tcp.close();
    await relay.log.until("refused");
    assertEquals(relay.log.names.includes("connection_failed"), false);
  });
}

Deno.test("A node that declines ends its own tunnel as refused, and nobody else's", async () => {
  await using relay = await startRelay();
  await using node = await attachNode(relay, alice);
  await using other = await attachNode(relay, bob);
  const keys = await openTunnel(relay, node);
  const foreign = await openTunnel(relay, other);
  using client = await showKey(relay, keys.client);
  using waiting = await showKey(relay, foreign.client);
  const decline = (key: string) =>
    node.channel.send({ kind: "decline", key, code: "busy" });
  await decline(foreign.node); // not its own
  await decline(foreign.client);
  await decline(keys.client); // not its side's
  await decline("AAECAwQFBgcICQoLDA0ODw");
  await decline(keys.node);
  assertEquals(await answerTo(client), "declined");
  assertEquals(await endingOf(relay), "refused");
  assertEquals(relay.server.tunnelCount, 1);
  using honest = await showKey(relay, foreign.node);
  assertEquals(await answerTo(waiting), "joined");
  assertEquals(await answerTo(honest), "joined");
});

Deno.test("A tunnel whose waiting end leaves is abandoned at once, and makes room", async () => {
  await using relay = await startRelay({ limits: { tunnelsPerNodeCount: 1 } });
  await using node = await attachNode(relay, alice);
  for (const side of ["client", "node"] as const) {
    for (const entrance of ["tunnel", "own"] as const) {
      const keys = await openTunnel(relay, node);
      const before = relay.log.events.length;
      const conn = await showKey(relay, keys[side], entrance);
      conn.close();
      const { how } = await relay.log.until(
        "tunnel_ended",
        (event) => relay.log.events.indexOf(event) >= before,
      );
      assertEquals(how, "abandoned");
      assertEquals(relay.server.tunnelCount, 0);
      const other = side === "client" ? "node" : "client";
      using late = await showKey(relay, keys[other], entrance);
      assertEquals(await answerTo(late), "unknown_key");
    }
  }
});

Deno.test("An end that speaks before the other has come loses nothing of it", async () => {
  await using relay = await startRelay();
  await using node = await attachNode(relay, alice);
  for (const entrance of ["tunnel", "own"] as const) {
    const keys = await openTunnel(relay, node);
    using client = await showKey(relay, keys.client, entrance);
    // More than is read ahead; half-closed, and with the end behind it.
    await writeAll(client, BYTES);
    using honest = await showKey(relay, keys.node, entrance);
    assertEquals(await answerTo(honest), "joined");
    assertEquals(await answerTo(client), "joined");
    const target = new Uint8Array(BYTES.length);
    for (let at = 0; at < target.length;) {
      at += await within(honest.read(target.subarray(at)), "bytes") ?? NaN;
    }
    assertEquals(target, BYTES);
    await passes(honest, client, BYTES);
  }
});

Deno.test("A tunnel that one end breaks off is abandoned, and the other end hears of it", async () => {
  await using relay = await startRelay();
  await using node = await attachNode(relay, alice);
  using tunnel = await joinTunnel(relay, node);
  await passes(tunnel.client, tunnel.node, BYTES);
  const flooding = (async () => {
    for (;;) await writeAll(tunnel.node, BYTES);
  })().catch(() => {});
  tunnel.client.close();
  await within(flooding, "the end");
  assertEquals(await endingOf(relay), "abandoned");
});

for (const entrance of ["tunnel", "own"] as const) {
  Deno.test(`row 83: alice to bob keeps flowing while cathy does not read, by the ${entrance} port`, async () => {
    await using relay = await startRelay({ limits: { tunnelIdleMs: 500 } });
    await using node = await attachNode(relay, alice);
    await using other = await attachNode(relay, bob);
    using stuck = await joinTunnel(relay, node, entrance);
    using flowing = await joinTunnel(relay, other, entrance);
    const flooding = (async () => {
      for (;;) await writeAll(stuck.node, BYTES);
    })().catch(() => {});
    let isOver = false;
    const ended = endingOf(relay).finally(() => isOver = true);
    let passed = 0;
    while (!isOver) {
      await passes(flowing.node, flowing.client, BYTES);
      passed += BYTES.length;
    }
    assertEquals(await ended, "expired");
    await within(flooding, "the end of the sender");
    const { toClientBytes } = await relay.log.until(
      "tunnel_ended",
      ({ id }) => id === alice.id,
    );
    assertLess(toClientBytes, 32 * MIB); // what the kernel holds
    assert(passed > MIB, `only ${passed} bytes passed`);
  });
}

Deno.test("A relay that loses a node ends the tunnels that nobody has joined as failed", async () => {
  const { tunnels, log } = tunnelsBySelf();
  const [near] = memoryPair();
  near.close();
  // A channel that can no longer be written to.
  using _attached = tunnels.attach(
    "node",
    channelThat(() => {
      throw new Deno.errors.BrokenPipe("gone");
    }),
  );
  const answer = tunnels.open("node", { host: "192.0.2.1", port: 1 });
  assertEquals(answer.kind, "rendezvous");
  const { how } = await log.until("tunnel_ended");
  assertEquals([how, tunnels.count], ["failed", 0]);
  await tunnels.close();
});

/** Tunnels without a relay around them. */
function tunnelsBySelf(limits: Partial<Limits> = {}) {
  const log = new EventLog<TunnelEvent>();
  const incidents = new EventLog<IncidentEvent>();
  const tunnels = new Tunnels({
    limits: { ...LIMITS, ...limits },
    incidents: new Incidents(0, incidents.onEvent),
    onEvent: log.onEvent,
  });
  return { tunnels, log, incidents };
}

/** As much of a channel as tunnels use. */
function channelThat(
  send: (message: { kind: string }) => void,
  close: () => void = () => {},
): Channel {
  return {
    // deno-lint-ignore require-await -- throws as a channel does
    send: async (message: { kind: string }) => send(message),
    close: () => Promise.resolve(close()),
  } as unknown as Channel;
}

Deno.test("Tunnels ping the nodes that are attached every 20 s, and none where there is none", async () => {
  using time = new FakeTime();
  const { tunnels } = tunnelsBySelf();
  const heard: Record<string, number> = { a: 0, b: 0 };
  const listen = (id: string) =>
    tunnels.attach(id, channelThat(() => void heard[id]!++));
  const a = listen("a");
  await time.advance(20_000);
  const b = listen("b");
  assertEquals(heard, { a: 1, b: 0 });
  await time.advance(19_999);
  assertEquals(heard, { a: 1, b: 0 });
  await time.advance(1);
  assertEquals(heard, { a: 2, b: 1 });
  a[Symbol.dispose]();
  await time.advance(20_000);
  assertEquals(heard, { a: 2, b: 2 });
  b[Symbol.dispose]();
  assertEquals(time.timerCount, 0);
  await tunnels.close();
});

Deno.test("Of two attachments of one node the newest wins, and the other is told that it was replaced", async () => {
  await using relay = await startRelay();
  await using older = await attachNode(relay, alice);
  await using newer = await attachNode(relay, alice, { sequence: 2 });
  const refused = await within(
    older.channel.receive(["refused"]),
    "the refusal",
  );
  assertEquals(refused?.kind === "refused" && refused.code, "replaced");
  assertEquals(await within(older.channel.receive([]), "the end"), null);
  using tunnel = await joinTunnel(relay, newer);
  await passes(tunnel.client, tunnel.node, BYTES);
  // To the others it never went.
  const told = relay.log.names.filter((name) => /tached$/.test(name));
  assertEquals(told, ["node_attached"]);
});

Deno.test("A relay refuses tunnels to nodes it does not know, or that are not attached", async () => {
  await using relay = await startRelay();
  const nobody = await askForTunnel(relay, bob.id);
  assertEquals(nobody.kind === "refused" && nobody.code, "unknown_node");
  {
    await using _node = await attachNode(relay, alice);
  }
  await relay.log.until("node_detached");
  const detached = await askForTunnel(relay, alice.id);
  assertEquals(detached.kind === "refused" && detached.code, "not_attached");
});

Deno.test("A relay without tunnels refuses them, and does not listen for them", async () => {
  await using relay = await startRelay({ tunnels: false });
  const { tunnelPort } = await relay.log.until("relay_listening");
  assertEquals(tunnelPort, undefined);
  const answer = await askForTunnel(relay, alice.id);
  assertEquals(answer.kind === "refused" && answer.code, "no_tunnels");
  using conn = await showKey(relay, "AAECAwQFBgcICQoLDA0ODw", "own");
  await untilEnd(conn);
});

for (
  const [limit, code] of [
    ["tunnelCount", "too_many_tunnels"],
    ["tunnelsPerNodeCount", "too_many_tunnels_for_node"],
  ] as const
) {
  Deno.test(`A relay refuses tunnels beyond ${limit} with ${code}, until one ends`, async () => {
    await using relay = await startRelay({ limits: { [limit]: 2 } });
    await using node = await attachNode(relay, alice);
    using first = await joinTunnel(relay, node);
    using _second = await joinTunnel(relay, node);
    const refused = await askForTunnel(relay, alice.id);
    assertEquals(refused.kind === "refused" && refused.code, code);
    await relay.log.until("refused", ({ reason }) => reason === code);
    first.client.close();
    first.node.close();
    await endingOf(relay);
    using _third = await joinTunnel(relay, node);
  });
}

Deno.test("A relay refuses the 17th tunnel for one address, and counts none for its own machine", () => {
  const { tunnels, incidents } = tunnelsBySelf({ tunnelsPerNodeCount: 100 });
  using _attached = tunnels.attach("node", channelThat(() => {}));
  const ask = (host: string) => {
    const answer = tunnels.open("node", { host, port: 1 });
    return answer.kind === "refused" ? answer.code : answer.kind;
  };
  const answers = Array.from({ length: 17 }, () => ask("192.0.2.1"));
  assertEquals(new Set(answers.slice(0, 16)), new Set(["rendezvous"]));
  assertEquals(answers[16], "too_many_tunnels_for_address");
  assertEquals(incidents.names, ["refused"]);
  // One network of a provider's customer is one address.
  for (let n = 0; n < 16; n++) ask(`2001:db8:0:1${n.toString(16)}::1`);
  assertEquals(ask("2001:db8:0:1f::2"), "too_many_tunnels_for_address");
  assertEquals(ask("192.0.2.2"), "rendezvous");
  for (let n = 0; n < 20; n++) assertEquals(ask("127.0.0.1"), "rendezvous");
});

Deno.test("A relay refuses more connections of one address to the port for tunnels than it may have", async () => {
  await using relay = await startRelay({
    limits: { tunnelConnectionsPerAddressCount: 2, connectBurstCount: 100 },
  });
  const { tunnelPort = 0 } = await relay.log.until("relay_listening");
  const connect = () => connectFrom("127.0.0.2", tunnelPort);
  using _first = await connect();
  using _second = await connect();
  using third = await connect();
  await within(third.closed, "the refusal");
  const { reason, from } = await relay.log.until("refused");
  assertEquals([reason, from], [
    "too_many_connections_for_address",
    "127.0.0.2",
  ]);
});

/** A connection from one of the many loopback addresses. */
async function connectFrom(localAddress: string, port: number) {
  const socket = connect({ host: "127.0.0.1", port, localAddress });
  const closed = new Promise<void>((resolve) =>
    socket.once("close", () => resolve())
  );
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.once("connect", resolve);
  socket.on("error", () => resolve());
  await within(promise, "connecting");
  return { closed, [Symbol.dispose]: () => void socket.destroy() };
}

Deno.test("A relay that closes tells the ends that wait, lets what runs end, and counts every ending", async () => {
  const relay = await startRelay();
  const node = await attachNode(relay, alice);
  using running = await joinTunnel(relay, node);
  const keys = await openTunnel(relay, node);
  await openTunnel(relay, node); // to which nobody comes
  using waiting = await showKey(relay, keys.client);
  while (relay.server.connectionCount < 4) {
    await passes(running.client, running.node, BYTES);
  }
  const closing = relay.server.close();
  assertEquals(await answerTo(waiting), "closing");
  await passes(running.client, running.node, BYTES);
  running.client.close();
  running.node.close();
  await within(closing, "closing");
  await node.channel.close();
  const hows = relay.log.events.flatMap((event) =>
    event.event === "tunnel_ended" ? [event.how] : []
  );
  assertEquals(hows, ["failed", "failed", "completed"]);
  assertEquals(relay.server.tunnelCount, 0);
});

Deno.test("A relay that closes ends what has not ended after a while as failed", async () => {
  const relay = await startRelay({ limits: { tunnelDrainMs: 50 } });
  const node = await attachNode(relay, alice);
  using tunnel = await joinTunnel(relay, node);
  await passes(tunnel.client, tunnel.node, BYTES);
  await within(relay.server.close(), "closing");
  assertEquals(await endingOf(relay), "failed");
  await untilEnd(tunnel.client);
  await untilEnd(tunnel.node);
  await node.channel.close();
});

Deno.test("A relay that closes opens no more tunnels meanwhile", async () => {
  const { tunnels } = tunnelsBySelf();
  using _attached = tunnels.attach("node", channelThat(() => {}));
  const closing = tunnels.close();
  const answer = tunnels.open("node", { host: "192.0.2.1", port: 1 });
  assertEquals(answer.kind === "refused" && answer.code, "closing");
  await closing;
});
