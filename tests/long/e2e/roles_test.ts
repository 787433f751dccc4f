/**
 * The roles as processes: one of them is killed, and all print events.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { serveRelay } from "../../../lib/relay/server.ts";
import { EventLog, within } from "../../_event_log.ts";
import { runRoleHere } from "../../_here.ts";
import { nodeHere } from "../../_scenery.ts";
import {
  runRole,
  spawnNode,
  spawnRelay,
  spawnRole,
} from "../../e2e/_processes.ts";

Deno.test("A node killed -9 vanishes when its lease ends", async () => {
  const log = new EventLog<{ event: string }>();
  await using relay = await serveRelay({
    host: "127.0.0.1",
    port: 0,
    limits: { leaseSeconds: 2, renewSeconds: 2 },
    onEvent: log.onEvent,
  });
  await using node = await spawnNode(String(relay.address.port), "files/one");
  node.signal("SIGKILL");
  await node.exitCode;
  // On a busy machine it may have been gone for a moment before.
  await log.until("node_left", () => relay.nodeCount === 0);
});

Deno.test("A node killed -9 vanishes at once when a client has noticed", async () => {
  await using relay = await spawnRelay();
  await using node = await spawnNode(relay.port, "files/one");
  await using _other = await nodeHere(relay, "files/two");
  node.signal("SIGKILL");
  await node.exitCode;
  const outcome = await runRoleHere("peer_client.ts", [
    relay.address,
    "cat",
    "2.txt",
  ]);
  assertEquals([outcome.code, outcome.text], [0, "I am Text file 2\n"]);
  await relay.stderr.until(/^node .* left: a client reported it/);
  const { stderr } = await runRoleHere("peer_client.ts", [
    relay.address,
    "nodes",
  ]);
  assertEquals(stderr, ["peer node count: 1"]);
});

Deno.test("The transfer needs no relay once the nodes are listed", async () => {
  await using relay = await spawnRelay();
  await using _node = await nodeHere(relay, "files/two", { name: "beta" });
  await using client = spawnRole("peer_client.ts", [relay.address]);
  await client.stderr.until(/^1 {2}beta/);
  relay.signal("SIGKILL");
  await relay.exitCode;
  await client.type("2.txt\n");
  assertEquals(await within(client.exitCode, "the exit"), 0);
  assertEquals(client.stdout.all, ["I am Text file 2"]);
});

Deno.test("--json gives events of every role, a JSON object a line and nothing else", async () => {
  const parse = (lines: readonly string[]) =>
    lines.map((line) => JSON.parse(line) as { v: number; event: string });
  await using relay = spawnRole("relay.ts", [
    "--json",
    "--host",
    "127.0.0.1",
    "0",
  ]);
  const [line] = await relay.stdout.until(/^.*relay_listening.*$/);
  const { address } = JSON.parse(line) as { address: string };
  await using node = spawnRole("peer_node.ts", [
    "--json",
    address,
    "0",
    "files/two",
  ], {
    permissions: ["--allow-read=files/two"],
  });
  await node.stdout.until(/"registered"/);
  const outcome = await runRole("peer_client.ts", [
    "--json",
    address,
    "cat",
    "2.txt",
  ]);
  const events = parse(outcome.text.trimEnd().split("\n"));
  assertEquals(events.map(({ event }) => event), [
    "nodes_listed",
    "node_answered",
    "content",
    "file_received",
  ]);
  assertEquals(
    events[2],
    { v: 1, event: "content", base64: btoa("I am Text file 2\n") } as never,
  );
  const failed = await runRoleHere("peer_client.ts", [
    "--json",
    address,
    "cat",
    "9.txt",
  ]);
  const error = parse(failed.text.trimEnd().split("\n")).at(-1);
  assertEquals(error, {
    v: 1,
    event: "error",
    kind: "not_found",
    what: "Cannot find file",
    where: "9.txt",
    why: "the only node does not have it",
    remedy: "check the name",
    exitCode: 4,
  } as never);
  for (const { v, event } of parse([...relay.stdout.all, ...node.stdout.all])) {
    assertEquals(v, 1);
    assertMatch(event, /^[a-z_]+$/);
  }
  assertEquals([...relay.stderr.all, ...node.stderr.all], []);
});
