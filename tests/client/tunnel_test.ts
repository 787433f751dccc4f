import {
  assert,
  assertEquals,
  assertLessOrEqual,
  assertMatch,
} from "@std/assert";
import { join } from "@std/path/join";
import type { Endpoint } from "../../lib/base/conn.ts";
import {
  fetchFile,
  type FetchOptions,
  getFiles,
  listNodes,
} from "../../lib/mod.ts";
import { registerNode } from "../_evil_node.ts";
import { identityMaker } from "../bench/_big_relay.ts";
import { EventLog, within } from "../_event_log.ts";
import { type FaultProxy, startFaultProxy } from "../_fault_proxy.ts";
import {
  IDENTITIES,
  startNode,
  startRelay,
  type TestRelay,
} from "../_network.ts";
import type { ClientEvent } from "../../lib/mod.ts";
import { ownAddress } from "../_own_address.ts";
import { tempShare } from "../_temp_share.ts";
import { askForTunnel } from "../_tunnel_ends.ts";
import { type ClientLog, fetch, filesIn, get } from "./_outcomes.ts";
import { PIECE } from "./_setting.ts";
import { BYTES, closedAddress, startUnreachable } from "./_tunnel.ts";

async function fetchFrom(
  relay: TestRelay,
  options: Partial<FetchOptions> = {},
): Promise<{ bytes: Uint8Array; log: EventLog<ClientEvent> }> {
  const log = new EventLog<ClientEvent>();
  await using file = await fetchFile({
    relay: relay.server.address,
    name: "a.bin",
    onEvent: log.onEvent,
    ...options,
  });
  const pieces = await Array.fromAsync(file.pieces(), (piece) => piece.slice());
  return { bytes: await new Blob(pieces).bytes(), log };
}

for (const plaintext of [false, true]) {
  Deno.test(`A node that the relay cannot dial attaches, and is fetched from through the relay${plaintext ? ", without encryption" : ""}`, async () => {
    await using relay = await startRelay({ plaintext });
    await using node = await startUnreachable(relay, { plaintext });
    const { why } = await node.log.until("attached");
    assertEquals(why, "unreachable");
    const { nodes } = await listNodes({
      relay: relay.server.address,
      plaintext,
    });
    assertEquals(nodes.map(({ isAttached }) => isAttached), [true]);
    const { bytes, log } = await fetchFrom(relay, { plaintext });
    assertEquals(bytes, BYTES);
    const { path } = await log.until("node_answered");
    assertEquals(path, "tunnel");
    const ended = await relay.log.until("tunnel_ended");
    assertEquals([ended.how, ended.id], ["completed", node.server.id]);
    assert(ended.toClientBytes > BYTES.length);
    assert(ended.toNodeBytes > 0);
    assertEquals(relay.server.tunnelCount, 0);
  });
}

Deno.test("A transfer through a relay that restarts continues by itself", async () => {
  const at = ownAddress();
  const first = await startRelay({ ...at, limits: { tunnelDrainMs: 0 } });
  await using node = await startUnreachable(first, {
    limitRate: 1_500_000,
    limits: { retryFirstMs: 50, retryMaxMs: 200 },
  });
  await node.log.until("attached");
  await using file = await fetchFile({
    relay: first.server.address,
    name: "a.bin",
  });
  let second: TestRelay | undefined;
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for await (const piece of file.pieces()) {
    parts.push(piece.slice());
    if (second !== undefined) continue;
    await first.server.close();
    await node.log.until("detached");
    second = await startRelay({ ...at, identity: first.identity });
  }
  assertEquals(await new Blob(parts).bytes(), BYTES);
  await second?.server.close();
});

/** Bytes of "a.bin" by the name of the node and the path they came by. */
function bytesByPath(log: ClientLog): Record<string, Record<string, number>> {
  const [received] = log.of("file_received");
  return Object.fromEntries(
    received?.from.map(({ node, paths }) => [node.name, { ...paths }]) ?? [],
  );
}

/** How each node was reached. */
function pathsOf(log: ClientLog): (string | undefined)[] {
  return log.of("node_answered").map(({ path }) => path);
}

Deno.test("A get uses a node behind a tunnel and one that can be dialled at once, and counts bytes by path", async () => {
  await using relay = await startRelay();
  const limitRate = 4_000_000;
  await using hidden = await startUnreachable(relay, {
    name: "hidden",
    limitRate,
  });
  await hidden.log.until("attached");
  await using _open = await startNode(relay, { "a.bin": BYTES }, {
    name: "open",
    limitRate,
  });
  await using folder = await tempShare();
  const { failed, error, log } = await get(relay, folder.path, ["a.bin"], {
    limits: { queryGraceMs: 5_000, windowBytes: 1_000_000 },
  });
  assertEquals([failed, error], [{}, undefined]);
  assertEquals(await Deno.readFile(`${folder.path}/a.bin`), BYTES);
  const { hidden: tunnelled, open: dialled } = bytesByPath(log);
  assertEquals([tunnelled?.["direct"], dialled?.["tunnel"]], [0, 0]);
  assertEquals(
    tunnelled!["tunnel"]! + dialled!["direct"]!,
    BYTES.length,
  );
  assert(tunnelled!["tunnel"]! >= PIECE && dialled!["direct"]! >= PIECE);
  // Nothing but the hidden node's share, and what TLS adds, went by the relay.
  const { toClientBytes } = await relay.log.until("tunnel_ended");
  assert(toClientBytes >= tunnelled!["tunnel"]!);
  assertLessOrEqual(toClientBytes, BYTES.length);
});

