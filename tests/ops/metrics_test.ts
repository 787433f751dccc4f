/**
 * Metrics and health, folded from the events and numbers of engines that run.
 */

import { assertEquals } from "@std/assert";
import { fetchFile } from "../../lib/client/fetch.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import {
  type HolderEvent,
  HolderLease,
} from "../../lib/uplink/holder_lease.ts";
import { RelayDialer } from "../../lib/uplink/relay_dialer.ts";
import { EventLog } from "../_event_log.ts";
import { createIdentity } from "../../lib/identity/identity.ts";
import {
  formatExposition,
  type MetricFamily,
} from "../../lib/ops/exposition.ts";
import { NodeMetrics, RelayMetrics } from "../../lib/ops/metrics.ts";
import { readExposition, valueOf } from "../_exposition.ts";
import {
  openChannel,
  startNode,
  startRelay,
  type TestNode,
  type TestRelay,
} from "../_network.ts";
import { ownPort } from "../_own_address.ts";
import { randomBytes, seededRandom } from "../_random.ts";

const STALL = {
  event: "accept_stalled",
  why: "too many open files",
  count: 1,
} as const;

function read(families: readonly MetricFamily[]) {
  return readExposition(formatExposition(families));
}

/** Metrics of a relay, from all its events. */
function readRelay({ log, server }: TestRelay) {
  const metrics = new RelayMetrics();
  for (const event of log.events) metrics.onEvent(event, 0);
  return read(metrics.families(server.stats()));
}

/** Metrics of a node, from all its events; and why it is not well. */
function foldNode({ log, server }: TestNode) {
  const metrics = new NodeMetrics();
  for (const event of log.events) metrics.onEvent(event, 0);
  return {
    read: () => read(metrics.families(server.stats(), 0)),
    troubles: async () => {
      const isShareReadable = await server.isShareReadable();
      return metrics.troubles({ isShareReadable }, 0);
    },
  };
}

Deno.test("Counters of relay and node change during a fetch, and contain no identity", async () => {
  const content = randomBytes(3_000_000, seededRandom(1));
  await using relay = await startRelay();
  await using node = await startNode(relay, { "secret-name": content });
  const readNode = () => foldNode(node).read();

  assertEquals(valueOf(readRelay(relay), "relay_p2p_leases"), 1);
  assertEquals(valueOf(readRelay(relay), "relay_p2p_nodes_joined_total"), 1);
  assertEquals(valueOf(readRelay(relay), "relay_p2p_registrations_total"), 1);
  assertEquals(valueOf(readRelay(relay), "relay_p2p_lookups_total"), 0);
  assertEquals(valueOf(readNode(), "relay_p2p_registered"), 1);
  assertEquals(valueOf(readNode(), "relay_p2p_files"), 1);
  assertEquals(valueOf(readNode(), "relay_p2p_sent_bytes_total"), 0);
  assertEquals(valueOf(readNode(), "relay_p2p_handshake_seconds_count"), 0);

  const file = await fetchFile({
    relay: relay.server.address,
    name: "secret-name",
  });
  const sent: number[] = [];
  for await (const _piece of file.pieces()) {
    sent.push(valueOf(readNode(), "relay_p2p_sent_bytes_total"));
  }
  await file[Symbol.asyncDispose]();
  await node.log.until("served");
  await node.log.until("hashed");

  assertEquals(sent[0]! > 0, true, "moves while the file is on its way");
  assertEquals(valueOf(readRelay(relay), "relay_p2p_lookups_total"), 1);
  const after = readNode();
  assertEquals(valueOf(after, "relay_p2p_sent_bytes_total"), content.length);
  assertEquals(valueOf(after, "relay_p2p_requests_total", { kind: "find" }), 1);
  assertEquals(valueOf(after, "relay_p2p_clients_served_total"), 1);
  assertEquals(valueOf(after, "relay_p2p_handshake_seconds_count"), 1);
  assertEquals(valueOf(after, "relay_p2p_hashing_backlog_files"), 0);
  for (const families of [readRelay(relay), after]) {
    for (const { samples } of families.values()) {
      for (const { labels } of samples) {
        for (const text of labels.values()) {
          assertEquals(/secret|127\.|\w{20}/.test(text), false, text);
        }
      }
    }
  }
});

