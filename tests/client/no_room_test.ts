/**
 * A relay or a node without room for one more connection says so after hello, or
 * just closes it: a client asks again.
 */

import { assertEquals, assertRejects } from "@std/assert";
import type { RelayAddress } from "../../lib/base/address.ts";
import { Failure, isEnded, isNoRoom } from "../../lib/base/errors.ts";
import type { Limits } from "../../lib/base/limits.ts";
import { Peers } from "../../lib/client/peers.ts";
import { sendRefusal, startEvilNode } from "../_evil_node.ts";
import { IDENTITIES, startRelay } from "../_network.ts";
import { startScriptedRelay } from "../_scripted_relay.ts";

const NO_ROOM = {
  kind: "refused",
  code: "too_many_connections_for_address",
  text: "words of a stranger",
} as const;

/**
 * A relay without nodes that ends the first `count` connections after hello;
 * `isExplained` says whether it gives a reason.
 */
async function fullRelay(count: number, isExplained: boolean) {
  const seen = { hellos: 0 };
  const identity = IDENTITIES[2]!;
  const relay = await startScriptedRelay(identity, {
    talk: async (channel) => {
      if (++seen.hellos <= count) {
        if (isExplained) await channel.send(NO_ROOM);
        return;
      }
      await channel.receive(["list"]);
      await channel.send({ kind: "nodes", count: 0, nodes: [] });
      await channel.receive(["pong"]);
    },
  });
  return Object.assign(seen, {
    address: { ...relay.address, id: identity.id },
    [Symbol.asyncDispose]: () => relay.close(),
  });
}

function peersOf(relay: RelayAddress, limits: Partial<Limits> = {}): Peers {
  const options = { relay, limits: { turnedAwayFirstMs: 1, ...limits } };
  return new Peers(options, () => {});
}

for (const isExplained of [false, true]) {
  const how = isExplained
    ? "says that it has no room"
    : "closes the connection";

  Deno.test(`Peers list again if a relay ${how} after hello`, async () => {
    await using relay = await fullRelay(2, isExplained);
    await using peers = peersOf(relay.address);
    const { nodes } = await peers.list();
    assertEquals([nodes, relay.hellos], [[], 3]);
  });

  Deno.test(`Peers report a relay that ${how} until the time is over`, async () => {
    await using relay = await fullRelay(Infinity, isExplained);
    await using peers = peersOf(relay.address, { turnedAwayMs: 50 });
    const { parts } = await assertRejects(() => peers.list(), Failure);
    assertEquals(parts.what, "Cannot list nodes");
    assertEquals(
      parts.why,
      isExplained
        ? "it has too many connections from this address"
        : "the relay closed the connection",
    );
  });
}

/**
 * A node that ends the first `times` connections at the first request, and then
 * has no file; `isExplained` says whether it gives a reason.
 */
async function fullNode(times: number, isExplained: boolean) {
  const relay = await startRelay();
  const seen = { asked: 0 };
  const node = await startEvilNode(relay, {
    identity: IDENTITIES[1]!,
    lie: async (channel, message) => {
      if (++seen.asked > times) {
        return await sendRefusal(channel, message, { code: "not_found" });
      }
      if (isExplained) await channel.send(NO_ROOM);
      channel.conn.close();
    },
  });
  return Object.assign(seen, {
    relay: relay.server.address,
    [Symbol.asyncDispose]: async () => {
      await node[Symbol.asyncDispose]();
      await relay[Symbol.asyncDispose]();
    },
  });
}

for (const isExplained of [false, true]) {
  const how = isExplained
    ? "says that it has no room"
    : "closes the connection";

  Deno.test(`Peers ask a node again that ${how}`, async () => {
    await using node = await fullNode(2, isExplained);
    await using peers = peersOf(node.relay);
    const { nodes: [listed] } = await peers.list();
    const { session, found } = await peers.open(listed!, { find: "a.txt" });
    await session[Symbol.asyncDispose]();
    assertEquals([found?.kind, node.asked], ["refused", 3]);
  });

  Deno.test(`Peers report a node that ${how} until the time is over`, async () => {
    await using node = await fullNode(Infinity, isExplained);
    await using peers = peersOf(node.relay, { turnedAwayMs: 50 });
    const { nodes: [listed] } = await peers.list();
    const error = await assertRejects(() => peers.open(listed!, { find: "a" }));
    assertEquals(isNoRoom(error), isExplained, String(error));
    assertEquals(isEnded(error), true, String(error));
  });
}
