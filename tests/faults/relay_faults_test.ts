/**
 * What can go wrong at a relay and with one, by the numbers of the list of
 * faults; those that need nothing but one module are tested beside it.
 */

import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import type { Channel } from "../../lib/protocol/channel.ts";
import { fetchFile } from "../../lib/client/fetch.ts";
import { listNodes } from "../../lib/client/listing.ts";
import { type Endpoint, writeAll } from "../../lib/base/conn.ts";
import { Failure } from "../../lib/base/errors.ts";
import { encodeFrame } from "../../lib/protocol/frame.ts";
import { greet } from "../../lib/protocol/hello.ts";
import type { Identity } from "../../lib/identity/identity.ts";
import { Incidents } from "../../lib/guard/incidents.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { encodeMessage } from "../../lib/protocol/messages.ts";
import { type NodeEvent, serveNode } from "../../lib/node/server.ts";
import { signRegistration } from "../../lib/protocol/signed_record.ts";
import { type Accepted, listen } from "../../lib/transport/listen.ts";
import { EventLog, within } from "../_event_log.ts";
import {
  IDENTITIES,
  openChannel,
  openChannelFrom,
  startNode,
  startRelay,
  type TestRelay,
} from "../_network.ts";
import { ForwardClock } from "../_forward_clock.ts";
import { ownAddress } from "../_own_address.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import { identityMaker } from "../bench/_big_relay.ts";
import { spawnNode } from "../e2e/_processes.ts";

const [relayIdentity, alice] = IDENTITIES as [Identity, Identity];

/** A relay whose nodes renew each second, for there is no time for more. */
const QUICK = { renewSeconds: 1, leaseSeconds: 3, reregisterCount: 100 };
const LASTING = { ...QUICK, leaseSeconds: 60 }; // where the machine stands still
const QUICK_NODE = { renewMinSeconds: 1, retryFirstMs: 100 };

function addressOf({ server, identity }: TestRelay): Endpoint & { id: string } {
  return { ...server.address, id: identity.id };
}

async function idsListed(relay: TestRelay): Promise<string[]> {
  const { nodes } = await listNodes({ relay: addressOf(relay) });
  return nodes.map(({ id }) => id);
}

/** A client that has greeted the relay, and does with the channel what it likes. */
async function greeted(relay: TestRelay): Promise<Channel> {
  const channel = await openChannel(relay.server.address, relay.identity);
  await greet(channel, { role: "client" });
  return channel;
}

interface Claim {
  readonly sequence?: number;
  readonly addresses?: readonly Endpoint[];
}

/** Registers, without a node that would answer there; the code of a refusal. */
async function register(
  relay: TestRelay,
  identity: Identity,
  claim: Claim = {},
): Promise<string> {
  await using channel = await openChannel(relay.server.address, relay.identity);
  return await registerOver(channel, relay, identity, claim);
}

async function registerOver(
  channel: Channel,
  relay: TestRelay,
  identity: Identity,
  claim: Claim = {},
): Promise<string> {
  const outcome = await greet(channel, { role: "node" });
  assert(outcome.kind === "greeted");
  const signed = await signRegistration({
    purpose: "register",
    relay: relay.identity.id,
    nonce: outcome.hello.nonce ?? "",
    instance: "instance 1",
    sequence: 1,
    name: "nobody",
    addresses: [{ host: "127.0.0.1", port: 9 }],
    ...claim,
  }, identity);
  await channel.send({ kind: "register", ...signed });
  const answer = await channel.receive(["registered", "refused"]);
  return answer?.kind === "refused" ? answer.code : answer?.kind ?? "nothing";
}

/** Moves the wall clock of this process until disposed of. */
function shiftClock(ms: number): Disposable {
  const { now } = Date;
  Date.now = () => now() + ms;
  return { [Symbol.dispose]: () => void (Date.now = now) };
}

for (const [how, ms] of [["ahead", 3_600_000], ["back", -3_600_000]] as const) {
  Deno.test(`row 11: a wall clock that jumps an hour ${how} ends no lease, and renewals continue`, async () => {
    await using relay = await startRelay({ limits: LASTING });
    await using node = await startNode(relay, {}, { limits: QUICK_NODE });
    {
      using _clock = shiftClock(ms);
      assertEquals(await idsListed(relay), [node.server.id]);
      await untilRenewedTwice(node.log);
      assertEquals(await idsListed(relay), [node.server.id]);
    }
    await untilRenewedTwice(node.log); // and when it is set right again
    assertEquals(relay.log.names.filter((name) => name.startsWith("node_")), [
      "node_registered",
    ]);
    assertEquals(node.log.names.includes("registration_failed"), false);
  });
}

