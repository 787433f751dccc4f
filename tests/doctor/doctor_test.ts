/**
 * The doctor's checks against real relays and nodes in this process, and against
 * a relay that says what a test wants.
 */

import { assertEquals, assertMatch } from "@std/assert";
import type { Endpoint } from "../../lib/base/conn.ts";
import { listNodes } from "../../lib/client/listing.ts";
import type { ListedNode } from "../../lib/client/nodes.ts";
import { examineClient } from "../../lib/doctor/client.ts";
import {
  checkDisk,
  checkFolder,
  checkPermissions,
  excessOf,
  flagsFor,
} from "../../lib/doctor/machine.ts";
import { examineNode } from "../../lib/doctor/node.ts";
import { checkTunnel } from "../../lib/doctor/tunnels.ts";
import { LIMITS, limitsWith } from "../../lib/base/limits.ts";
import type { Hello } from "../../lib/protocol/messages.ts";
import { RelayDialer } from "../../lib/uplink/relay_dialer.ts";
import { MEMBER, NODE_TOKEN, startImpostor } from "../access/_private.ts";
import { IDENTITIES, startNode, startRelay } from "../_network.ts";
import { ownPort } from "../_own_address.ts";
import { tempShare } from "../_temp_share.ts";
import { startScriptedRelay } from "../_scripted_relay.ts";
import { optionsFor, Seen } from "./_seen.ts";

const limits = LIMITS;

/** A relay that says hello with what a test wants, and lists nobody. */
function startTalker(says: Partial<Hello>) {
  return startScriptedRelay(IDENTITIES[0]!, {
    says,
    talk: async (channel) => {
      await channel.receive(["list"]);
      await channel.send({ kind: "nodes", count: 0, nodes: [] });
    },
  });
}

for (
  const [seconds, verdict] of [
    [0, "ok"],
    [59, "ok"],
    [-59, "ok"],
    [63, "warning"],
    [-63, "warning"],
    [86_400, "warning"],
  ] as const
) {
  Deno.test(`The doctor warns of a relay whose clock is off by more than a minute: ${seconds} s`, async () => {
    await using relay = await startTalker({
      time: Date.now() + seconds * 1000,
    });
    const seen = new Seen();
    await examineClient(optionsFor(relay.address), seen.findings);
    assertEquals(seen.of("clock").verdict, verdict, seen.of("clock").says);
    if (seconds === -63) assertMatch(seen.of("clock").says, /behind/);
  });
}

Deno.test("The doctor reports a relay of an earlier version that gives neither time nor version", async () => {
  await using relay = await startTalker({});
  const seen = new Seen();
  await examineClient(optionsFor(relay.address), seen.findings);
  assertEquals(seen.verdicts(), {
    relay: "ok",
    identity: "warning",
    versions: "ok",
    clock: "ok",
    access: "ok",
    nodes: "warning",
    tunnels: "warning",
  });
  assertMatch(seen.of("clock").says, /does not report/);
  assertMatch(seen.of("versions").says, /does not report/);
});

Deno.test("The doctor warns of a disk with little free space", async () => {
  await using folder = await tempShare();
  for (
    const [spareDiskBytes, verdict] of [[1, "ok"], [1e18, "warning"]] as const
  ) {
    const { findings, ...seen } = new Seen();
    await checkDisk(folder.path, {
      limits: limitsWith({ spareDiskBytes }),
      findings,
    });
    assertEquals(seen.checks.map(({ verdict }) => verdict), [verdict]);
    assertMatch(seen.checks[0]!.says, /^\d+\.\d GiB free at /);
  }
});

Deno.test("The doctor tries tunnels to at most tunnelTrialCount nodes", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, { "a": "a" }, {
    tunnels: "always",
  });
  await node.log.until("attached");
  const at = relay.server.address;
  const { nodes: [attached] } = await listNodes({ relay: at });
  // The peer that answers in the tunnel does not prove to be this node.
  const stranger: ListedNode = {
    ...attached!,
    certificate: IDENTITIES[3]!.certificate,
    name: "stranger",
  };
  const nodes = [stranger, stranger, attached!];
  for (
    const [tunnelTrialCount, verdict] of [[2, "failed"], [3, "ok"]] as const
  ) {
    const options = optionsFor(at, { limits: { ...limits, tunnelTrialCount } });
    const dialer = new RelayDialer(at, { ...options, role: "client" });
    const seen = new Seen();
    await checkTunnel(nodes, { dialer, options, findings: seen.findings });
    assertEquals(seen.of("tunnel").verdict, verdict, seen.of("tunnel").says);
  }
});

