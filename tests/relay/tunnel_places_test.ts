/**
 * Tunnels at their limits: which one is evicted, and for which newcomer.
 */

import { assert, assertEquals } from "@std/assert";
import { type Conn, writeAll } from "../../lib/base/conn.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { encodeMessage } from "../../lib/protocol/messages.ts";
import { greet } from "../../lib/protocol/hello.ts";
import {
  Rendezvous,
  tunnelFor,
  type TunnelPlace,
} from "../../lib/relay/rendezvous.ts";
import { openChannelFrom, startRelay, type TestRelay } from "../_network.ts";
import {
  answerTo,
  type AttachedNode,
  attachNode,
  entranceOf,
  joinTunnel,
  openTunnel,
  passes,
  showKey,
} from "../_tunnel_ends.ts";
import { dialFrom } from "../bench/_big_relay.ts";
import { alice, BYTES, endingOf, untilEnd } from "./_tunnels.ts";

const NOW = 100_000;
const IDLE_SINCE = NOW - LIMITS.tunnelSpareMs;

/** Tunnels as `GROUP PHASE ACTIVE_AT`; the one that `group` replaces. */
function loser(group: string, tunnels: readonly string[]): string | undefined {
  const places = tunnels.map((text) => {
    const [of = "", phase = "", activeAt] = text.split(" ");
    return {
      text,
      group: of,
      phase: phase as TunnelPlace["phase"],
      activeAt: Number(activeAt),
    };
  });
  return tunnelFor(places, { group, idleSince: IDLE_SINCE })?.text;
}

Deno.test("row 1045: a tunnel is replaced by a newcomer with two fewer: one that is not joined, else the idlest", () => {
  const late = NOW - 1;
  const two = [`b joined ${late}`, `b joined ${late - 5}`];
  assertEquals(loser("new", two), `b joined ${late - 5}`);
  assertEquals(
    loser("new", [...two, `b half ${late}`, `b waiting ${late - 1}`]),
    `b waiting ${late - 1}`,
  );
  // Of a smaller group none goes, whatever it does.
  const three = [`a waiting 0`, ...two, `b joined ${late}`];
  assertEquals(loser("new", three), `b joined ${late - 5}`);
  assertEquals(loser("a", three), `b joined ${late - 5}`);
  assertEquals(loser("a", [`a joined ${late}`, ...two]), undefined);
});

Deno.test("row 1045: a tunnel in which nothing moved for tunnelSpareMs is replaced by any newcomer with fewer, and by its own", () => {
  const idle = `joined ${IDLE_SINCE}`;
  const active = `joined ${IDLE_SINCE + 1}`;
  assertEquals(loser("new", [`a ${active}`, `b ${active}`]), undefined);
  assertEquals(loser("new", [`a ${active}`, `b ${idle}`]), `b ${idle}`);
  assertEquals(loser("a", [`a ${active}`, `b ${idle}`]), undefined);
  assertEquals(loser("b", [`a ${idle}`, `b ${idle}`]), `b ${idle}`);
  assertEquals(
    loser("new", [`a ${idle}`, `b waiting ${IDLE_SINCE}`]),
    `b waiting ${IDLE_SINCE}`,
  );
});

Deno.test("row 1045: one address replaces its own idle tunnels, and no more of others than before", () => {
  const rendezvous = new Rendezvous({ ...LIMITS, tunnelsPerAddressCount: 2 });
  let count = 0;
  const ask = (now: number) => {
    const name = `${++count}`;
    const keys = { client: `${name} client`, node: `${name} node` };
    const whose = { source: "192.0.2.1", client: "" };
    return rendezvous.open({ node: "node", keys, ...whose }, now);
  };
  const first = ask(0);
  assert(first.kind === "opened");
  assertEquals(ask(1).kind, "opened");
  assertEquals(ask(LIMITS.tunnelSpareMs - 1), {
    kind: "refused",
    reason: "too_many_tunnels_for_address",
  });
  const later = ask(LIMITS.tunnelSpareMs);
  assert(later.kind === "opened");
  assertEquals(later.evicted, [
    { tunnel: first.tunnel, reason: "too_many_tunnels_for_address" },
  ]);
  assertEquals([first.tunnel.phase, rendezvous.count], ["ended", 2]);
});

Deno.test("Rendezvous remembers tunnelLateKeyCount keys of nodes that were not shown, each once", () => {
  const rendezvous = new Rendezvous({ ...LIMITS, tunnelLateKeyCount: 2 });
  for (const name of ["a", "b", "c"]) {
    const keys = { client: `${name} client`, node: `${name} node` };
    const whose = { source: name, client: "" };
    const opened = rendezvous.open({ node: "node", keys, ...whose }, 0);
    assert(opened.kind === "opened");
    assertEquals(rendezvous.wasEarlier(`${name} node`), false, "it is open");
    rendezvous.end(opened.tunnel);
  }
  assertEquals(rendezvous.wasEarlier("a node"), false, "forgotten");
  assertEquals(rendezvous.wasEarlier("b client"), false);
  assertEquals(rendezvous.wasEarlier("c node"), true);
  assertEquals(rendezvous.wasEarlier("c node"), false);
});

