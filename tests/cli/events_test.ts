/**
 * What the scripts print with `--json`, compared with the schemas of the events.
 * Real processes print common events, and the same code prints rare ones.
 */

import { assert, assertEquals } from "@std/assert";
import { Value } from "@sinclair/typebox/value";
import { join } from "@std/path";
import { type EventName, EVENTS, schemaOf } from "../_events_schema.ts";
import { formatEvent } from "../../lib/cli/output/terminal.ts";
import type { ClientEvent } from "../../lib/client/events.ts";
import type { SwarmEvent } from "../../lib/client/swarm_events.ts";
import { Failure } from "../../lib/base/errors.ts";
import { createIdentity } from "../../lib/identity/identity.ts";
import type { CliEvent } from "../../lib/cli/output/cli_events.ts";
import type { NodeEvent } from "../../lib/node/server.ts";
import type { RelayEvent } from "../../lib/relay/server.ts";
import {
  registerNode,
  sendData,
  sendFound,
  sendPieces,
  startEvilNode,
  staySilent,
} from "../_evil_node.ts";
import type { RelaysEvent } from "../../lib/client/relays.ts";
import { startRelay } from "../_network.ts";
import { checkLine, CONTENT, NEWEST, Scene } from "./_event_scene.ts";
import { accessTo } from "../e2e/_transfer.ts";
import { runRoleHere } from "../_here.ts";
import { spawnRole } from "../e2e/_processes.ts";
import { makeKeys } from "../e2e/_private.ts";

const ID = "a".repeat(52);

/** A client that sends a file. */
function spawnSender(address: string, path: string) {
  return spawnRole("peer_client.ts", [
    ...["--json", address, "send", "--host", "127.0.0.1", path],
  ], { permissions: [`--allow-read=${path}`] });
}

async function listAndRead(scene: Scene): Promise<void> {
  const { address, port, folder } = scene;
  const known = join(folder, "known");
  await scene.run(0, ["relay_unverified", "nodes_listed"], [
    ...["127.0.0.1", port, "nodes"],
  ]);
  await scene.run(0, ["relay_remembered"], [
    ...["--known-relays", known, "127.0.0.1", port, "nodes"],
  ]);
  await scene.run(0, ["file", "files_listed"], [address, "ls"]);
  await scene.run(0, ["file", "folder"], [address, "ls", "--depth", "1"]);
  await scene.run(0, ["file_sum"], [address, "sums", "f"]);
  await scene.run(0, ["checked"], [address, "doctor"]);
  await scene.run(8, ["checked"], [
    ...[address, "doctor", "-o", join(folder, "no/")],
  ]);
  await scene.run(0, ["node_answered", "content", "file_received"], [
    ...[address, "cat", "sub/1.txt", ...NEWEST],
  ]);
  await scene.run(0, ["content", "file_received"], [
    ...[address, "cat", "f", "--tail", "10"],
  ]);
  await scene.run(0, ["found_as"], [address, "cat", "1.txt", ...NEWEST]);
  const dialogue = { input: "f\n" };
  await scene.run(0, ["content", "file_received"], [address], dialogue);
  await scene.run(0, ["link_made"], [address, "link", "sub/1.txt", ...NEWEST]);
}

async function fetchAndVerify(scene: Scene): Promise<void> {
  const { address, folder, to } = scene;
  const receipt = join(folder, "r.json");
  await scene.run(5, ["contents_differ", "file_failed"], [
    ...[address, "get", "sub/", ...to],
  ]);
  await scene.run(0, ["contents_differ", "file_received"], [
    ...[address, "get", "sub/", ...to, ...NEWEST],
  ]);
  await scene.run(4, ["found_several"], [address, "get", "1.txt", ...to]);
  await scene.run(0, ["zeros_skipped"], [address, "get", "zeros", ...to]);
  await using first = spawnRole(
    "peer_client.ts",
    ["--json", address, "get", "f", ...to],
    accessTo({ path: folder }),
  );
  await first.stdout.until(/"event":"progress","received":[1-9]/);
  first.signal("SIGINT");
  assertEquals(await first.exitCode, 130);
  scene.see(first.stdout.all);
  await scene.run(
    0,
    ["progress", "file_resumed", "file_received", "receipt_written"],
    [address, "get", "f", ...to, "--receipt", receipt],
  );
  await scene.run(0, ["file_present"], [address, "get", "f", ...to]);
  await scene.run(0, ["files_wanted", "file_planned"], [
    ...[address, "get", "f", "--dry-run", ...to],
  ]);
  const older = join(folder, "older");
  await Deno.writeFile(older, CONTENT.subarray(0, -1));
  await scene.run(0, ["file_kept", "file_received"], [
    ...[address, "get", "f", "-o", join(folder, "new"), "--base", older],
  ]);
  await scene.run(0, ["file_verified"], ["verify", join(folder, "f"), receipt]);
}

