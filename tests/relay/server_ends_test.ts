import { assert, assertEquals, assertRejects } from "@std/assert";
import { createIdentity, type Identity } from "../../lib/identity/identity.ts";
import { listNodes } from "../../lib/client/listing.ts";
import { serveRelay } from "../../lib/relay/server.ts";
import { within } from "../_event_log.ts";
import { startNode, startRelay, type TestRelay } from "../_network.ts";
import { ownAddress } from "../_own_address.ts";
import {
  alice,
  bob,
  emptyIndexOf,
  greeted,
  register,
  signFor,
} from "./_server.ts";

/** Reports `id` as dead; the relay's finding. */
async function report(
  relay: TestRelay,
  id: string,
): Promise<string | undefined> {
  const { channel } = await greeted(relay, "client");
  await using _channel = channel;
  await channel.send({ kind: "report", ids: [id] });
  return (await channel.receive(["reported"]))?.outcomes[0];
}

Deno.test("A relay checks a reported node itself, and keeps one that answers", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, {});
  assertEquals(await report(relay, node.server.id), "alive");
  assertEquals(relay.server.nodeCount, 1);
  // Not again so soon, for any client.
  assertEquals(await report(relay, node.server.id), "unchecked");
});

Deno.test("A relay drops a reported node that does not answer", async () => {
  await using relay = await startRelay();
  await register(relay, alice); // nobody listens on its port
  assertEquals(await report(relay, alice.id), "gone");
  assertEquals(relay.server.nodeCount, 0);
  const left = await relay.log.until("node_left");
  assertEquals([left.id, left.how], [alice.id, "found_dead"]);
});

Deno.test("A relay drops a reported node if another peer answers at its address", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, {}, { identity: bob });
  const { port } = node.server.address;
  const addresses = [{ host: "127.0.0.1", port }];
  const answer = await register(relay, alice, { name: "impostor", addresses });
  assertEquals(answer?.kind, "registered");
  assertEquals(await report(relay, alice.id), "gone");
  assertEquals(await report(relay, bob.id), "alive");
});

Deno.test("A relay never dials an address that the node did not register from", async () => {
  await using relay = await startRelay();
  const listener = Deno.listen({ hostname: "127.0.0.2", port: 0 });
  const addresses = [{ host: "127.0.0.2", port: listener.addr.port }];
  await register(relay, alice, { name: "far", addresses });
  const dialled = listener.accept().then(() => "dialled", () => "closed");
  assertEquals(await report(relay, alice.id), "unchecked");
  listener.close();
  assertEquals(await dialled, "closed");
  assertEquals(relay.server.nodeCount, 1, "nothing is proven against it");
});

Deno.test("A relay answers a report about an unknown node", async () => {
  await using relay = await startRelay();
  assertEquals(await report(relay, alice.id), "unknown");
});

Deno.test("A relay that closes ends open connections and frees its port", async () => {
  const at = ownAddress();
  const relay = await startRelay(at);
  const { channel } = await greeted(relay, "client");
  await within(relay.server.close(), "closing");
  assertEquals(await channel.receive(["nodes"]).catch(() => null), null);
  channel.conn.close();
  await using again = await startRelay(at);
  assertEquals(again.server.address, at);
});

Deno.test("A relay that closes does not wait for a node that does not answer", async () => {
  const relay = await startRelay({ limits: { connectMs: 600_000 } });
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = silent.addr;
  await register(relay, alice, { addresses: [{ host: "127.0.0.1", port }] });
  const { channel } = await greeted(relay, "client");
  await channel.send({ kind: "report", ids: [alice.id] });
  using _dialBack = await within(silent.accept(), "the dial-back");
  await within(relay.server.close(), "closing");
  assertEquals(relay.log.names.includes("node_left"), false);
  channel.conn.close();
});

Deno.test("A relay closes when its signal is aborted", async () => {
  const stop = new AbortController();
  const relay = await startRelay({ signal: stop.signal });
  const { channel } = await greeted(relay, "client");
  stop.abort();
  await within(channel.receive(["nodes"]).catch(() => null), "the end");
  await relay.server.close();
  channel.conn.close();
});

Deno.test("A relay releases its signal when it closes", async () => {
  const { signal } = new AbortController();
  const listeners: unknown[] = [];
  signal.addEventListener = (_type: string, listener: unknown) => {
    listeners.push(listener);
  };
  signal.removeEventListener = (_type: string, listener: unknown) => {
    listeners.splice(listeners.indexOf(listener), 1);
  };
  const relay = await startRelay({ signal });
  assertEquals(listeners.length, 1);
  await relay.server.close();
  assertEquals(listeners.length, 0);
});