async function untilRenewedTwice(log: EventLog<NodeEvent>): Promise<void> {
  for (let n = 0; n < 2; n++) {
    const seen = new Set(log.events);
    await log.until("renewed", (event) => !seen.has(event));
  }
}

for (const plaintext of [false, true]) {
  Deno.test(`row 18: a frame cut off by the end of the stream is reported as truncated${plaintext ? ", in plaintext" : ""}`, async () => {
    await using relay = await startRelay({ plaintext });
    const peer = plaintext ? null : relay.identity;
    const frame = encodeMessage({ kind: "report", ids: [alice.id] });
    for (const length of [1, 5, frame.length - 1]) {
      const channel = await openChannel(relay.server.address, peer);
      await greet(channel, { role: "client" });
      await writeAll(channel.conn, frame.subarray(0, length));
      await channel.conn.closeWrite();
      const answer = await channel.receive(["refused"]);
      assertEquals(answer?.code, "truncated");
      channel.conn.close();
    }
    await relay.log.until("refused", ({ reason }) => reason === "truncated");
    assertEquals(relay.log.names.includes("connection_failed"), false);
  });
}

Deno.test("row 30, row 31: of two nodes with one identity the newer is always listed, and the older reports why it is not", async () => {
  await using relay = await startRelay({ limits: LASTING });
  const options = { identity: alice, limits: QUICK_NODE };
  await using older = await startNode(relay, {}, { ...options, name: "older" });
  {
    await using newer = await startNode(relay, {}, {
      ...options,
      name: "newer",
    });
    const failed = older.log.until("registration_failed");
    const listings: string[] = [];
    const listOnce = async () => {
      const { nodes } = await listNodes({ relay: addressOf(relay) });
      listings.push(nodes.map(({ name }) => name).join());
    };
    const over = failed.then(() => true);
    while (await Promise.race([over, listOnce()]) !== true);
    assertEquals(new Set(listings), new Set(["newer"]));
    const { error } = await failed;
    assertEquals(error.parts.remedyCode, "own_state", error.message);
    const refused = await relay.log.until("refused");
    assertEquals(refused.reason, "identity_used_twice");
    await untilRenewedTwice(newer.log);
  }
  // The newer has left: its place is free.
  const registered = await relay.log.until(
    "node_registered",
    (event) => event !== relay.log.events.find(isRegistered),
  );
  assertEquals(registered.name, "older");
});

function isRegistered({ event }: { event: string }): boolean {
  return event === "node_registered";
}

Deno.test(
  "row 33: of the nodes of one address 32 are listed, and the others are refused",
  {
    ignore: Deno.build.os !== "linux", // from 127.0.0.1 any number may come
  },
  async () => {
    await using relay = await startRelay();
    const makeIdentity = await identityMaker();
    const answers: string[] = [];
    for (let n = 0; n < 40; n++) {
      const { address } = relay.server;
      await using channel = await openChannelFrom("127.0.0.2", address);
      answers.push(await registerOver(channel, relay, await makeIdentity()));
    }
    assertEquals(answers, [
      ...Array<string>(LIMITS.nodesPerAddressCount).fill("registered"),
      ...Array<string>(40 - LIMITS.nodesPerAddressCount).fill(
        "too_many_nodes_for_address",
      ),
    ]);
    await relay.log.until(
      "refused",
      ({ reason }) => reason === "too_many_nodes_for_address",
    );
  },
);

Deno.test("row 35: a stopped node is listed until its lease ends, and returns by itself", async () => {
  using clock = new ForwardClock();
  await using relay = await startRelay({
    limits: { renewSeconds: 5, leaseSeconds: 600 }, // no node renews more often
  });
  const { port } = relay.server.address;
  await using node = await spawnNode(String(port), "files/one");
  node.signal("SIGSTOP");
  try {
    clock.pass(300_000);
    assertEquals(relay.server.nodeCount, 1);
    clock.pass(300_000);
    const left = await relay.log.until("node_left");
    assertEquals([left.id, left.how], [node.id, "expired"]);
    assertEquals(await idsListed(relay), []);
  } finally {
    node.signal("SIGCONT");
  }
  const first = relay.log.events.find(isRegistered);
  await relay.log.until("node_registered", (event) => event !== first);
  assertEquals(await idsListed(relay), [node.id]);
});