async function askInVain(scene: Scene): Promise<void> {
  const { address, to } = scene;
  await scene.run(4, ["node_tried", "file_failed"], [address, "cat", "no"]);
  await scene.run(4, ["node_tried", "file_failed"], [
    ...[address, "get", "no", ...to],
  ]);
  await scene.run(4, ["node_tried"], [address], { input: "no\n" });
  await scene.run(4, ["file_failed"], [address, "get", "no*", ...to]);
  await scene.run(4, ["waiting_for_files", "file_failed"], [
    ...[address, "get", "no", "--wait", "1s", ...to],
  ]);
  await scene.run(2, [], [address, "gte"]);
  await scene.run(3, [], ["127.0.0.1:1", "ls"]);
  await scene.run(0, ["version"], ["--version"]);
  await scene.run(0, ["help"], ["help", "get"]);
  await scene.run(0, ["completions"], ["completions", "fish"]);
  await scene.run(0, ["gateway_listening"], [address, "gateway", "0"], {
    until: /"event":"gateway_listening"/,
  });
}

async function sendByLink(scene: Scene): Promise<void> {
  const { address, folder } = scene;
  const own = join(folder, "own");
  await Deno.writeFile(own, CONTENT);
  await using sender = spawnSender(address, own);
  const [made] = await sender.stdout.until(/^.*"link_made".*$/);
  await scene.run(0, ["file_received"], [
    ...["get", JSON.parse(made).link, "-o", join(folder, "sent")],
  ]);
  assertEquals(await sender.exitCode, 0);
  const printed = scene.see(sender.stdout.all);
  assert(printed.has("send_progress") && printed.has("send_completed"));
}

/** What needs no client, or ends at once. */
async function runOthers(scene: Scene): Promise<void> {
  const { address, folder, share } = scene;
  await using keys = await makeKeys();
  const tokens = await runRoleHere("relay.ts", [
    ...["--json", "--secret-file", keys.secretFile, "--show-tokens"],
  ]);
  const refused = await runRoleHere("peer_node.ts", [
    ...["--json", "--token-file", keys.tokenFiles.node, address, "0", share],
  ]);
  const used = await runRoleHere("p2p", ["--json", "use", address], {
    env: { HOME: folder, XDG_CONFIG_HOME: join(folder, "config") },
  });
  await Deno.writeTextFile(join(folder, ".half.p2p-part"), "half");
  const cleaned = await runRoleHere("p2p", ["--json", "clean", folder]);
  assertEquals([refused, used, cleaned].map(({ code }) => code), [7, 0, 0]);
  for (const { text } of [tokens, refused, used, cleaned]) {
    scene.see(text.split("\n").slice(0, -1));
  }
}

/** Asks a node that lies, and one that is not there. */
async function askLiars(scene: Scene): Promise<void> {
  const [liar, dead] = await Promise.all([createIdentity(), createIdentity()]);
  await using evil = await startRelay();
  await using _liar = await startEvilNode(evil, {
    identity: liar!,
    lie: async (channel, message) => {
      if (message.kind === "find") return await sendFound(channel, message, 10);
      if (message.kind === "describe") {
        const { request } = message;
        await channel.send({ kind: "working", request });
        return await staySilent(channel);
      }
      await sendData(channel, message, new TextEncoder().encode("ten bytes!"));
      await sendPieces(channel, message, "0".repeat(64));
    },
  });
  await registerNode(evil, {
    identity: dead!,
    name: "dead",
    addresses: [{ host: "127.0.0.1", port: 1 }],
  });
  const at = evil.server.relayAddress;
  const trouble = ["node_trouble", "node_tried"] as const;
  await scene.run(6, trouble, [at, "cat", "lie"]);
  await scene.run(6, trouble, [at, "get", "lie", ...scene.to]);
  await scene.run(130, ["node_hashing"], [
    ...[at, "get", "f", "--sha256", "0".repeat(64), ...scene.to],
  ], { until: /"event":"node_hashing"/ });
}

Deno.test("Every line of every role and command with --json is as its schema says", async () => {
  await using scene = await Scene.start();
  await listAndRead(scene);
  await fetchAndVerify(scene);
  await askInVain(scene);
  await sendByLink(scene);
  await runOthers(scene);
  await askLiars(scene);
  await scene.end();
  // These need hours, or worse, and are below; a slow machine takes long enough
  // for some of them.
  const isMissing = (name: string) => !scene.seen.has(name as EventName);
  assertEquals(
    Object.keys(EVENTS).filter(isMissing).sort(),
    RARE.map(({ event }) => event).filter(isMissing).sort(),
  );
});

