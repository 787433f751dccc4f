/**
 * The relay's part in tunnels, with both ends played by hand.
 */

import { assert, assertEquals, assertLess } from "@std/assert";
import { delay } from "@std/async/delay";
import { writeAll } from "../../lib/base/conn.ts";
import { encodeMessage } from "../../lib/protocol/messages.ts";
import { within } from "../_event_log.ts";
import { memoryPair } from "../_memory_conn.ts";
import { startRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import {
  answerTo,
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

const MIB = 1024 * 1024;

/** Ends of tunnels are looked for so often that no test waits for it. */
const OFTEN = { sweepMs: 5 };

for (const entrance of ["tunnel", "own"] as const) {
  Deno.test(`A tunnel by the ${entrance} port passes bytes both ways, counts them, and ends as completed`, async () => {
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
    const { event: _, ...reported } = await relay.log.until("tunnel_ended");
    assertEquals(reported, {
      how: "completed",
      id: alice.id,
      from: "", // many share the address of this machine
      toClientBytes: 2 * BYTES.length,
      toNodeBytes: 70,
    });
    assertEquals(relay.server.tunnelCount, 0);
  });
}

Deno.test("row 81: if the node never joins, the client gets peer_did_not_join and the tunnel expires", async () => {
  await using relay = await startRelay({
    limits: { ...OFTEN, tunnelJoinMs: 10_000 },
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

Deno.test("row 81: a tunnel that nobody joins is expired too", async () => {
  await using relay = await startRelay({
    limits: { ...OFTEN, tunnelJoinMs: 50 },
  });
  await using node = await attachNode(relay, alice);
  await openTunnel(relay, node);
  assertEquals(await endingOf(relay), "expired");
  assertEquals(relay.server.tunnelCount, 0);
});

for (const entrance of ["tunnel", "own"] as const) {
  Deno.test(`row 84: wrong, reused and foreign keys at the ${entrance} port harm no honest pair`, async () => {
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
    // Shown again, before and after the other side has arrived.
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

Deno.test("row 84: the client's key shown twice makes no pair, because it is valid for one side", async () => {
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

Deno.test("A tunnel whose waiting end disconnects is abandoned at once, and frees its place", async () => {
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

Deno.test("An end that sends bytes before the other has joined loses none of them", async () => {
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

Deno.test("A tunnel that one end closes early is abandoned, and the other end gets a refusal", async () => {
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
    // Longer than the machine stands still: the other tunnel must not end too.
    await using relay = await startRelay({ limits: { tunnelIdleMs: 4_000 } });
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
    while (!isOver || passed <= MIB) {
      await passes(flowing.node, flowing.client, BYTES);
      passed += BYTES.length;
      if (passed > MIB) await delay(100);
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
    channelWith(() => {
      throw new Deno.errors.BrokenPipe("gone");
    }),
  );
  const answer = tunnels.open("node", { host: "192.0.2.1", port: 1 });
  assertEquals(answer.kind, "rendezvous");
  const { how } = await log.until("tunnel_ended");
  assertEquals([how, tunnels.count], ["failed", 0]);
  await tunnels.close();
});
