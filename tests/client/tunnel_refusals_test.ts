import { assert, assertEquals, assertMatch } from "@std/assert";
import { writeAll } from "../../lib/base/conn.ts";
import { within } from "../_event_log.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { IDENTITIES, startRelay } from "../_network.ts";
import {
  answerTo,
  askForTunnel,
  attachNode,
  showKey,
} from "../_tunnel_ends.ts";
import { fetch } from "./_outcomes.ts";
import { BYTES, startUnreachable } from "./_tunnel.ts";

Deno.test("A client learns why both paths failed if neither leads to the node", async () => {
  const alice = IDENTITIES[1]!;
  await using relay = await startRelay();
  await using node = await attachNode(relay, alice);
  const fetching = fetch(relay, "a.bin");
  const { key } = await node.invited();
  await node.channel.send({ kind: "decline", key, code: "busy" });
  const { log } = await fetching;
  const [answered] = log.of("node_answered");
  assert(answered?.answer.kind === "unreachable");
  assertEquals(
    answered.answer.cause,
    "directly: connection refused; " +
      "through the relay: it has no tunnel: no tunnel (declined)",
  );
});

Deno.test("row 81: a client learns that its node did not join the tunnel", async () => {
  await using relay = await startRelay({
    // Time for the client to come where the machine stands still, and less than it waits.
    limits: { tunnelJoinMs: 6_000, sweepMs: 5 },
  });
  await using _node = await attachNode(relay, IDENTITIES[1]!);
  const { log } = await fetch(relay, "a.bin");
  const [answered] = log.of("node_answered");
  assert(answered?.answer.kind === "unreachable");
  assertMatch(answered.answer.cause, /\(peer_did_not_join\)$/);
});

for (
  const [limit, code] of [
    ["tunnelCount", "too_many_tunnels"],
    ["tunnelsPerNodeCount", "too_many_tunnels_for_node"],
  ] as const
) {
  Deno.test(`A client beyond ${limit} is refused with ${code}, and admitted later`, async () => {
    await using relay = await startRelay({ limits: { [limit]: 1 } });
    await using node = await startUnreachable(relay);
    await node.log.until("attached");
    const answer = await askForTunnel(relay, node.server.id);
    assert(answer.kind === "rendezvous");
    using taken = await showKey(relay, answer.key);
    assertEquals(await answerTo(taken), "joined");
    const { log } = await fetch(relay, "a.bin");
    const [answered] = log.of("node_answered");
    assert(answered?.answer.kind === "unreachable");
    assert(answered.answer.cause.endsWith(`(${code})`), answered.answer.cause);
    taken.close();
    await relay.log.until("tunnel_ended");
    assertEquals((await fetch(relay, "a.bin")).content, BYTES);
  });
}

Deno.test("A node with its maximum of connections declines tunnels", async () => {
  await using relay = await startRelay();
  await using node = await startUnreachable(relay, {
    limits: { connectionCount: 0 },
  });
  await node.log.until("attached");
  const { log } = await fetch(relay, "a.bin");
  const [answered] = log.of("node_answered");
  assert(answered?.answer.kind === "unreachable");
  assertMatch(answered.answer.cause, /\(declined\)$/);
  const { reason } = await node.log.until("refused");
  assertEquals(reason, "too_many_connections");
  const { how } = await relay.log.until("tunnel_ended");
  assertEquals(how, "refused");
});

for (const what of ["nothing", "noise"] as const) {
  Deno.test(`A client that sends ${what} in a tunnel does not delay its node`, async () => {
    await using relay = await startRelay();
    await using node = await startUnreachable(relay);
    await node.log.until("attached");
    const answer = await askForTunnel(relay, node.server.id);
    assert(answer.kind === "rendezvous");
    using silent = await showKey(relay, answer.key);
    assertEquals(await answerTo(silent), "joined");
    if (what === "noise") {
      await writeAll(silent, randomBytes(1_000, seededRandom(3)));
      const { reason } = await node.log.until("refused");
      assertEquals(reason, "bad_handshake");
    }
    assertEquals((await fetch(relay, "a.bin")).content, BYTES);
    await within(node.server.close(), "closing");
    assertEquals(node.log.names.includes("connection_failed"), false);
  });
}

Deno.test("A client that is silent in a tunnel is disconnected at its handshake deadline", async () => {
  await using relay = await startRelay();
  await using node = await startUnreachable(relay, {
    // Time for the node to join, also on a machine that stands still.
    limits: { handshakeMs: 10_000 },
  });
  await node.log.until("attached");
  const answer = await askForTunnel(relay, node.server.id);
  assert(answer.kind === "rendezvous");
  using silent = await showKey(relay, answer.key);
  assertEquals(await answerTo(silent), "joined");
  const { reason } = await node.log.until("refused");
  assertEquals(reason, "bad_handshake");
  const ended = silent.read(new Uint8Array(1)).catch(() => null);
  assertEquals(await within(ended, "the end"), null);
  assertEquals(node.server.connectionCount, 0);
});