Deno.test("A node that can be dialled is dialled, attached or not: no tunnel is asked for", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, { "a.bin": BYTES }, {
    tunnels: "always",
  });
  const { why } = await node.log.until("attached");
  assertEquals(why, "forced");
  const { content, log } = await fetch(relay, "a.bin", {
    limits: { tunnelHeadStartMs: 60_000 },
  });
  assertEquals(content, BYTES);
  assertEquals(pathsOf(log), ["direct"]);
  assertEquals(relay.log.names.includes("tunnel_ended"), false);
});

/** A port that takes connections, and on which nobody ever says a word. */
function startBlackHole(): { at: Endpoint } & Disposable {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return {
    at: { host: "127.0.0.1", port: listener.addr.port },
    [Symbol.dispose]: () => listener.close(),
  };
}

for (
  const [what, limits] of [
    ["has its head start behind it", {
      tunnelHeadStartMs: 20,
      connectMs: 60_000,
    }],
    ["has been given up", { tunnelHeadStartMs: 60_000, connectMs: 10_000 }],
  ] as const
) {
  Deno.test(`A tunnel is used instead of an address where nobody answers, when dialling ${what}`, async () => {
    using hole = startBlackHole();
    await using relay = await startRelay({ limits: { connectMs: 50 } });
    await using node = await startUnreachable(relay, { advertise: hole.at });
    await node.log.until("attached");
    const { content, log } = await fetch(relay, "a.bin", { limits });
    assertEquals(content, BYTES);
    assertEquals(pathsOf(log), ["tunnel"]);
  });
}

Deno.test("A client without tunnels uses none", async () => {
  await using relay = await startRelay();
  await using node = await startUnreachable(relay);
  await node.log.until("attached");
  const { kind, log } = await fetch(relay, "a.bin", { tunnels: false });
  assertEquals([kind, log.answers], ["not_found", ["1 unreachable"]]);
  const { answer } = await log.until("node_answered");
  assertEquals(
    "cause" in answer && answer.cause,
    "directly: connection refused; " +
      "through the relay: not tried, because tunnels are turned off",
  );
  assertEquals(relay.log.names.includes("tunnel_ended"), false);
  assertEquals((await fetch(relay, "a.bin")).content, BYTES);
});

Deno.test("A node without tunnels does not attach, and is not listed for tunnels", async () => {
  await using relay = await startRelay();
  await using node = await startUnreachable(relay, { tunnels: "never" });
  const refused = await askForTunnel(relay, node.server.id);
  assertEquals(refused.kind === "refused" && refused.code, "not_attached");
  const { kind, log } = await fetch(relay, "a.bin");
  assertEquals([kind, log.answers], ["not_found", ["1 unreachable"]]);
  assertEquals(node.log.names.includes("attached"), false);
});

for (const tunnels of ["auto", "always"] as const) {
  Deno.test(`A relay without tunnels opens none, for nodes that want them ${tunnels}`, async () => {
    await using relay = await startRelay({ tunnels: false });
    await using node = await startUnreachable(relay, { tunnels });
    const { kind, log } = await fetch(relay, "a.bin");
    assertEquals([kind, log.answers], ["not_found", ["1 unreachable"]]);
    if (tunnels === "always") await node.log.until("no_tunnels");
    assertEquals(node.log.names.includes("attached"), false);
  });
}

Deno.test("maxRelayedBytes stops a get that comes through the relay, which the next run continues with", async () => {
  await using relay = await startRelay();
  await using node = await startUnreachable(relay);
  await node.log.until("attached");
  await using folder = await tempShare();
  // It ends before the time is over for which a relay may be away.
  const stopping = get(relay, folder.path, ["a.bin"], {
    maxRelayedBytes: 1_600_000,
    limits: { tunnelPatienceMs: 3_600_000 },
  });
  const stopped = await within(stopping, "its end");
  assertEquals(stopped.failed, { "a.bin": "undelivered" });
  const [failure] = stopped.log.of("file_failed");
  assertMatch(failure!.error.message, /run again to resume$/);
  assertEquals(
    new Set(stopped.log.of("node_trouble").map(({ cause }) => cause)),
    new Set([
      "the limit of bytes through the relay is reached",
    ]),
  );
  assertEquals(stopped.log.trouble.at(-1)?.endsWith("broke_off, out"), true);
  assertEquals(filesIn(folder.path), [".a.bin.p2p-part"]);
  const first = await relay.log.until("tunnel_ended");
  // What was on its way when it stopped is all that comes beyond.
  assert(first.toClientBytes >= 1_500_000);

  const finished = await get(relay, folder.path, ["a.bin"], {
    maxRelayedBytes: BYTES.length,
  });
  assertEquals(finished.failed, {});
  assertEquals(await Deno.readFile(`${folder.path}/a.bin`), BYTES);
  const [resumed] = finished.log.of("file_resumed");
  // Whole pieces of what was allowed were kept; those under way were not.
  assert(resumed!.bytes >= 1_600_000 - 5 * PIECE, `kept ${resumed!.bytes}`);
  const { tunnel } = Object.values(bytesByPath(finished.log))[0]!;
  assertEquals(resumed!.bytes + tunnel!, BYTES.length);
});

