/**
 * What the scripts print with `--json`, held to the schemas of the events: by
 * real processes what they tell day by day, and through the same code what
 * rarely happens.
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
import { LIMITS } from "../../lib/base/limits.ts";
import type { CliEvent } from "../../lib/cli/output/cli_events.ts";
import type { NodeEvent } from "../../lib/node/server.ts";
import type { RelayEvent } from "../../lib/relay/server.ts";
import {
  registerNode,
  sayData,
  sayFound,
  sayPieces,
  saysNothing,
  startEvilNode,
} from "../_evil_node.ts";
import type { RelaysEvent } from "../../lib/client/relays.ts";
import { startRelay } from "../_network.ts";

import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import { accessTo } from "../e2e/_transfer.ts";
import { type HereOptions, runRoleHere } from "../_here.ts";
import { spawnRole } from "../e2e/_processes.ts";
import { makeKeys } from "../e2e/_private.ts";

const ALWAYS: ReadonlySet<string> = new Set(Object.keys(EVENTS));
const ID = "a".repeat(52);

/** Checks a line; its event. */
function checkLine(line: string): EventName {
  const event = JSON.parse(line) as { v: number; event: EventName };
  assertEquals(event.v, 1, line);
  assert(ALWAYS.has(event.event), line);
  const schema = schemaOf(event.event);
  const [error] = [...Value.Errors(schema, event)];
  assertEquals(error && `${error.path}: ${error.message}`, undefined, line);
  return event.event;
}

/** Checks lines; the names of their events, each once. */
function checkAll(lines: readonly string[]): Set<EventName> {
  assert(lines.length > 0);
  return new Set(lines.map(checkLine));
}

/** Runs a client to its end, and checks what it says. */
async function client(
  args: readonly string[],
  options: HereOptions,
): Promise<{ code: number; names: Set<EventName>; lines: string[] }> {
  const outcome = await runRoleHere(
    "peer_client.ts",
    ["--json", ...args],
    options,
  );
  const lines = outcome.text.split("\n").slice(0, -1);
  return { code: outcome.code, names: checkAll(lines), lines };
}

/** A client that sends a file. */
function spawnSender(address: string, path: string) {
  return spawnRole("peer_client.ts", [
    ...["--json", address, "send", "--host", "127.0.0.1", path],
  ], { permissions: [`--allow-read=${path}`] });
}

