import { assertEquals, assertRejects } from "@std/assert";
import { Failure } from "../../lib/base/errors.ts";
import { listNodes } from "../../lib/client/listing.ts";
import type { ClientEvent } from "../../lib/client/events.ts";
import { entriesOf } from "../../lib/client/nodes.ts";
import { Peers } from "../../lib/client/peers.ts";
import type { Endpoint } from "../../lib/base/conn.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import type { RegistrarEvent } from "../../lib/node/registrar_events.ts";
import { Registrations } from "../../lib/node/registrations.ts";
import type { RelayDialEvent } from "../../lib/uplink/relay_dialer.ts";
import { tokenOf } from "../../lib/access/token.ts";
import { serveNode } from "../../lib/node/server.ts";
import { EventLog } from "../_event_log.ts";
import { IDENTITIES, startNode, startRelay } from "../_network.ts";
import { tempShare } from "../_temp_share.ts";

/** An address on loopback at which nobody listens. */
function away() {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return { host: "127.0.0.1", port: listener.addr.port };
}

Deno.test("row 735: a relay that is down does not disturb a node's registration with another, nor a client's request", async () => {
  await using relay = await startRelay();
  const gone = { address: away() };
  await using node = await startNode(relay, { f: "x" }, { relays: [gone] });
  const { error } = await node.log.until("registration_failed");
  assertEquals(error.message.includes(String(gone.address.port)), true);
  const events = new EventLog<ClientEvent>();
  const { nodes } = await listNodes({
    relay: gone.address,
    relays: [{ address: relay.server.address }],
    onEvent: events.onEvent,
  });
  assertEquals(nodes.map(({ id }) => id), [node.server.id]);
  await events.until("relay_failed");
});

Deno.test("row 736: a node of two private relays serves a client that one of them lists it to, and one that continues when a grant is wrong", async () => {
  const keys = [1, 2].map((n) => new Uint8Array(32).fill(n));
  await using one = await startRelay({ secrets: { current: keys[0]! } });
  await using two = await startRelay({
    identity: IDENTITIES[1]!,
    secrets: { current: keys[1]! },
  });
  const [first, second] = [one, two].map(({ server }) => server.address);
  await using node = await startNode(one, { f: "x" }, {
    token: tokenOf(keys[0]!, "node"),
    relays: [{ address: second!, token: tokenOf(keys[1]!, "node") }],
  });
  const at = ({ host, port }: Endpoint) => `${host}:${port}`;
  for (const address of [first!, second!]) {
    await node.log.until("registered", ({ relay }) => relay === at(address));
  }
  const members = keys.map((key) => tokenOf(key, "client"));
  for (const which of [0, 1]) {
    const relay = [first!, second!][which]!;
    const access = { token: members[which]! };
    await using peers = new Peers({ relay, access }, () => {});
    const { nodes: [listed] } = await peers.list();
    const { session, found } = await peers.open(listed!, { find: "f" });
    await session[Symbol.asyncDispose]();
    assertEquals(found?.kind, "found");
  }
  await using peers = new Peers({
    relay: first!,
    access: { token: members[0]! },
    relays: [{ address: second!, token: members[1]! }],
  }, () => {});
  const { nodes: [listed] } = await peers.list();
  const grants = entriesOf(listed!).map(({ grant }) => grant!);
  assertEquals(new Set(grants.map(({ text }) => text)).size, 2);
  const liar = { text: "AAAA", listedAt: performance.now() };
  const { session, found } = await peers.open(
    { ...listed!, grant: liar },
    { find: "f" },
  );
  await session[Symbol.asyncDispose]();
  assertEquals(found?.kind, "found");
});

Deno.test("A node refuses tokens for only some of its relays, because it would serve no client of the others", async () => {
  await using share = await tempShare({ f: "x" });
  const { message } = await assertRejects(() =>
    serveNode({
      ...{ host: "127.0.0.1", port: 0, directory: share.path },
      relay: away(),
      token: tokenOf(new Uint8Array(32), "node"),
      relays: [{ address: away() }],
    }), Failure);
  assertEquals(
    message,
    "Cannot use relays: there are tokens for some of them only, and a node " +
      "with a token serves no client of an open relay; give a token for each " +
      "relay, or for none",
  );
});

Deno.test("row 873: a node registers at each relay the addresses of its ways to that relay, also while the first is down", async () => {
  await using one = await startRelay();
  await using two = await startRelay({ identity: IDENTITIES[1]! });
  const relays = [away(), one.server.address, two.server.address];
  const leaving = new AbortController();
  const log = new EventLog<RegistrarEvent | RelayDialEvent>();
  const connected: number[] = [];
  const done = new Registrations({
    relays: relays.map((address) => ({ address })),
    ...{ plaintext: false, knownRelays: undefined, limits: LIMITS },
    onEvent: log.onEvent,
  }).run({
    identity: IDENTITIES[2]!,
    name: "n",
    tunnels: "never",
    signal: leaving.signal,
    // The port stands for what is found out on the way to a relay.
    at: ({ port }) => ({
      addressesFrom: ({ local }) => [{ host: local, port }],
      onConnected: () => Promise.resolve(void connected.push(port)),
    }),
  });
  try {
    for (const relay of [one, two]) {
      const { address } = relay.server;
      await log.until(
        "registered",
        ({ relay }) => relay === `${address.host}:${address.port}`,
      );
      const { nodes } = await listNodes({ relay: address });
      assertEquals(nodes.map(({ addresses }) => addresses), [[address]]);
    }
    const there = relays.slice(1).map(({ port }) => port);
    assertEquals(new Set(connected), new Set(there));
  } finally {
    leaving.abort();
    await done;
  }
});