Deno.test("maxRelayedBytes does not count what comes directly", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "a.bin": BYTES }, {
    tunnels: "always",
  });
  const { content } = await fetch(relay, "a.bin", {
    maxRelayedBytes: 0,
    limits: { tunnelHeadStartMs: 60_000 },
  });
  assertEquals(content, BYTES);
});

Deno.test("maxRelayedBytes leaves a get to the nodes that can be dialled", async () => {
  await using relay = await startRelay();
  await using hidden = await startUnreachable(relay, { name: "hidden" });
  await hidden.log.until("attached");
  await using _open = await startNode(relay, { "a.bin": BYTES }, {
    name: "open",
    limitRate: 4_000_000,
  });
  await using folder = await tempShare();
  const { failed, log } = await get(relay, folder.path, ["a.bin"], {
    maxRelayedBytes: 600_000,
    limits: { queryGraceMs: 5_000, windowBytes: 1_000_000 },
  });
  assertEquals(failed, {});
  assertEquals(await Deno.readFile(`${folder.path}/a.bin`), BYTES);
  assertLessOrEqual(bytesByPath(log)["hidden"]?.["tunnel"] ?? 0, 600_000);
});

Deno.test("A node that becomes reachable detaches, and is dialled from then on", async () => {
  await using way = await startFaultProxy({ toTarget: { swallowAfter: 0 } });
  await using relay = await startRelay({
    limits: {
      ...{ renewSeconds: 1, reregisterCount: 1_000 },
      ...{ connectMs: 50, dialBackPauseMs: 10 },
    },
  });
  await using node = await startUnreachable(relay, {
    advertise: { host: "127.0.0.1", port: way.port },
    limits: { renewMinSeconds: 0.1, reachCheckMs: 100 },
  });
  way.target = node.server.address.port;
  await node.log.until("attached");
  const before = await fetch(relay, "a.bin", QUICK);
  assertEquals([before.content, pathsOf(before.log)], [BYTES, ["tunnel"]]);
  openUp(way);
  await node.log.until("detached", ({ why }) => why === "reachable");
  await relay.log.until("node_detached");
  const after = await fetch(relay, "a.bin");
  assertEquals([after.content, pathsOf(after.log)], [BYTES, ["direct"]]);
});

const QUICK = { limits: { tunnelHeadStartMs: 1 } };

/** From now on the way is free. */
function openUp(way: FaultProxy): void {
  way.faults = {};
}

Deno.test("A client waits for the only node behind a tunnel as long as it may be unreachable, and no longer", async () => {
  const relay = await startRelay({ limits: { tunnelDrainMs: 0 } });
  await using node = await startUnreachable(relay, { limitRate: 1_000_000 });
  await node.log.until("attached");
  await using folder = await tempShare();
  let isClosed = false;
  const outcome = await get(relay, folder.path, ["a.bin"], {
    limits: { tunnelPatienceMs: 200 },
    onEvent: ({ event }) => {
      if (event !== "progress" || isClosed) return;
      isClosed = true;
      void relay.server.close();
    },
  });
  assertEquals(outcome.failed, { "a.bin": "undelivered" });
  await relay.server.close();
});

Deno.test("A client that meets forty dead nodes reports them over one connection, and asks for all tunnels over one connection", async () => {
  await using relay = await startRelay({
    limits: { dialBackCount: 0 }, // they stay listed
  });
  const dead = await identityMaker();
  for (let n = 0; n < 40; n++) {
    const addresses = [closedAddress()];
    await registerNode(relay, { identity: await dead(), name: "", addresses });
  }
  await using _near = await startUnreachable(relay, {
    identity: IDENTITIES[1]!,
    tunnels: "always",
  });
  await using _far = await startUnreachable(relay, {
    identity: IDENTITIES[2]!,
    tunnels: "always",
  });
  await relay.log.until("node_attached");
  const handshakes = () =>
    relay.server.stats().handshakes.counts.reduce((sum, one) => sum + one, 0);
  const before = handshakes();
  await using folder = await tempShare({});
  const { saved } = await getFiles({
    relay: { ...relay.server.address, id: relay.server.id },
    selections: [{ kind: "name", name: "a.bin" }],
    pathOf: (name) => join(folder.path, name),
  });
  assertEquals(saved.size, 1);
  // Meeting the relay, listing, reports, and the line to ask for tunnels; two
  // nodes come to two tunnels, by the other port.
  assertLessOrEqual(handshakes() - before, 4 + 4);
  const { reports } = relay.server.stats();
  assertEquals(reports, { alive: 0, gone: 0, unknown: 0, unchecked: 40 });
});