const FAILURE = new Failure("relay", {
  what: "Cannot reach relay",
  where: "nas:1700",
  why: "connection refused",
  remedy: "check host and port",
});

/** Events that a test by processes cannot wait for. */
const SHARE = { directory: "/srv", files: 2 };
type ListingEvent = Extract<
  ClientEvent,
  { event: "listing" | "names_left_out" }
>;

type NetworkEvent = Extract<
  CliEvent,
  {
    event:
      | "announcing"
      | "page_opened"
      | "announce_failed"
      | "identity_elsewhere"
      | "relay_found"
      | "reloaded"
      | "reload_failed";
  }
>;

const RARE: (
  | RelayEvent
  | NodeEvent
  | ListingEvent
  | SwarmEvent
  | NetworkEvent
  | RelaysEvent
)[] = [
  { event: "scanning", directory: "/srv", files: 3 },
  { event: "share_risky", names: [".env", "node_modules/"], count: 2 },
  { event: "share_gone", ...SHARE, why: "no such file or folder" },
  { event: "share_back", ...SHARE },
  { event: "share_unwatched", directory: "/srv", why: "no watches left" },
  { event: "renewed", relay: "nas:1700", leaseSeconds: 60 },
  { event: "registration_failed", relay: "nas:1700", error: FAILURE },
  { event: "detached", relay: "nas:1700", why: "lost" },
  { event: "no_tunnels", relay: "nas:1700" },
  { event: "index_refused", relay: "nas:1700", why: "node_full" },
  { event: "outdated", relay: "nas:1700", error: FAILURE },
  { event: "withdraw_failed", relay: "nas:1700", error: FAILURE },
  { event: "clock_gap", kind: "slept", seconds: 10_800 },
  { event: "cluster", phase: "away", why: "connection refused" },
  // It would open a browser here.
  { event: "page_opened", url: "http://127.0.0.1:1800/", isShown: true },
  { event: "refused", reason: "too many connections", from: "::1", count: 3 },
  { event: "connection_failed", from: "::1", error: new TypeError("x") },
  { event: "accept_stalled", why: "too many open files", count: 20 },
  { event: "relay_changed", relay: "nas:1700", id: ID, previousId: ID },
  {
    event: "listing",
    files: 9,
    nodes: 1,
    nodeCount: 2,
    waitingFor: ["pi", "nas"],
  },
  { event: "names_left_out", names: 3 },
  { event: "holder_listed", relay: "nas:1700", contents: 1 },
  { event: "holder_reached", relay: "nas:1700", outcome: "gone" },
  { event: "holder_refused", relay: "nas:1700", why: "no room" },
  { event: "swarm_lingers", ms: 30_000 },
  { event: "swarm_serving", readers: 3, leftMs: 27_000 },
  { event: "swarm_ended", given: 61, why: "no port" },
  { event: "fetch_started", name: "a", to: "::1", size: 4 },
  {
    ...{ event: "fetch_ended", name: "a", to: "::1", size: 4, bytes: 2 },
    ...{ ms: 1, isWhole: false },
  },
  { event: "files_sent", clients: 2, files: 9, bytes: 8, ms: 7 },
  { event: "relay_open", relay: "nas:1700" },
  { event: "relay_failed", relay: "nas:1700", error: FAILURE },
  { event: "relay_late", relay: "nas:1700" },
  {
    ...{ event: "relays_away", error: FAILURE },
    ...{ nodes: 3, ended: 1, seconds: 10_800 },
  },
  {
    event: "relay_version_differs",
    relay: "nas:1700",
    version: "0.2.0",
    ownVersion: "0.1.0",
  },
  { event: "reloaded", changed: ["exclude"], waiting: ["name"], files: 3 },
  { event: "reload_failed", error: FAILURE },
  { event: "announcing", name: "nas", port: 1_700 },
  { event: "announce_failed", port: 1_700, why: "address already in use" },
  { event: "identity_elsewhere", address: "192.0.2.7:1700" },
  {
    event: "relay_found",
    name: "nas",
    relay: "p2p://nas:1700",
    isPrivate: true,
  },
];

for (const event of RARE) {
  Deno.test(`The event ${event.event} matches its schema`, () => {
    assertEquals(checkLine(formatEvent(event)), event.event);
  });
}

Deno.test("A schema refuses an event that lacks a field, or has one more", () => {
  const good = formatEvent(RARE.find(({ event }) => event === "renewed")!);
  assertEquals(checkLine(good), "renewed");
  for (
    const wrong of [
      good.replace('"leaseSeconds":60', '"leaseSeconds":"60"'),
      good.replace(',"leaseSeconds":60', ""),
      good.replace("}", ',"more":1}'),
    ]
  ) {
    assertEquals(Value.Check(schemaOf("renewed"), JSON.parse(wrong)), false);
  }
});