Deno.test("The doctor reports no failure for a node that has stopped since it was listed", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, { "a": "a" }, {
    tunnels: "always",
  });
  await node.log.until("attached");
  const at = relay.server.address;
  const { nodes: [attached] } = await listNodes({ relay: at });
  const left: ListedNode = { ...attached!, id: IDENTITIES[3]!.id };
  const options = optionsFor(at);
  const dialer = new RelayDialer(at, { ...options, role: "client" });
  for (
    const [nodes, says] of [
      [[left], /no node is attached/],
      [[left, attached!], /^joined to /],
    ] as const
  ) {
    const seen = new Seen();
    await checkTunnel(nodes, { dialer, options, findings: seen.findings });
    assertEquals(seen.of("tunnel").verdict, "ok", seen.of("tunnel").says);
    assertMatch(seen.of("tunnel").says, says);
  }
});

Deno.test("The doctor does not change a folder", async () => {
  await using folder = await tempShare({ "a": "a" });
  const { findings, ...seen } = new Seen();
  for (const output of [folder.path, `${folder.path}/new.bin`]) {
    const found = await checkFolder(output, { isOptional: false, findings });
    assertEquals(found, folder.path);
  }
  const missing = `${folder.path}/no/`;
  await checkFolder(missing, { isOptional: false, findings });
  assertEquals(seen.checks.map(({ verdict, kind }) => [verdict, kind]), [
    ["ok", undefined],
    ["ok", undefined],
    ["failed", "local"],
  ]);
  const left = await Array.fromAsync(Deno.readDir(folder.path));
  assertEquals(left.map(({ name }) => name), ["a"]);
});

/** What the doctor finds of a node that says it is at another address. */
async function examineAt(
  advertise: Endpoint | undefined,
  { relayTunnels, tunnels = true, plaintext = false }: {
    relayTunnels: boolean;
    tunnels?: boolean;
    plaintext?: boolean;
  },
): Promise<Seen> {
  await using relay = await startRelay({
    ...(relayTunnels ? {} : { tunnels: false }),
    plaintext,
  });
  const seen = new Seen();
  await examineNode({
    ...optionsFor(relay.server.address, { tunnels, plaintext }),
    identity: IDENTITIES[1]!,
    name: "examined",
    host: "127.0.0.1",
    port: 0,
    advertise,
  }, seen.findings);
  assertEquals(relay.server.nodeCount, 0, "it has withdrawn");
  return seen;
}

const WELL = {
  port: "ok",
  relay: "ok",
  identity: "warning",
  versions: "ok",
  clock: "ok",
  access: "ok",
  registration: "ok",
  index: "ok",
};

for (const plaintext of [false, true]) {
  Deno.test(`The doctor has a relay dial a node${plaintext ? " in the clear" : ""} and join a tunnel to it, and withdraws`, async () => {
    const seen = await examineAt(undefined, { relayTunnels: true, plaintext });
    assertEquals(seen.verdicts(), {
      ...WELL,
      reach: "ok",
      tunnels: "ok",
      tunnel_port: "ok",
      tunnel: "ok",
    });
    assertMatch(seen.of("tunnel").says, /^joined to examined, in \d+ ms$/);
  });
}