/** Asks for tunnels from another of this machine's addresses, and joins none. */
async function occupy(
  relay: TestRelay,
  { from, count }: { from: string; count: number },
): Promise<string[]> {
  await using channel = await openChannelFrom(from, relay.server.address);
  await greet(channel, { role: "client" });
  const keys: string[] = [];
  for (let n = 0; n < count; n++) {
    await channel.send({ kind: "tunnel", id: alice.id });
    const answer = await channel.receive(["rendezvous", "refused"]);
    if (answer?.kind === "rendezvous") keys.push(answer.key);
  }
  return keys;
}

Deno.test("row 1045: four addresses that ask for all tunnels of a node, and join none, keep nobody out", async () => {
  await using relay = await startRelay();
  await using node = await attachNode(relay, alice);
  for (const from of ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"]) {
    const keys = await occupy(relay, { from, count: 16 });
    assertEquals(keys.length, 16);
    for (const _ of keys) await node.invited();
  }
  assertEquals(relay.server.tunnelCount, LIMITS.tunnelsPerNodeCount);
  using honest = await joinTunnel(relay, node);
  assertEquals(await endingOf(relay), "failed");
  // They ask again, and end nothing of others.
  for (const from of ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"]) {
    await occupy(relay, { from, count: 16 });
  }
  await passes(honest.client, honest.node, BYTES);
});

Deno.test("row 1045: a joined tunnel that is evicted ends, and one that waits learns why", async () => {
  await using relay = await startRelay({ limits: { tunnelsPerNodeCount: 3 } });
  await using node = await attachNode(relay, alice);
  const join = async (key: string) => {
    const client = await showKey(relay, key);
    const end = await showKey(relay, (await node.invited()).key);
    assertEquals(await answerTo(client), "joined");
    assertEquals(await answerTo(end), "joined");
    return { client, end };
  };
  const from = "127.0.0.2";
  const [first, second, third] = await occupy(relay, { from, count: 3 });
  const idle = await join(first!);
  const busy = await join(second!);
  using waiting = await showKey(relay, third!);
  await node.invited();
  await passes(busy.client, busy.end, BYTES);
  using _other = await joinTunnelWith(relay, node);
  assertEquals(await answerTo(waiting), "too_many_tunnels_for_node");
  // The address has two left, and one that has none takes the idle one of them.
  assertEquals(
    (await occupy(relay, { from: "127.0.0.3", count: 1 })).length,
    1,
  );
  await untilEnd(idle.client);
  await untilEnd(idle.end);
  await passes(busy.client, busy.end, BYTES);
  const ends = [idle.client, idle.end, busy.client, busy.end];
  for (const conn of ends) conn.close();
});

/** A tunnel that carries bytes. */
async function joinTunnelWith(relay: TestRelay, node: AttachedNode) {
  const tunnel = await joinTunnel(relay, node);
  await passes(tunnel.client, tunnel.node, BYTES);
  return tunnel;
}

for (const isLate of [false, true]) {
  Deno.test(`row 1046: a node may join each tunnel that it is invited to, however many ${isLate ? "ended before it joined" : "strangers ask for"}`, async () => {
    await using relay = await startRelay({
      limits: { connectBurstCount: 5, connectRatePerSecond: 0.001 },
    });
    await using node = await attachNode(relay, alice);
    for (let n = 0; n < 12; n++) {
      const keys = await openTunnel(relay, node);
      const client = await showKey(relay, keys.client);
      if (isLate) {
        client.close();
        await relay.log.until(
          "tunnel_ended",
          () => relay.server.tunnelCount === 0,
        );
      }
      using end = await comeFrom("127.0.0.2", { relay, key: keys.node });
      assertEquals(await answerTo(end), isLate ? "unknown_key" : "joined");
      client.close();
    }
    // Keys that nobody made count as before.
    const closeEarly = async () => {
      const key = "AAECAwQFBgcICQoLDA0ODw";
      using end = await comeFrom("127.0.0.2", { relay, key });
      return await answerTo(end).catch(() => "end") !== "unknown_key";
    };
    let count = 0;
    while (!await closeEarly().catch(() => true)) count++;
    assertEquals(count, 5);
  });
}

/** Shows a key from another of this machine's addresses. */
async function comeFrom(
  localAddress: string,
  { relay, key }: { relay: TestRelay; key: string },
): Promise<Conn> {
  const at = await entranceOf(relay, "tunnel");
  const conn = await dialFrom(localAddress, { at, plaintext: true });
  await writeAll(conn, encodeMessage({ kind: "join", key }));
  return conn;
}