Deno.test("Every line of every role and command with --json is as its schema says", async () => {
  const content = randomBytes(4_000_000, seededRandom(3));
  await using share = await tempShare({
    "f": content,
    "sub/1.txt": "one",
    "zeros": new Uint8Array(1_000_000),
  });
  await using other = await tempShare({ "sub/1.txt": "another" });
  await Deno.utime(join(other.path, "sub/1.txt"), 1, 1);
  for (let n = 0; n <= LIMITS.skippedNameCount; n++) {
    await Deno.symlink("nowhere", join(other.path, `${n}`));
  }
  const newest = ["--prefer", "newest"];
  await using folder = await tempShare();
  await using relay = spawnRole("relay.ts", [
    ...["--json", "--host", "127.0.0.1", "--metrics", "127.0.0.1:0"],
    ...["--motd", "away on \u202eSunday", "0"],
  ]);
  const [line] = await relay.stdout.until(/^.*"relay_listening".*$/);
  const { address, port } = JSON.parse(line) as {
    address: string;
    port: number;
  };
  const nodeOf = ({ path }: { path: string }, ...options: string[]) =>
    spawnRole("peer_node.ts", [
      ...["--json", "--host", "127.0.0.1", "--limit-rate", "3M", ...options],
      ...["127.0.0.1", String(port), "0", path],
    ], { permissions: [`--allow-read=${path}`] });
  await using alpha = nodeOf(share, "--name", "al\u202epha");
  await using beta = nodeOf(
    other,
    "--name",
    "beta",
    "--tunnel",
    "--list-skipped",
  );
  await beta.stdout.until(/"attached"/);
  for (const node of [alpha, beta]) {
    await node.stdout.until(/"hashed"/);
    await node.stdout.until(/"registered"/);
  }
  const seen = new Set<EventName>();
  const run = async (
    code: number,
    wanted: readonly EventName[],
    args: readonly string[],
    options: HereOptions = {},
  ) => {
    const outcome = await client(args, options);
    assertEquals(outcome.code, code, outcome.lines.join("\n"));
    for (const name of wanted) {
      assert(outcome.names.has(name), `${name} in ${outcome.lines.join("\n")}`);
    }
    if (code !== 0) assertEquals(checkLine(outcome.lines.at(-1)!), "error");
    for (const name of outcome.names) seen.add(name);
  };
  const known = join(folder.path, "known");
  const access = accessTo(folder);
  const to = ["-o", `${folder.path}/`];
  const receipt = join(folder.path, "r.json");

  await run(0, ["relay_unverified", "nodes_listed"], [
    "127.0.0.1",
    String(port),
    "nodes",
  ]);
  await run(0, ["relay_remembered"], [
    ...["--known-relays", known, "127.0.0.1", String(port), "nodes"],
  ]);
  await run(0, ["file", "files_listed"], [address, "ls"]);
  await run(0, ["file", "folder"], [address, "ls", "--depth", "1"]);
  await run(0, ["file_sum"], [address, "sums", "f"]);
  await run(0, ["checked"], [address, "doctor"]);
  await run(8, ["checked"], [
    ...[address, "doctor", "-o", join(folder.path, "no/")],
  ]);
  await run(0, ["node_answered", "content", "file_received"], [
    ...[address, "cat", "sub/1.txt", ...newest],
  ]);
  await run(0, ["content", "file_received"], [
    ...[address, "cat", "f", "--tail", "10"],
  ]);
  await run(5, ["contents_differ", "file_failed"], [
    ...[address, "get", "sub/", ...to],
  ]);
  await run(0, ["contents_differ", "file_received"], [
    ...[address, "get", "sub/", ...to, ...newest],
  ]);
  await run(4, ["found_several"], [address, "get", "1.txt", ...to]);
  await run(0, ["found_as"], [address, "cat", "1.txt", ...newest]);
  await run(0, ["content", "file_received"], [address], { input: "f\n" });
  await run(0, ["zeros_skipped"], [address, "get", "zeros", ...to]);
  await using first = spawnRole(
    "peer_client.ts",
    ["--json", address, "get", "f", ...to],
    access,
  );
  await first.stdout.until(/"event":"progress","received":[1-9]/);
  first.signal("SIGINT");
  assertEquals(await first.exitCode, 130);
  for (const name of checkAll(first.stdout.all)) seen.add(name);
  await run(
    0,
    ["progress", "file_resumed", "file_received", "receipt_written"],
    [
      ...[address, "get", "f", ...to, "--receipt", receipt],
    ],
  );
  await run(0, ["file_present"], [address, "get", "f", ...to]);
  await run(0, ["files_wanted", "file_planned"], [
    ...[address, "get", "f", "--dry-run", ...to],
  ]);
  const older = join(folder.path, "older");
  await Deno.writeFile(older, content.subarray(0, -1));
  await run(0, ["file_kept", "file_received"], [
    ...[address, "get", "f", "-o", join(folder.path, "new"), "--base", older],
  ]);
  await run(
    0,
    ["file_verified"],
    ["verify", join(folder.path, "f"), receipt],
  );
  await run(4, ["node_tried", "file_failed"], [address, "cat", "no"]);
  await run(
    4,
    ["node_tried", "file_failed"],
    [address, "get", "no", ...to],
  );
  await run(4, ["node_tried"], [address], { input: "no\n" });
  await run(4, ["file_failed"], [address, "get", "no*", ...to]);
  await run(4, ["waiting_for_files", "file_failed"], [
    ...[address, "get", "no", "--wait", "1s", ...to],
  ]);
  await run(2, [], [address, "gte"]);
  await run(3, [], ["127.0.0.1:1", "ls"]);
  await run(0, ["version"], ["--version"]);
  await run(0, ["help"], ["help", "get"]);
  await run(0, ["completions"], ["completions", "fish"]);

  await run(0, ["link_made"], [
    ...[address, "link", "sub/1.txt", ...newest],
  ]);
  const own = join(folder.path, "own");
  await Deno.writeFile(own, content);
  await using sender = spawnSender(address, own);
  const [made] = await sender.stdout.until(/^.*"link_made".*$/);
  await run(0, ["file_received"], [
    ...["get", JSON.parse(made).link, "-o", join(folder.path, "sent")],
  ]);
  assertEquals(await sender.exitCode, 0);
  const told = checkAll(sender.stdout.all);
  assert(told.has("send_progress") && told.has("send_completed"));
  for (const name of told) seen.add(name);
  await using keys = await makeKeys();
  const tokens = await runRoleHere("relay.ts", [
    ...["--json", "--secret-file", keys.secretFile, "--show-tokens"],
  ]);
  const turnedAway = await runRoleHere("peer_node.ts", [
    ...["--json", "--token-file", keys.tokenFiles.node, address, "0"],
    share.path,
  ]);
  assertEquals(turnedAway.code, 7);
  const used = await runRoleHere("p2p", ["--json", "use", address], {
    env: { HOME: folder.path, XDG_CONFIG_HOME: join(folder.path, "config") },
  });
  assertEquals(used.code, 0);
  await Deno.writeTextFile(join(folder.path, ".half.p2p-part"), "half");
  const cleaned = await runRoleHere("p2p", ["--json", "clean", folder.path]);
  assertEquals(cleaned.code, 0);
  for (const { text } of [tokens, turnedAway, used, cleaned]) {
    for (const name of checkAll(text.split("\n").slice(0, -1))) seen.add(name);
  }

  // One that lies, and one that is not there.
  const [liar, dead] = await Promise.all([createIdentity(), createIdentity()]);
  await using evil = await startRelay();
  await using _liar = await startEvilNode(evil, {
    identity: liar!,
    lie: async (channel, message) => {
      if (message.kind === "find") return await sayFound(channel, message, 10);
      if (message.kind === "describe") {
        const { request } = message;
        await channel.send({ kind: "working", request });
        return await saysNothing(channel);
      }
      await sayData(channel, message, new TextEncoder().encode("ten bytes!"));
      await sayPieces(channel, message, "0".repeat(64));
    },
  });
  await registerNode(evil, {
    identity: dead!,
    name: "dead",
    addresses: [{ host: "127.0.0.1", port: 1 }],
  });
  await run(6, ["node_trouble", "node_tried"], [
    evil.server.relayAddress,
    "cat",
    "lie",
  ]);
  await run(
    6,
    ["node_trouble", "node_tried"],
    [evil.server.relayAddress, "get", "lie", ...to],
  );
  await run(
    130,
    ["node_hashing"],
    [evil.server.relayAddress, "get", "f", "--sha256", "0".repeat(64), ...to],
    { until: /"event":"node_hashing"/ },
  );

  await run(
    0,
    ["gateway_listening"],
    [address, "gateway", "0"],
    { until: /"event":"gateway_listening"/ },
  );

  for (const node of [alpha, beta]) node.signal("SIGTERM");
  await alpha.exitCode;
  await beta.exitCode;
  await relay.stdout.until(/"node_detached"/);
  relay.signal("SIGTERM");
  await relay.exitCode;
  for (const role of [relay, alpha, beta]) {
    for (const name of checkAll(role.stdout.all)) seen.add(name);
    assertEquals(role.stderr.all, []);
  }
  // These need hours, or worse, and are below; a slow machine takes long enough
  // for some of them.
  const isMissing = (name: string) => !seen.has(name as EventName);
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
  Deno.test(`The event ${event.event} is told as its schema says`, () => {
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