Deno.test("The doctor reports the index of a running node, and does not change its lease or index", async () => {
  await using relay = await startRelay();
  const identity = IDENTITIES[2]!;
  const examine = async () => {
    const seen = new Seen();
    await examineNode({
      ...optionsFor(relay.server.address),
      ...{ identity, name: "examined", host: "127.0.0.1", port: 0 },
    }, seen.findings);
    return seen.of("index");
  };
  assertMatch((await examine()).says, /is not running/);
  const shared = { a: "a", b: "b" };
  await using off = await startNode(relay, shared, { identity, index: false });
  const none = await examine();
  assertEquals(none.verdict, "warning");
  assertMatch(none.says, /has no index of it/);
  assertEquals(relay.server.nodeCount, 1, "the node is still listed");
  await off.server.close();
  await using node = await startNode(relay, shared, { identity });
  await node.log.until("indexed");
  for (const _ of [1, 2]) {
    const { verdict, says } = await examine();
    assertEquals(verdict, "ok");
    assertMatch(says, /^the relay has [46] fingerprints of the node, the last/);
  }
  assertEquals(node.log.names.includes("identity_used_twice"), false);

  await using without = await startRelay({ limits: { indexEntryCount: 0 } });
  const seen = new Seen();
  await examineNode({
    ...optionsFor(without.server.address),
    ...{ identity, name: "examined", host: "127.0.0.1", port: 0 },
  }, seen.findings);
  assertMatch(seen.of("index").says, /the relay keeps none/);
});

Deno.test("The doctor reports that clients connect through the relay to a node that cannot be dialled", async () => {
  const closed = { host: "127.0.0.1", port: ownPort() };
  const tunnelled = await examineAt(closed, { relayTunnels: true });
  assertEquals(tunnelled.of("reach").verdict, "warning");
  assertEquals(tunnelled.of("tunnel").verdict, "ok");
  for (
    const [relayTunnels, tunnels, verdict] of [
      [false, true, "warning"],
      [true, false, "ok"],
    ] as const
  ) {
    const seen = await examineAt(closed, { relayTunnels, tunnels });
    const { verdict: reach, kind } = seen.of("reach");
    assertEquals([reach, kind], ["failed", "relay"]);
    assertEquals(seen.of("tunnels").verdict, verdict);
  }
});

Deno.test("The doctor of a node reports that its relay does not list it, and why", async () => {
  await using relay = await startRelay({ limits: { nodeCount: 1 } });
  await using _node = await startNode(relay, { "a": "a" });
  await relay.log.until("node_registered");
  const seen = new Seen();
  await examineNode({
    ...optionsFor(relay.server.address),
    identity: IDENTITIES[1]!,
    name: "late",
    host: "127.0.0.1",
    port: 0,
  }, seen.findings);
  const { verdict, kind, says } = seen.of("registration");
  assertEquals([verdict, kind], ["failed", "relay"]);
  assertMatch(says, /registry_full/);
});

Deno.test("The doctor detects a relay that accepts a node's token without knowing it", async () => {
  await using relay = await startImpostor({});
  const seen = new Seen();
  await examineNode({
    ...optionsFor(relay.address, { access: { token: NODE_TOKEN } }),
    identity: IDENTITIES[1]!,
    name: "examined",
    host: "127.0.0.1",
    port: 0,
  }, seen.findings);
  const { verdict, kind, says } = seen.of("access");
  assertEquals([verdict, kind], ["failed", "not_allowed"]);
  assertMatch(says, /does not know this node's token/);
});

Deno.test("The doctor warns a client with a token of an open relay", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "f": "f" });
  const seen = new Seen();
  await examineClient(
    optionsFor(relay.server.address, { access: MEMBER }),
    seen.findings,
  );
  const { verdict, says } = seen.of("access");
  assertEquals(verdict, "warning");
  assertMatch(says, /the relay is open, although a token is given/);
});

Deno.test("The doctor names permissions that no role needs, and the flags that suffice", () => {
  assertEquals(excessOf(() => false), []);
  assertEquals(excessOf(({ name }) => name === "net"), []);
  assertEquals(
    excessOf(({ name }) => name === "run" || name === "env"),
    ["--allow-env", "--allow-run"],
  );
  assertEquals(flagsFor({ read: [], write: [] }), "--allow-net");
  assertEquals(
    flagsFor({
      read: ["files", "files", "a/b,c"],
      write: ["my files", "it's"],
    }),
    "--allow-net --allow-read=files,a '--allow-write=my files,it'\\''s'",
  );
  const { findings, ...seen } = new Seen();
  checkPermissions({ read: ["files"], write: [] }, findings);
  assertEquals(seen.checks[0]!.verdict, "warning");
  assertMatch(seen.checks[0]!.remedy!, /--allow-read=files/);
});