Deno.test("row 39: after a restart of the relay all nodes are listed within one lease, and serve meanwhile", async () => {
  const [nodeCount, identity] = [30, relayIdentity];
  const at = ownAddress();
  const limits = { ...QUICK, leaseSeconds: 30 };
  const first = await startRelay({ ...at, identity, limits });
  await using nodes = new AsyncDisposableStack();
  const started = await Promise.all(
    Array.from({ length: nodeCount }, async () =>
      nodes.use(
        await startNode(first, { f: "of all" }, { limits: QUICK_NODE }),
      )),
  );
  const known = await listNodes({ relay: addressOf(first) });
  await first.server.close();
  await within(
    Promise.all(started.map(({ log }) => log.until("registration_failed"))),
    "that all nodes have noticed",
  );
  await using file = await fetchFile({
    relay: addressOf(first),
    nodes: known.nodes,
    name: "f",
  });
  await Array.fromAsync(file.pieces());
  const startedAt = performance.now();
  await using second = await startRelay({ ...at, identity, limits });
  while (second.server.nodeCount < nodeCount) {
    await second.log.until(
      "node_registered",
      () => second.server.nodeCount === nodeCount,
    );
  }
  assertLess(performance.now() - startedAt, 1_000 * limits.leaseSeconds);
  assertEquals((await idsListed(second)).length, nodeCount);
});

Deno.test("row 45: a client that requests pages and reads none is disconnected, and delays nobody", async () => {
  await using relay = await startRelay({
    limits: { nodesPerAddressCount: 100, controlWriteStallMs: 500 },
  });
  const makeIdentity = await identityMaker();
  for (let n = 0; n < 70; n++) await register(relay, await makeIdentity());
  const channel = await greeted(relay);
  const ask = encodeMessage({ kind: "list" });
  // As many as are let through at once: 12 MiB of answers, more than the system
  // takes. On a busy machine it may be disconnected before the last of them.
  for (let n = 0; n < LIMITS.controlBurstCount - 2; n++) {
    await writeAll(channel.conn, ask).catch(() => {});
  }
  assertEquals((await idsListed(relay)).length, 70);
  const refused = await relay.log.until("refused");
  assertEquals(refused.reason, "slow_consumer");
  channel.conn.close();
});

for (
  const [what, frame, outcome] of [
    ["a well-formed id", encodeMessage({ kind: "report", ids: [alice.id] }), {
      kind: "reported",
      outcomes: ["unknown"],
    }],
    // It may name nodes that the index named wrongly, and none that seem dead.
    ["no id", report(), { kind: "reported", outcomes: [] }],
    ["65 ids", report(...Array(65).fill(alice.id)), "bad_message"],
    ["an id that is too short", report(alice.id.slice(1)), "bad_message"],
    ["an id that is a number", report(52), "bad_message"],
    ["an id of 60 KiB", report("a".repeat(60 * 1024)), "bad_message"],
    ["an id of 1 MiB", report("a".repeat(1024 ** 2)), "frame_too_large"],
    ["a cursor that is too long", list("1".repeat(129)), "bad_message"],
    ["a cursor of another kind", list({}), "bad_message"],
    ["a cursor from nowhere", list("9.9.9.9"), {
      kind: "nodes",
      count: 0,
      nodes: [],
    }],
  ] as const
) {
  Deno.test(`row 46: a relay asked with ${what} answers or refuses`, async () => {
    await using relay = await startRelay();
    const channel = await greeted(relay);
    // A frame that is refused by its header is not taken to its end.
    const writing = writeAll(channel.conn, frame).catch(() => {});
    const answer = await channel.receive(["reported", "nodes", "refused"]);
    const found: unknown = answer?.kind === "refused" ? answer.code : answer;
    assertEquals(found, outcome);
    channel.conn.close();
    await writing;
  });
}

function report(...ids: unknown[]): Uint8Array {
  return encodeFrame(0x26, new TextEncoder().encode(JSON.stringify({ ids })));
}

function list(cursor: unknown): Uint8Array {
  const body = new TextEncoder().encode(JSON.stringify({ cursor }));
  return encodeFrame(0x24, body);
}

const RELAY_HELLO = encodeMessage({
  kind: "hello",
  protocol: 1,
  role: "relay",
  id: relayIdentity.id,
  nonce: new Uint8Array(32).toBase64(),
});

