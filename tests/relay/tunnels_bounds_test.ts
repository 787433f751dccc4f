/**
 * Who may open tunnels, how many, and what becomes of them when the relay closes.
 */

import { assertEquals } from "@std/assert";
import { connect } from "node:net";
import { within } from "../_event_log.ts";
import { FakeTime } from "../_fake_time.ts";
import { startRelay } from "../_network.ts";
import {
  answerTo,
  askForTunnel,
  attachNode,
  joinTunnel,
  openTunnel,
  passes,
  showKey,
} from "../_tunnel_ends.ts";
import {
  alice,
  bob,
  BYTES,
  channelWith,
  endingOf,
  tunnelsBySelf,
  untilEnd,
} from "./_tunnels.ts";

Deno.test("Tunnels ping attached nodes every 20 s, and have no timer without attached nodes", async () => {
  using time = new FakeTime();
  const { tunnels } = tunnelsBySelf();
  const counts: Record<string, number> = { a: 0, b: 0 };
  const listen = (id: string) =>
    tunnels.attach(id, channelWith(() => void counts[id]!++));
  const a = listen("a");
  await time.advance(20_000);
  const b = listen("b");
  assertEquals(counts, { a: 1, b: 0 });
  await time.advance(19_999);
  assertEquals(counts, { a: 1, b: 0 });
  await time.advance(1);
  assertEquals(counts, { a: 2, b: 1 });
  a[Symbol.dispose]();
  await time.advance(20_000);
  assertEquals(counts, { a: 2, b: 2 });
  b[Symbol.dispose]();
  assertEquals(time.timerCount, 0);
  await tunnels.close();
});

Deno.test("Of two attachments of one node the newest wins, and the other learns that it was replaced", async () => {
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
  const reported = relay.log.names.filter((name) => /tached$/.test(name));
  assertEquals(reported, ["node_attached"]);
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
  using _attached = tunnels.attach("node", channelWith(() => {}));
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
    limits: { tunnelConnectionsPerAddressCount: 0 },
  });
  const { tunnelPort = 0 } = await relay.log.until("relay_listening");
  using one = await connectFrom("127.0.0.2", tunnelPort);
  await within(one.closed, "the refusal");
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

Deno.test("A relay that closes notifies waiting ends, lets running tunnels end, and counts every ending", async () => {
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

Deno.test("A relay that closes ends the remaining tunnels as failed after tunnelDrainMs", async () => {
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
  using _attached = tunnels.attach("node", channelWith(() => {}));
  const closing = tunnels.close();
  const answer = tunnels.open("node", { host: "192.0.2.1", port: 1 });
  assertEquals(answer.kind === "refused" && answer.code, "closing");
  await closing;
});
