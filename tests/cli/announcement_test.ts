/**
 * What a relay announces, as clients and nodes meet it: `--motd` and
 * `--min-version`.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { listNodes } from "../../lib/client/listing.ts";
import { Failure } from "../../lib/base/errors.ts";
import type { Terminal } from "../../lib/cli/output/terminal.ts";
import { printRelayMet } from "../../lib/cli/roles/role.ts";
import { VERSION } from "../../lib/base/version.ts";
import { runRole, spawnRelay, spawnRole } from "../e2e/_processes.ts";
import { runRoleHere } from "../_here.ts";
import { ownAddress } from "../_own_address.ts";
import { relayHere } from "../_scenery.ts";
import { within } from "../_event_log.ts";
import { startNode, startRelay } from "../_network.ts";

const LATER = "999.0.0";

Deno.test("--motd reaches clients and nodes once, escaped", async () => {
  await using relay = await spawnRelay([
    "--motd",
    "away on \x1b[2JSunday",
    "0",
  ]);
  const printed = "relay message: away on \\x1b[2JSunday";
  await using node = spawnRole("peer_node.ts", [
    ...["--host", "127.0.0.1", relay.address, "0", "files/two"],
  ], { permissions: ["--allow-read=files/two"] });
  await node.stdout.until(/^registered/);
  const dialogue = await runRole("peer_client.ts", [relay.address], {
    input: "2.txt\n",
  });
  assertEquals([dialogue.code, dialogue.text], [0, "I am Text file 2\n"]);
  const nodes = await runRoleHere("peer_client.ts", [relay.address, "nodes"]);
  const quiet = await runRoleHere("peer_client.ts", [
    "-q",
    relay.address,
    "nodes",
  ]);
  node.signal("SIGTERM");
  assertEquals(await within(node.exitCode, "the exit"), 0);
  for (const lines of [dialogue.stderr, nodes.stderr, node.stderr.all]) {
    assertEquals(lines.filter((line) => line.includes("Sunday")), [printed]);
  }
  assertEquals(quiet.stderr, []);
  const json = await runRoleHere("peer_client.ts", [
    "--json",
    relay.address,
    "nodes",
  ]);
  assertMatch(json.text, /"event":"relay_motd",.*"text":"away on \\u001b\[2J/);
});

Deno.test("A client that is too old for its relay ends with exit 3, and says what to do", async () => {
  await using relay = await relayHere({ minVersion: LATER });
  const { code, stderr, text } = await runRoleHere("peer_client.ts", [
    relay.address,
    "nodes",
  ]);
  assertEquals([code, text, stderr], [3, "", [
    `error: Cannot use relay (127.0.0.1:${relay.port}): it requires version ` +
    `${LATER} or later, and this is ${VERSION}; update relay-p2p here`,
  ]]);
});

Deno.test("A node that is too old for its relay ends with exit 3, and is not listed", async () => {
  await using relay = await relayHere({ minVersion: LATER });
  const { code, stderr } = await runRoleHere("peer_node.ts", [
    ...["--host", "127.0.0.1", relay.address, "0", "files/two"],
  ]);
  assertEquals(code, 3);
  assertMatch(
    stderr.at(-1) ?? "",
    /^error: Cannot use relay .*it requires version 999.*; update relay-p2p here$/,
  );
  const registered = relay.log.events.filter(({ event }) =>
    event === "node_registered"
  );
  assertEquals(registered, []);
});

Deno.test("A relay serves programs of its minimum version and later ones", async () => {
  for (const minVersion of [VERSION, "0.0.1"]) {
    await using relay = await startRelay({ minVersion });
    await using _node = await startNode(relay, { "a": "a" });
    const { nodes } = await listNodes({ relay: relay.server.address });
    assertEquals(nodes.length, 1);
  }
});

Deno.test("A node continues to serve when its relay raises the minimum version", async () => {
  const at = ownAddress();
  await using first = await startRelay({
    ...at,
    limits: { leaseSeconds: 5, renewSeconds: 1 },
  });
  const limits = { renewMinSeconds: 1, retryFirstMs: 10 };
  await using node = await startNode(first, { "a": "a" }, { limits });
  await first.server.close();
  await using _second = await startRelay({ ...at, minVersion: LATER });
  const { error } = await node.log.until("outdated");
  assertEquals(error instanceof Failure && error.exitCode, 3);
  assertEquals(node.server.fileCount, 1);
});

for (
  const [args, words] of [
    [
      ["--motd", "x".repeat(201)],
      /Cannot use --motd .*wanted at most 200 characters, found 201$/,
    ],
    [
      ["--min-version", "1.0"],
      /Cannot use --min-version \(1\.0\): wanted X\.Y\.Z/,
    ],
  ] as const
) {
  Deno.test(`relay.ts ${args[0]} refuses what it cannot use`, async () => {
    const { code, stderr } = await runRoleHere("relay.ts", [...args, "0"]);
    assertEquals(code, 2);
    assertMatch(stderr[0] ?? "", words);
  });
}

Deno.test("A relay of another version is reported in one line that names both, escaped", () => {
  const lines: string[] = [];
  const terminal = { note: (line: string) => lines.push(line) };
  printRelayMet({
    event: "relay_version_differs",
    relay: "nas:1700",
    version: "0.2.0\x1b[2J",
    ownVersion: VERSION,
  }, terminal as unknown as Terminal);
  assertEquals(lines, [
    `this is relay-p2p ${VERSION}, and the relay at nas:1700 runs 0.2.0\\x1b[2J`,
  ]);
});
