/** Tunnels to nodes that are attached to another instance. */

import { assertEquals, assertMatch } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { listNodes } from "../../lib/client/listing.ts";
import { type ClientEvent, fetchFile } from "../../lib/mod.ts";
import { EventLog } from "../_event_log.ts";
import { ForwardClock } from "../_forward_clock.ts";
import { startNode, type TestRelay } from "../_network.ts";
import { greeted } from "../relay/_server.ts";
import { ownAddress, ownPort } from "../_own_address.ts";
import { askForTunnel } from "../_tunnel_ends.ts";
import { eventually, startInstance, untilListed } from "./_instances.ts";
import { MemoryStore } from "./_memory_store.ts";

/** Reports a node as dead; the relay's finding. */
async function report(
  relay: TestRelay,
  id: string,
): Promise<string | undefined> {
  const { channel } = await greeted(relay, "client");
  await using _channel = channel;
  await channel.send({ kind: "report", ids: [id] });
  return (await channel.receive(["reported"]))?.outcomes[0];
}

for (const plaintext of [false, true]) {
  Deno.test(`A client of one instance fetches through the instance that the node is attached to${plaintext ? ", without encryption" : ""}`, async () => {
    const store = new MemoryStore();
    await using a = await startInstance(store, { plaintext });
    await using b = await startInstance(store, { plaintext });
    await using node = await startNode(a, { "a.txt": "abc" }, {
      advertise: { host: "127.0.0.1", port: ownPort() },
      plaintext,
    });
    await node.log.until("attached");
    const at = `127.0.0.1:${a.server.address.port}`;
    await eventually(async () => {
      const { nodes } = await listNodes({
        relay: b.server.address,
        plaintext,
      });
      return nodes[0]?.signed.at === at && nodes[0].isAttached;
    });
    const log = new EventLog<ClientEvent>();
    await using file = await fetchFile({
      relay: b.server.address,
      name: "a.txt",
      plaintext,
      onEvent: log.onEvent,
    });
    const pieces = await Array.fromAsync(file.pieces(), (it) => it.slice());
    assertEquals(await new Blob(pieces).text(), "abc");
    assertEquals((await log.until("node_answered")).path, "tunnel");
    await file[Symbol.asyncDispose]();
    assertEquals((await a.log.until("tunnel_ended")).how, "completed");
    assertEquals(b.log.names.includes("tunnel_ended"), false);
  });
}

Deno.test("A client of one instance fetches through another while the store is down for longer than clusterInstanceMs", async () => {
  using clock = new ForwardClock();
  const store = new MemoryStore();
  await using a = await startInstance(store);
  await using b = await startInstance(store);
  await using node = await startNode(a, { "a.txt": "abc" }, {
    advertise: { host: "127.0.0.1", port: ownPort() },
  });
  await node.log.until("attached");
  const isAttached = async () => {
    const { nodes } = await listNodes({ relay: b.server.address });
    return nodes[0]?.isAttached ?? false;
  };
  await eventually(isAttached);
  store.stop();
  await eventually(() => b.server.stats().cluster!.phase === "away");
  clock.pass(2 * LIMITS.clusterInstanceMs);
  assertEquals(await isAttached(), true);
  await using file = await fetchFile({
    relay: b.server.address,
    name: "a.txt",
  });
  const pieces = await Array.fromAsync(file.pieces(), (it) => it.slice());
  assertEquals(await new Blob(pieces).text(), "abc");
});

Deno.test("A report of a node that is attached elsewhere is alive while the instances reach each other, unchecked while not, and gone once that instance is", async () => {
  const store = new MemoryStore();
  // Each report asks again.
  const limits = { dialBackPauseMs: 1 };
  const b = await startInstance(store, { limits });
  await using a = await startInstance(store, { limits });
  await using node = await startNode(b, { "a.txt": "abc" }, {
    advertise: { host: "127.0.0.1", port: ownPort() },
  });
  await node.log.until("attached");
  await eventually(async () => {
    const { nodes } = await listNodes({ relay: a.server.address });
    return nodes[0]?.isAttached ?? false;
  });
  const { id } = node.server;
  await eventually(async () => await report(a, id) === "alive");
  store.stop();
  await eventually(() => a.server.stats().cluster!.phase === "away");
  assertEquals(await report(a, id), "unchecked");
  assertEquals(a.server.nodeCount, 1);
  await b[Symbol.asyncDispose]();
  await eventually(async () => await report(a, id) === "gone");
  assertEquals(a.server.nodeCount, 0);
});

Deno.test("An instance that cannot reach the one that a node is attached to names it", async () => {
  const store = new MemoryStore();
  const address = ownAddress();
  await using a = await startInstance(store, { address });
  await using b = await startInstance(store);
  await using node = await startNode(a, { "a.txt": "abc" }, {
    name: "alpha",
    advertise: { host: "127.0.0.1", port: ownPort() },
  });
  await node.log.until("attached");
  await untilListed(b, "alpha");
  await eventually(async () => {
    const { nodes } = await listNodes({ relay: b.server.address });
    return nodes[0]!.isAttached;
  });
  const answer = await askForTunnel(b, node.server.id);
  assertEquals(answer.kind, "refused");
  assertMatch(JSON.stringify(answer), /elsewhere.*127\.\d+\.\d+\.\d+:/);
});
