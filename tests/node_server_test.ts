import { assertEquals, assertExists, assertRejects } from "@std/assert";
import { join } from "@std/path";
import type { Channel } from "../lib/channel.ts";
import { writeAll } from "../lib/conn.ts";
import { Failure } from "../lib/errors.ts";
import { encodeFrame } from "../lib/frame.ts";
import { sha256 } from "../lib/hash.ts";
import type { Identity } from "../lib/identity.ts";
import { encodeMessage, type MessageOf } from "../lib/messages.ts";
import { serveNode } from "../lib/node_server.ts";
import { receiveFile } from "../lib/transfer.ts";
import { EventLog, within } from "./_event_log.ts";
import {
  IDENTITIES,
  openChannel,
  startNode,
  startRelay,
  type TestNode,
} from "./_network.ts";
import { randomBytes, seededRandom } from "./_random.ts";

const NODE = IDENTITIES[1] as Identity;
const PIECE = 256 * 1024;

/** A channel that has greeted the node. */
async function greeted(node: TestNode): Promise<Channel> {
  const channel = await openChannel(node.server.address, NODE);
  await channel.send({ kind: "hello", protocol: 1, role: "client" });
  const hello = await channel.receive(["hello"]);
  assertEquals(hello, {
    kind: "hello",
    protocol: 1,
    role: "node",
    id: NODE.id,
  });
  channel.openUp();
  return channel;
}

function find(
  channel: Channel,
  name: string,
): Promise<MessageOf<"found" | "refused"> | null> {
  void channel.send({ kind: "find", request: 7, name });
  return channel.receive(["found", "refused"]);
}

/** What a read brings: hashes of the pieces, or the code of a refusal. */
async function read(
  channel: Channel,
  { name, version, size }: { name: string; version: string; size: number },
): Promise<string[]> {
  await channel.send({ kind: "read", request: 8, name, version });
  const parts: string[] = [];
  for await (const part of receiveFile(channel, { request: 8, size })) {
    parts.push(part.kind === "piece" ? part.sha256 : part.code);
  }
  return parts;
}

Deno.test("A node says whether it has a file, with its size", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, { "a/1.txt": "one" }, {
    identity: NODE,
  });
  await using channel = await greeted(node);
  const found = await find(channel, "a/1.txt");
  assertEquals(found?.kind === "found" && [found.request, found.size], [7, 3]);
  const refused = await find(channel, "2.txt");
  assertEquals(refused?.kind === "refused" && [refused.code, refused.request], [
    "not_found",
    7,
  ]);
});

for (
  const name of [
    "../secret",
    "/etc/passwd",
    "a//1.txt",
    "",
    "a\0",
    "a\x1b[2J",
    "a".repeat(1_024),
  ]
) {
  Deno.test(`A node has no file named ${JSON.stringify(name.slice(0, 12))}, and says no more`, async () => {
    await using relay = await startRelay();
    await using node = await startNode(relay, { "1.txt": "one" }, {
      identity: NODE,
    });
    await using channel = await greeted(node);
    const answer = await find(channel, name);
    assertEquals(answer?.kind === "refused" && answer, {
      kind: "refused",
      code: "not_found",
      text: "no such file here",
      request: 7,
    });
  });
}

Deno.test("A node sends a file in pieces, each with its hash", async () => {
  await using relay = await startRelay();
  const content = randomBytes(2 * PIECE + 1, seededRandom(1));
  await using node = await startNode(relay, { "f": content }, {
    identity: NODE,
  });
  await using channel = await greeted(node);
  const found = await find(channel, "f");
  assertEquals(found?.kind, "found");
  if (found?.kind !== "found") return;
  const hashes = [0, PIECE, 2 * PIECE].map((from) =>
    sha256(content.subarray(from, from + PIECE)).toHex()
  );
  assertEquals(await read(channel, { ...found, name: "f" }), hashes);
  // And once more on the same connection.
  assertEquals(await read(channel, { ...found, name: "f" }), hashes);
  const sent = await node.log.until("file_sent");
  assertEquals([sent.name, sent.bytes, sent.outcome], [
    "f",
    content.length,
    "completed",
  ]);
});

Deno.test("A node refuses to read what changed, went, or never was", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, { "f": "one", "g": "two" }, {
    identity: NODE,
  });
  await using channel = await greeted(node);
  const f = await find(channel, "f");
  const g = await find(channel, "g");
  if (f?.kind !== "found" || g?.kind !== "found") throw new Error("not found");
  await Deno.writeTextFile(join(node.directory, "f"), "other");
  await Deno.remove(join(node.directory, "g"));
  assertEquals(await read(channel, { ...f, name: "f" }), ["changed"]);
  assertEquals(await read(channel, { ...g, name: "g" }), ["gone"]);
  assertEquals(await read(channel, { ...g, name: "never" }), ["gone"]);
  assertEquals(await read(channel, { ...f, name: "../f" }), ["gone"]);
});

