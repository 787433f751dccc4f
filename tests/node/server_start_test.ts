import { assertEquals, assertExists, assertRejects } from "@std/assert";
import { Failure } from "../../lib/base/errors.ts";
import { serveNode } from "../../lib/node/server.ts";
import { EventLog, within } from "../_event_log.ts";
import { startNode, startRelay } from "../_network.ts";
import { find, greeted, NODE } from "./_server.ts";

Deno.test("A node continues to serve while its relay is down, and stops without it", async () => {
  const relay = await startRelay();
  await using node = await startNode(relay, { "1.txt": "one" }, {
    identity: NODE,
  });
  await relay.server.close();
  await using channel = await greeted(node);
  assertEquals((await find(channel, "1.txt"))?.kind, "found");
  await within(node.server.close(), "leaving");
});

Deno.test("A node starts while its relay is down, and reports it once", async () => {
  const relay = await startRelay();
  await relay.server.close();
  const log = new EventLog<{ event: string }>();
  await using node = await serveNode({
    relay: relay.server.address,
    host: "127.0.0.1",
    port: 0,
    directory: "files/one",
    limits: { retryFirstMs: 1, retryMaxMs: 2 },
    onEvent: log.onEvent,
  });
  await log.until("registration_failed");
  assertEquals(node.fileCount, 2);
  await node.close();
  assertEquals(
    log.names.filter((name) => name === "registration_failed").length,
    1,
  );
});

Deno.test("A node withdraws when it is closed, or its signal aborted", async () => {
  for (const how of ["close", "signal"]) {
    await using relay = await startRelay();
    const stop = new AbortController();
    await using node = await startNode(relay, {}, { signal: stop.signal });
    assertEquals(relay.server.nodeCount, 1);
    if (how === "signal") stop.abort();
    await node.server.close();
    assertEquals(relay.server.nodeCount, 0);
    assertEquals(node.log.names.at(-1), "withdrawn");
    const left = await relay.log.until("node_left");
    assertEquals(left.how, "withdrawn");
  }
});

for (
  const [what, options, expected] of [
    ["where it listens", {}, (port: number) => `127.0.0.1:${port}`],
    [
      "where it reaches the relay from",
      { host: "0.0.0.0" },
      (port: number) => `127.0.0.1:${port}`,
    ],
    [
      "the host that it was given",
      { advertise: { host: "nas.local" } },
      (port: number) => `nas.local:${port}`,
    ],
    ["the host and port that it was given", {
      advertise: { host: "nas.local", port: 99 },
    }, () => "nas.local:99"],
  ] as const
) {
  Deno.test(`A node registers ${what}`, async () => {
    await using relay = await startRelay();
    await using node = await startNode(relay, {}, options);
    const registered = await relay.log.until("node_registered");
    assertEquals(registered.addresses, [expected(node.server.address.port)]);
  });
}

Deno.test("A node without a name gets one from its id", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, {});
  const { name } = await relay.log.until("node_registered");
  assertEquals(name, `node-${node.server.id.slice(0, 6)}`);
});

Deno.test("serveNode reports that its folder cannot be shared, and leaves nothing open", async () => {
  const error = await assertRejects(
    () =>
      serveNode({
        relay: { host: "127.0.0.1", port: 1 },
        port: 0,
        directory: "no/such/folder",
      }),
    Failure,
  );
  assertEquals(error.kind, "local");
});

Deno.test("serveNode reports what it shares and what it skips", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, {
    "1.txt": "one",
    "trailing.": "",
  });
  const sharing = await node.log.until("sharing");
  assertEquals([sharing.files, sharing.skipped.name], [1, 1]);
  assertExists(node.log.events.find(({ event }) => event === "node_listening"));
});
