/**
 * A relay without room for one more connection closes it after hello: a client
 * asks again.
 */

import { assertEquals, assertRejects } from "@std/assert";
import { Peers } from "../../lib/client/peers.ts";
import { Failure } from "../../lib/base/errors.ts";
import { LIMITS, type Limits, limitsWith } from "../../lib/base/limits.ts";
import { Incidents } from "../../lib/guard/incidents.ts";
import { Channel } from "../../lib/protocol/channel.ts";
import { receivePeer } from "../../lib/protocol/hello.ts";
import { listen } from "../../lib/transport/listen.ts";
import { IDENTITIES } from "../_network.ts";

/** A relay without nodes that closes the first `count` connections after hello. */
async function fullRelay(count: number) {
  const identity = IDENTITIES[2]!;
  const { id } = identity;
  const incidents = new Incidents(0, () => {});
  const introduction = { role: "relay", id, nonce: "AAAA" };
  const seen = { hellos: 0 };
  const listener = await listen({
    at: { host: "127.0.0.1", port: 0 },
    identity,
    limits: LIMITS,
    connectionsPerAddressCount: 8,
    incidents,
    handle: async ({ conn, settle }) => {
      const timing = { writeStallMs: 5_000, idleMs: 5_000 };
      await using channel = new Channel(conn, { limits: LIMITS, ...timing });
      const reception = { introduction, settle, incidents };
      await receivePeer(channel, reception, async () => {
        if (++seen.hellos <= count) return;
        await channel.receive(["list"]);
        await channel.send({ kind: "nodes", count: 0, nodes: [] });
        await channel.receive(["pong"]);
      });
    },
  });
  return Object.assign(seen, {
    address: { ...listener.address, id },
    [Symbol.asyncDispose]: () => listener.close(),
  });
}

async function listAt(
  relay: Awaited<ReturnType<typeof fullRelay>>,
  limits: Partial<Limits>,
) {
  await using peers = new Peers({
    relay: relay.address,
    limits: limitsWith({ turnedAwayFirstMs: 1, ...limits }),
  }, () => {});
  return await peers.list();
}

Deno.test("Peers list again if a relay without room closes the connection after hello", async () => {
  await using relay = await fullRelay(2);
  const { nodes } = await listAt(relay, {});
  assertEquals([nodes, relay.hellos], [[], 3]);
});

Deno.test("Peers report a relay that closes the connection until the time is over", async () => {
  await using relay = await fullRelay(Infinity);
  const { parts } = await assertRejects(
    () => listAt(relay, { turnedAwayMs: 50 }),
    Failure,
  );
  assertEquals(parts.what, "Cannot list nodes");
  assertEquals(parts.why, "the relay closed the connection");
});