for (
  const [how, alter] of [
    [
      "grows",
      (path: string) => Deno.writeTextFile(path, "x", { append: true }),
    ],
    ["is cut", (path: string) => Deno.truncate(path, PIECE + 1)],
  ] as const
) {
  Deno.test(`A node stops with "changed" when a file ${how} while it is sent`, async () => {
    await using relay = await startRelay();
    const content = randomBytes(64 * PIECE, seededRandom(2));
    await using node = await startNode(relay, { "f": content }, {
      identity: NODE,
    });
    await using channel = await greeted(node);
    const found = await find(channel, "f");
    if (found?.kind !== "found") throw new Error("not found");
    const { version, size } = found;
    await channel.send({ kind: "read", request: 8, name: "f", version });
    const parts = receiveFile(channel, { request: 8, size });
    // The node is held back by what is not read: it cannot be done yet.
    const first = await parts.next();
    assertEquals(!first.done && first.value.kind, "piece");
    await alter(join(node.directory, "f"));
    let last = first.value;
    let index = 0;
    for await (const part of parts) {
      last = part;
      if (part.kind !== "piece") continue;
      index = part.index;
      const wanted = content.subarray(index * PIECE, (index + 1) * PIECE);
      assertEquals(part.bytes, wanted, "never a mixture");
    }
    assertEquals(last?.kind === "refused" && last.code, "changed");
    assertEquals(index < 63, true);
    await node.log.until("file_sent", ({ outcome }) => outcome === "changed");
  });
}

for (
  const [what, frame, code] of [
    ["file bytes", encodeFrame(0x60, new Uint8Array(8)), "wrong_phase"],
    [
      "a second hello",
      encodeMessage({ kind: "hello", protocol: 1, role: "client" }),
      "wrong_phase",
    ],
    ["a relay's message", encodeMessage({ kind: "list" }), "wrong_phase"],
    [
      "a length of 4 GiB",
      Uint8Array.of(0x40, 255, 255, 255, 255),
      "frame_too_large",
    ],
    [
      "a request id of -1",
      encodeFrame(0x40, new TextEncoder().encode('{"request":-1,"name":"a"}')),
      "bad_message",
    ],
    [
      "a request id of 2^32",
      encodeFrame(
        0x40,
        new TextEncoder().encode('{"request":4294967296,"name":"a"}'),
      ),
      "bad_message",
    ],
    [
      "a name of 1,025 characters",
      encodeMessage({ kind: "find", request: 1, name: "a".repeat(1_025) }),
      "bad_message",
    ],
  ] as const
) {
  Deno.test(`A node ends a client that sends ${what}, and serves others on`, async () => {
    await using relay = await startRelay();
    await using node = await startNode(relay, { "1.txt": "one" }, {
      identity: NODE,
    });
    await using good = await greeted(node);
    const bad = await greeted(node);
    await writeAll(bad.conn, frame);
    const answer = await bad.receive(["refused"]);
    assertEquals(answer?.code, code);
    bad.conn.close();
    await node.log.until("refused", ({ reason }) => reason === code);
    assertEquals((await find(good, "1.txt"))?.kind, "found");
  });
}

Deno.test("A node serves one client while another does not read", async () => {
  await using relay = await startRelay();
  const content = randomBytes(64 * PIECE, seededRandom(3));
  await using node = await startNode(
    relay,
    { "big": content, "1.txt": "one" },
    { identity: NODE },
  );
  const cathy = await greeted(node);
  const big = await find(cathy, "big");
  if (big?.kind !== "found") throw new Error("not found");
  const { version } = big;
  await cathy.send({ kind: "read", request: 8, name: "big", version });
  await using bob = await greeted(node);
  for (let n = 0; n < 20; n++) {
    const found = await within(find(bob, "1.txt"), "an answer to bob");
    if (found?.kind !== "found") throw new Error("not found");
    const one = sha256(new TextEncoder().encode("one")).toHex();
    assertEquals(await within(read(bob, { ...found, name: "1.txt" }), "bob"), [
      one,
    ]);
  }
  cathy.conn.close();
  await node.log.until("file_sent", ({ outcome }) => outcome === "aborted");
});

Deno.test("A node cuts off a client that reads nothing for the stall time", async () => {
  await using relay = await startRelay();
  const content = randomBytes(64 * PIECE, seededRandom(4));
  await using node = await startNode(relay, { "big": content }, {
    identity: NODE,
    limits: { dataWriteStallMs: 100 },
  });
  const cathy = await greeted(node);
  const big = await find(cathy, "big");
  if (big?.kind !== "found") throw new Error("not found");
  const { version } = big;
  await cathy.send({ kind: "read", request: 8, name: "big", version });
  await node.log.until("refused", ({ reason }) => reason === "slow_consumer");
  cathy.conn.close();
});

Deno.test("A node serves on while its relay is away, and leaves without it", async () => {
  const relay = await startRelay();
  await using node = await startNode(relay, { "1.txt": "one" }, {
    identity: NODE,
  });
  await relay.server.close();
  await using channel = await greeted(node);
  assertEquals((await find(channel, "1.txt"))?.kind, "found");
  await within(node.server.close(), "leaving");
});

Deno.test("A node starts while its relay is away, and says so once", async () => {
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
      "the host it was told",
      { advertise: { host: "nas.local" } },
      (port: number) => `nas.local:${port}`,
    ],
    ["the host and port it was told", {
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

Deno.test("A node has a name made from its id when it is given none", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, {});
  const { name } = await relay.log.until("node_registered");
  assertEquals(name, `node-${node.server.id.slice(0, 6)}`);
});

Deno.test("serveNode says when its folder cannot be shared, and leaves nothing open", async () => {
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

Deno.test("serveNode tells what it shares and what it skips", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, {
    "1.txt": "one",
    "trailing.": "",
  });
  const sharing = await node.log.until("sharing");
  assertEquals([sharing.files, sharing.skipped.name], [1, 1]);
  assertExists(node.log.events.find(({ event }) => event === "node_listening"));
});