/** Answers of a relay that is not one, or has gone mad. */
const MAD_ANSWERS: readonly (readonly [string, Uint8Array])[] = [
  ["a frame of 4 GiB", Uint8Array.of(0x21, 255, 255, 255, 255)],
  ["noise", randomBytes(50_000, seededRandom(48))],
  ["a frame of 5 KiB", encodeFrame(0x21, new Uint8Array(5_000))],
  ["a lease of minus one second", registered(-1, 20)],
  ["a lease without end", registered(1e400, 20)],
  ["a renewal in half a second", registered(60, 0.5)],
  ["what a node says", encodeFrame(0x20, new TextEncoder().encode("{}"))],
  ["file bytes", encodeFrame(0x60, new Uint8Array(100))],
  ["nothing", new Uint8Array()],
];

function registered(leaseSeconds: number, renewSeconds: number): Uint8Array {
  // Not by JSON.stringify, which has no word for infinity.
  const lease = leaseSeconds === Infinity ? "1e400" : leaseSeconds;
  const body = `{"leaseSeconds":${lease},"renewSeconds":${renewSeconds}}`;
  return encodeFrame(0x21, new TextEncoder().encode(body));
}

/** Listens as the relay; greets, waits for a question, answers as it likes. */
function startMadRelay(answer: Uint8Array) {
  return listen({
    at: { host: "127.0.0.1", port: 0 },
    identity: relayIdentity,
    limits: LIMITS,
    connectionsPerAddressCount: 64,
    incidents: new Incidents(0, () => {}),
    handle: async ({ conn, settle }: Accepted) => {
      settle();
      await writeAll(conn, RELAY_HELLO);
      let length = 0;
      const buffer = new Uint8Array(4_096);
      const hello = encodeMessage({ kind: "hello", protocol: 1, role: "node" });
      while (length <= hello.length + 2) {
        length += await conn.read(buffer) ?? Infinity;
      }
      await writeAll(conn, answer);
      await conn.closeWrite();
      while (await conn.read(buffer) !== null);
    },
  });
}

for (const [what, answer] of MAD_ANSWERS) {
  Deno.test(`row 48: a relay that answers with ${what} harms neither node nor client`, async () => {
    const mad = await startMadRelay(answer);
    await using stack = new AsyncDisposableStack();
    stack.defer(() => mad.close());
    const relay = { ...mad.address, id: relayIdentity.id };
    const folder = stack.use(await tempShare({ f: "still here" }));
    const log = new EventLog<NodeEvent>();
    const node = stack.use(
      await serveNode({
        relay,
        host: "127.0.0.1",
        port: 0,
        identity: alice,
        directory: folder.path,
        limits: QUICK_NODE,
        onEvent: log.onEvent,
      }),
    );
    const failed = await log.until("registration_failed");
    assertEquals(failed.error.kind, "relay");
    const error = await assertRejects(
      () => within(listNodes({ relay }), "the end of a listing"),
      Failure,
    );
    assertEquals(error.kind, "relay", error.message);
    // Who knows the node is served as ever.
    const channel = await openChannel(node.address, alice);
    await using _channel = channel;
    await greet(channel, { role: "client" });
    await channel.send({ kind: "find", request: 1, name: "f" });
    const found = await channel.receive(["found", "refused"]);
    assertEquals(found?.kind === "found" && found.size, 10);
    assertEquals(
      log.names.filter((name) => name === "registration_failed").length,
      1,
      "one cause is reported once",
    );
  });
}

Deno.test("row 49: a listing full of dead addresses only delays a client", async () => {
  await using relay = await startRelay();
  const makeIdentity = await identityMaker();
  await using stack = new AsyncDisposableStack();
  // Connects, and says nothing: worse than what refuses at once.
  const silent = stack.use(Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  const dead = { host: "127.0.0.1", port: silent.addr.port };
  const refusing = { host: "127.0.0.1", port: 9 };
  for (let n = 0; n < 20; n++) {
    const addresses = n % 2 === 0 ? [dead] : [refusing, dead, dead];
    await register(relay, await makeIdentity(), { addresses });
  }
  await using _live = await startNode(relay, { f: "found" });
  const startedAt = performance.now();
  const limits = { connectMs: 3_000 };
  await using file = await within(
    fetchFile({ relay: addressOf(relay), name: "f", limits }),
    "the file",
  );
  const pieces = await Array.fromAsync(file.pieces(), (piece) => piece.slice());
  assertEquals(await new Blob(pieces).text(), "found");
  // Three rounds of eight nodes each; one after the other they take 90 seconds.
  assertLess(performance.now() - startedAt, 45_000);
});