Deno.test("A relay's index is counted: its fingerprints, its nodes, and the look-ups in it", async () => {
  // Of two nodes, at most one may be named.
  await using relay = await startRelay({ limits: { indexAnswerCount: 1 } });
  const count = (name: string, labels?: Record<string, string>) =>
    valueOf(readRelay(relay), `relay_p2p_index_${name}`, labels);
  const lookups = () =>
    ["some", "all"].map((nodes) => count("lookups_total", { nodes }));
  assertEquals([count("entries"), count("nodes"), ...lookups()], [0, 0, 0, 0]);

  const identity = await createIdentity();
  await using indexed = await startNode(relay, { "f/a": "a" }, { identity });
  // "f/a", "a" and "f/", and the content once it is hashed.
  await indexed.log.until("indexed", ({ fingerprints }) => fingerprints === 4);
  await using _other = await startNode(relay, { "b": "b" }, { index: false });
  assertEquals(count("entries"), 4);
  assertEquals(count("bytes") > 0, true);
  assertEquals([count("nodes"), count("nodes_unindexed")], [1, 1]);

  for (const [name, expected] of [["b", [1, 0]], ["f/a", [1, 1]]] as const) {
    const limits = { askAllCount: 0 };
    const to = relay.server.address;
    await using _file = await fetchFile({ relay: to, name, limits });
    assertEquals(lookups(), [...expected], name);
  }
});

Deno.test("A relay counts its holders, their contents, and the requests for them", async () => {
  await using relay = await startRelay();
  const counts = () => {
    const families = readRelay(relay);
    return [
      ...["holders", "held_contents", "holdings_total"],
      "holder_lookups_total",
    ].map((name) => valueOf(families, `relay_p2p_${name}`));
  };
  assertEquals(counts(), [0, 0, 0, 0]);
  assertEquals(valueOf(readRelay(relay), "relay_p2p_holders_max"), 10_000);
  const events = new EventLog<HolderEvent>();
  await using lease = new HolderLease({
    dialer: new RelayDialer(relay.server.address, {
      role: "client",
      plaintext: false,
      limits: LIMITS,
      onEvent: () => {},
    }),
    // Nothing to dial: it says again what it holds after two seconds.
    serving: { identity: await createIdentity(), addressesFrom: () => [] },
    limits: LIMITS,
    onEvent: events.onEvent,
  });
  lease.hold("cd".repeat(32));
  lease.hold("ab".repeat(32));
  await events.until("holder_listed");
  await lease.requestHolders("cd".repeat(32));
  const [holders, contents, holdings, lookups] = counts();
  assertEquals([holders, contents, lookups], [1, 2, 1]);
  assertEquals(holdings! > 0, true);
});

Deno.test("All refusals are counted by reason, reported or not", async () => {
  await using relay = await startRelay();
  for (let count = 0; count < 3; count++) {
    await using channel = await openChannel(
      relay.server.address,
      relay.identity,
    );
    await channel.send({ kind: "hello", protocol: 1, role: "gardener" });
    while (await channel.receive(["hello", "refused"]) !== null);
  }
  assertEquals(relay.log.names.filter((name) => name === "refused").length, 1);
  const families = read(new RelayMetrics().families(relay.server.stats()));
  const reason = { reason: "wrong_service" };
  assertEquals(valueOf(families, "relay_p2p_refusals_total", reason), 3);
});