for (const plaintext of [false, true]) {
  Deno.test(`A relay that is stopped while it starts${plaintext ? " in the clear" : ""} does not start`, async () => {
    const stop = new AbortController();
    const starting = serveRelay({
      host: "127.0.0.1",
      port: 0,
      identity: alice,
      plaintext,
      signal: stop.signal,
    });
    stop.abort(new Error("by the test"));
    await assertRejects(() => starting, Error, "by the test");
  });
}

Deno.test("A relay refuses to start with a greeting that no client would take", async () => {
  await using relay = await startRelay({ greeting: "x".repeat(200) });
  const { channel, hello } = await greeted(relay, "client");
  assertEquals(hello.greeting?.length, 200);
  await channel.close();
  await assertRejects(
    () => startRelay({ greeting: "x".repeat(201) }),
    RangeError,
    "Cannot use greeting: wanted at most 200 characters, found 201",
  );
});

Deno.test("A relay's address names the loopback host when it binds all of them", async () => {
  await using relay = await startRelay({ host: "0.0.0.0" });
  const { port } = relay.server.address;
  assertEquals(
    relay.server.relayAddress,
    `p2p://127.0.0.1:${port}/${relay.identity.id}`,
  );
  await using other = await startRelay({ advertise: { host: "nas", port: 9 } });
  assertEquals(other.server.relayAddress, `p2p://nas:9/${relay.identity.id}`);
  await using named = await startRelay({ advertise: { host: "nas" } });
  assertEquals(
    named.server.relayAddress,
    `p2p://nas:${named.server.address.port}/${relay.identity.id}`,
    "the port it listens on",
  );
});

Deno.test("Relay events contain unchanged names; their reader must escape them", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, {}, { name: "al\u202epha" });
  const registered = await relay.log.until("node_registered");
  assertEquals(registered.name, "al\u202epha");
});

Deno.test("A restarted relay reports its uptime for half a minute, and a new one does not", async () => {
  await using fresh = await startRelay();
  const new_ = await greeted(fresh, "client");
  assertEquals(new_.hello.uptime, undefined);
  await new_.channel.close();
  await using again = await startRelay({ hasRunBefore: true });
  const back = await greeted(again, "client");
  assertEquals(back.hello.uptime, 0);
  await back.channel.close();
  const { address, id } = again.server;
  const listing = await listNodes({ relay: { ...address, id } });
  assertEquals(listing.uptime, 0);
  await using old = await startRelay({
    hasRunBefore: true,
    limits: { comingBackSeconds: 0 },
  });
  const late = await greeted(old, "client");
  assertEquals(late.hello.uptime, undefined);
  await late.channel.close();
});

Deno.test("A relay keeps the connections of stayingNodeCount nodes, and asks the others to reconnect", async () => {
  await using relay = await startRelay({ limits: { stayingNodeCount: 1 } });
  const stays = async (identity: Identity) => {
    const { channel, hello } = await greeted(relay, "node");
    const signed = await signFor(hello, identity);
    await channel.send({ kind: "register", ...signed });
    const answer = await channel.receive(["registered"]);
    return { channel, stay: answer?.stay };
  };
  const first = await stays(alice);
  const second = await stays(bob);
  assertEquals([first.stay, second.stay], [true, undefined]);
  await first.channel.conn.closeWrite();
  assertEquals(await first.channel.receive(["refused"]), null, "it has left");
  first.channel.conn.close();
  await second.channel.close();
  const third = await stays(await createIdentity());
  assertEquals(third.stay, true, "a place is free again");
  await third.channel.close();
  await using busy = await startRelay({
    limits: { renewSeconds: 46, leaseSeconds: 138 },
  });
  const answer = await register(busy, alice);
  assert(answer?.kind === "registered" && answer.renewal !== undefined);
  assertEquals(
    answer,
    {
      ...{ kind: "registered", leaseSeconds: 138, renewSeconds: 46 },
      renewal: answer.renewal,
      index: await emptyIndexOf(busy),
    },
    "it would be taken for idle",
  );
});

Deno.test("A relay answers in time whether a silent node can be dialled", async () => {
  await using relay = await startRelay({ limits: { reachMs: 100 } });
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { channel, hello } = await greeted(relay, "node");
  const addresses = [{ host: "127.0.0.1", port: silent.addr.port }];
  const signed = await signFor(hello, alice, { addresses });
  await channel.send({ kind: "register", ...signed });
  await channel.receive(["registered"]);
  await channel.send({ kind: "reach" });
  const conn = await silent.accept();
  assertEquals((await channel.receive(["reached"]))?.outcome, "gone");
  conn.close();
  await channel.close();
});