Deno.test("A fetch through the relay is counted by how its tunnel ended, with its bytes", async () => {
  const content = randomBytes(300_000, seededRandom(2));
  await using relay = await startRelay();
  // Where nobody answers: there is no way but through the relay.
  await using node = await startNode(relay, { "f": content }, {
    tunnels: "always",
    advertise: { host: "127.0.0.1", port: ownPort() },
  });
  await relay.log.until("node_attached");
  const before = readRelay(relay);
  assertEquals(valueOf(before, "relay_p2p_nodes_attached"), 1);
  assertEquals(valueOf(before, "relay_p2p_tunnels"), 0);
  {
    await using file = await fetchFile({
      relay: relay.server.address,
      name: "f",
    });
    for await (const _piece of file.pieces());
  }
  const { how } = await relay.log.until("tunnel_ended");
  const after = readRelay(relay);
  assertEquals(valueOf(after, "relay_p2p_tunnels_total", { ending: how }), 1);
  const toClient = valueOf(after, "relay_p2p_tunnel_bytes_total", {
    to: "client",
  });
  assertEquals(toClient > content.length, true, `${toClient}`);
  await node.server.close();
  await relay.log.until("node_detached");
  assertEquals(valueOf(readRelay(relay), "relay_p2p_nodes_attached"), 0);
});

Deno.test("A report of a dead node is counted by its outcome", async () => {
  await using relay = await startRelay();
  await using channel = await openChannel(relay.server.address, relay.identity);
  await channel.send({ kind: "hello", protocol: 1, role: "client" });
  await channel.receive(["hello"]);
  await channel.send({ kind: "report", ids: ["a".repeat(51) + "q"] });
  await channel.receive(["reported"]);
  assertEquals(relay.server.stats().reports.unknown, 1);
});

Deno.test("A relay is healthy until it cannot accept or its registry is full", async () => {
  await using relay = await startRelay({ limits: { nodeCount: 1 } });
  const metrics = new RelayMetrics();
  const troubles = (now: number) => metrics.troubles(relay.server.stats(), now);
  assertEquals(troubles(0), []);
  metrics.onEvent(STALL, 1_000);
  assertEquals(troubles(14_999), ["not_accepting"]);
  assertEquals(troubles(15_000), []);
  await using _node = await startNode(relay, { "a": "a" });
  assertEquals(troubles(15_000), ["registry_full"]);
  const families = read(metrics.families(relay.server.stats()));
  assertEquals(valueOf(families, "relay_p2p_leases_max"), 1);
});

Deno.test("A node is healthy while its lease lasts and its share can be read", () => {
  const metrics = new NodeMetrics();
  const well = { isShareReadable: true };
  const registered = {
    event: "registered",
    relay: "nas:1700",
    leaseSeconds: 60,
  } as const;
  assertEquals(metrics.troubles(well, 0), ["not_registered"]);
  metrics.onEvent(registered, 1_000);
  assertEquals(metrics.troubles(well, 60_999), []);
  assertEquals(metrics.troubles(well, 61_000), ["not_registered"]);
  metrics.onEvent({ ...registered, event: "renewed" }, 50_000);
  assertEquals(metrics.troubles(well, 61_000), []);
  assertEquals(metrics.troubles({ isShareReadable: false }, 61_000), [
    "share_unreadable",
  ]);
  metrics.onEvent({ event: "withdrawn", relay: "nas:1700" }, 61_000);
  metrics.onEvent(STALL, 61_000);
  assertEquals(metrics.troubles(well, 61_000), [
    "not_accepting",
    "not_registered",
  ]);
});

Deno.test("A node notices that its relay has stopped, and that its folder is missing", async () => {
  await using relay = await startRelay({
    limits: { leaseSeconds: 5, renewSeconds: 1 },
  });
  const limits = { renewMinSeconds: 1 };
  await using node = await startNode(relay, { "a": "a" }, { limits });
  assertEquals(await foldNode(node).troubles(), []);
  await relay.server.close();
  await node.log.until("registration_failed");
  assertEquals(await foldNode(node).troubles(), ["not_registered"]);
  await Deno.rename(node.directory, `${node.directory}-away`);
  const troubles = await foldNode(node).troubles();
  await Deno.rename(`${node.directory}-away`, node.directory);
  assertEquals(troubles, ["not_registered", "share_unreadable"]);
});
