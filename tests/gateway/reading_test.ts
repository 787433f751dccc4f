/**
 * How the gateway reads from nodes: verified, in order, with little ahead of
 * the reader, over connections that are kept.
 */

import { Buffer } from "node:buffer";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { startNode, startRelay, type TestNode } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { WebClient } from "../http/_web_client.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { serveGateway } from "../../lib/gateway/server.ts";
import type { GatewayEvent, GatewayOptions } from "../../lib/gateway/server.ts";
import { EventLog, within } from "../_event_log.ts";
import { sendWrongBytes, stall } from "../_lies.ts";
import { NodeSessions } from "../../lib/gateway/node_sessions.ts";
import type { ListedNode } from "../../lib/client/nodes.ts";
import type { Peers } from "../../lib/client/peers.ts";
import { FakeTime } from "../_fake_time.ts";
import { startLyingNode } from "../client/_setting.ts";

const MIB = 1024 * 1024;
const FILM = randomBytes(12 * MIB + 12_345, seededRandom(41));

async function setting(
  { nodeCount = 1, options = {} }: {
    nodeCount?: number;
    options?: Partial<GatewayOptions>;
  } = {},
) {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await startRelay());
  const nodes: TestNode[] = [];
  for (let n = 0; n < nodeCount; n++) {
    const name = `node${n}`;
    const node = await startNode(relay, { "film.mkv": FILM }, { name });
    nodes.push(stack.use(node));
  }
  const log = new EventLog<GatewayEvent>();
  const server = stack.use(
    await serveGateway({
      relay: { ...relay.server.address, id: relay.identity.id },
      listen: { host: "127.0.0.1", port: 0 },
      onEvent: log.onEvent,
      ...options,
    }),
  );
  const moved = stack.move();
  return {
    ...{ relay, nodes, server, log },
    client: () => WebClient.to(server.address),
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

function assertSame(found: Uint8Array, wanted: Uint8Array): void {
  assertEquals(found.length, wanted.length);
  assertEquals(
    Buffer.from(found.buffer, found.byteOffset, found.length).equals(wanted),
    true,
  );
}

Deno.test("Gateway sends a whole file, and any part of it, as its nodes have it", async () => {
  await using there = await setting({ nodeCount: 2 });
  using client = await there.client();
  const whole = await client.ask("GET /files/film.mkv");
  assertEquals(whole.status, 200);
  assertSame(whole.body, FILM);
  const etag = whole.fields.get("etag")!;
  for (
    const [first, end] of [[0, 1], [FILM.length - MIB, FILM.length], [
      MIB - 1,
      MIB + 1,
    ], [
      FILM.length - 500,
      FILM.length,
    ], [3 * MIB, 5 * MIB + 7]] as const
  ) {
    const part = await client.ask("GET /files/film.mkv", {
      Range: `bytes=${first}-${end - 1}`,
      "If-Range": etag,
    });
    assertEquals([first, part.status, part.fields.get("content-range")], [
      first,
      206,
      `bytes ${first}-${end - 1}/${FILM.length}`,
    ]);
    assertEquals(
      part.fields.get("content-range"),
      `bytes ${first}-${end - 1}/${FILM.length}`,
    );
    assertSame(part.body, FILM.subarray(first, end));
  }
  const head = await client.ask("HEAD /files/film.mkv");
  assertEquals(head.fields.get("content-length"), String(FILM.length));
  const id = etag.replaceAll('"', "");
  const content = await client.ask(`GET /content/${id}/any.mkv`, {
    Range: "bytes=-9",
  });
  assertSame(content.body, FILM.subarray(-9));
  assertEquals(
    content.fields.get("cache-control"),
    "public, max-age=31536000, immutable",
  );
});

Deno.test("Gateway keeps its connection to a node between requests", async () => {
  // Listing all files again takes a connection of its own.
  const limits = { gatewayListFreshMs: 600_000, gatewayNodeIdleMs: 600_000 };
  await using there = await setting({ options: { limits } });
  using client = await there.client();
  const connections = () =>
    there.nodes[0]!.server.stats().handshakes.counts.reduce((a, b) => a + b);
  await ask(client, 0, 99);
  const before = connections();
  for (let n = 1; n < 20; n++) {
    const first = (n * 7_919_777) % FILM.length;
    await ask(client, first, first + 99);
  }
  assertEquals(connections(), before);
});

/** Asks for some bytes, and compares them. */
async function ask(client: WebClient, first: number, last: number) {
  const part = await client.ask("GET /files/film.mkv", {
    Range: `bytes=${first}-${last}`,
  });
  assertSame(part.body, FILM.subarray(first, last + 1));
}

for (
  const [what, limits] of [
    ["its window", { gatewayWindowBytes: MIB }],
    ["the small window of many readers", {
      gatewayWindowBytes: 1_000 * MIB,
      gatewaySmallWindowBytes: MIB,
      gatewayReadersBytes: 0,
    }],
  ] as const
) {
  Deno.test(`Gateway reads no more for a player that pauses than ${what}, and serves others`, async () => {
    await using there = await setting({
      options: {
        limits: { gatewayNodeConnectionCount: 1, ...limits },
      },
    });
    using player = await there.client();
    await player.send(
      "GET /files/film.mkv HTTP/1.1\r\nHost: localhost\r\n\r\n",
    );
    await player.take(1_000);
    using other = await there.client();
    // These come by the same connection, behind what the player was asked for.
    for (let n = 0; n < 8; n++) await ask(other, n * MIB / 4, n * MIB / 4 + 9);
    const sent = there.nodes[0]!.server.stats().sentBytes;
    const few = 8 * MIB / 4; // whole pieces
    assert(sent < FILM.length + few - 4 * MIB, `${sent} bytes`);
    const rest = await player.take(FILM.length - 1_000);
    assertEquals(
      rest.length,
      FILM.length - 1_000,
      "it goes on when the player does",
    );
  });
}

Deno.test("Gateway ends a request when its client disconnects, and serves the next at once", async () => {
  await using there = await setting({
    options: { limits: { gatewayDrainBytes: 0 } },
  });
  const player = await there.client();
  await player.send("GET /files/film.mkv HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await player.take(5 * MIB);
  player[Symbol.dispose]();
  using next = await there.client();
  await ask(next, FILM.length - 100, FILM.length - 1);
  const states = async (): Promise<string[]> => {
    const { text } = await next.ask("GET /api/transfers");
    return JSON.parse(text).transfers.map(({ state }: { state: string }) =>
      state
    );
  };
  let seen = await states();
  while (seen[0] === "running") seen = await states();
  assertEquals(seen, ["cancelled", "done"]);
  const { sentBytes } = there.nodes[0]!.server.stats();
  assert(sentBytes < FILM.length, `${sentBytes} bytes`);
});

Deno.test("Gateway gives up what it reads for a client that has disconnected, also from a node that stalls", async () => {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await startRelay());
  let asked = Promise.withResolvers<void>();
  stack.use(
    await startLyingNode(relay, { "film.mkv": FILM }, {
      piece: (channel, piece) => {
        asked.resolve();
        return stall(channel, piece);
      },
    }),
  );
  const server = stack.use(
    await serveGateway({
      relay: { ...relay.server.address, id: relay.identity.id },
      listen: { host: "127.0.0.1", port: 0 },
      // A node may stall for longer than this test waits.
      limits: { ...LIMITS, pieceStallMs: 600_000, webConnectionCount: 2 },
    }),
  );
  using client = await WebClient.to(server.address);
  for (let n = 0; n < 3; n++) {
    asked = Promise.withResolvers();
    const film = await WebClient.to(server.address);
    await film.send("GET /files/film.mkv HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await within(asked.promise, "a request for a piece");
    film[Symbol.dispose]();
    for (let isOver = false; !isOver;) {
      const { text } = await client.ask("GET /api/transfers");
      const { transfers } = JSON.parse(text);
      isOver = transfers.length > n &&
        transfers.every(({ state }: { state: string }) =>
          state === "cancelled"
        );
    }
  }
});

Deno.test("Gateway sends no wrong byte of a lying node, and reports the node", async () => {
  await using relay = await startRelay();
  const film = FILM.slice(0, 3 * MIB);
  await using _liar = await startLyingNode(relay, { "film.mkv": film }, {
    piece: sendWrongBytes,
  });
  await using _honest = await startNode(relay, { "film.mkv": film }, {
    name: "honest",
  });
  const log = new EventLog<GatewayEvent>();
  await using server = await serveGateway({
    relay: { ...relay.server.address, id: relay.identity.id },
    listen: { host: "127.0.0.1", port: 0 },
    onEvent: log.onEvent,
  });
  using client = await WebClient.to(server.address);
  const { status, body } = await client.ask("GET /files/film.mkv");
  assertEquals(status, 200);
  assertSame(body, film);
  const { kind } = await log.until("node_trouble");
  assertEquals(kind, "lied");
});

Deno.test("Gateway answers 502 with each node's reason if no node that has a file delivers it", async () => {
  await using relay = await startRelay();
  const film = FILM.slice(0, 3 * MIB);
  await using _liar = await startLyingNode(relay, { "film.mkv": film }, {
    piece: sendWrongBytes,
  });
  await using server = await serveGateway({
    relay: { ...relay.server.address, id: relay.identity.id },
    listen: { host: "127.0.0.1", port: 0 },
  });
  using client = await WebClient.to(server.address);
  const { status, text } = await client.ask("GET /files/film.mkv");
  assertEquals(status, 502);
  assertMatch(text, /^Cannot verify file \(film\.mkv\): /);
  assertMatch(text, /\ntried:\n {2}mallory: \S.*\n$/);
  const head = await client.ask("HEAD /files/film.mkv");
  assertEquals(head.status, 200, "a head asks for no bytes");
});

Deno.test("Gateway answers 503 if readers hold gatewayLargePiecesBytes, until one of them has disconnected", async () => {
  await using there = await setting({
    options: {
      limits: {
        gatewayWindowBytes: 256 * 1024,
        gatewaySmallWindowBytes: 128 * 1024,
        gatewayLargePiecesBytes: 256 * 1024,
      },
    },
  });
  const first = await there.client();
  await first.send("GET /files/film.mkv HTTP/1.1\r\nHost: localhost\r\n\r\n");
  assertEquals((await first.take(12)).length, 12); // its head has arrived
  using second = await there.client();
  const { status, fields, text } = await second.ask("GET /files/film.mkv");
  assertEquals([status, fields.get("retry-after")], [503, "5"]);
  assertMatch(text, /others read files with large pieces/);
  first[Symbol.dispose]();
  for (let again = 503; again === 503;) {
    again = (await second.ask("GET /files/film.mkv")).status;
  }
});

Deno.test("Gateway ends a body that no node can continue, so that the client sees it is too short", async () => {
  await using there = await setting({
    options: { limits: { gatewayWindowBytes: MIB } },
  });
  using client = await there.client();
  await client.send(
    "GET /files/film.mkv HTTP/1.1\r\nHost: localhost\r\n\r\n",
  );
  const start = new TextDecoder("latin1").decode(await client.take(1_000));
  assertMatch(start, new RegExp(`Content-Length: ${FILM.length}\r\n`));
  await there.nodes[0]!.server[Symbol.asyncDispose]();
  const rest = await client.take(FILM.length);
  assert(rest.length < FILM.length - 1_000, `${rest.length} bytes`);
  using stranger = await there.client();
  const later = await stranger.ask("GET /healthz");
  assertEquals(later.status, 200);
});

Deno.test("A paused player holds no connection to a node, and can continue at any time", async () => {
  await using there = await setting({
    options: { limits: { gatewayNodeIdleMs: 0, gatewayWindowBytes: MIB } },
  });
  const node = there.nodes[0]!;
  using player = await there.client();
  await player.send(
    "GET /files/film.mkv HTTP/1.1\r\nHost: localhost\r\n\r\n",
  );
  await player.take(1_000);
  using other = await there.client();
  let asked = 0;
  for (; node.server.connectionCount > 0 && asked < 5_000; asked++) {
    await other.ask("GET /healthz");
  }
  assertEquals(node.server.connectionCount, 0);
  const rest = await player.take(FILM.length - 1_000);
  assertEquals(rest.length, FILM.length - 1_000);
});

for (
  const [rememberMs, again] of [[60_000, 0], [0, 3]] as const
) {
  Deno.test(`Gateway asks ${again} times again for a name, with gatewayRememberMs of ${rememberMs}`, async () => {
    await using there = await setting({
      options: { limits: { gatewayRememberMs: rememberMs } },
    });
    using client = await there.client();
    const finds = () => there.nodes[0]!.server.stats().requests["find"] ?? 0;
    await ask(client, 0, 9);
    const before = finds();
    for (const first of [1, 2, 3]) await ask(client, first, first + 9);
    assertEquals(finds() - before, again);
  });
}

for (
  const [manifestBytes, again] of [[MIB, 0], [0, 3]] as const
) {
  Deno.test(`Gateway asks ${again} times again for hashes, with gatewayManifestBytes of ${manifestBytes}`, async () => {
    await using there = await setting({
      options: { limits: { gatewayManifestBytes: manifestBytes } },
    });
    using client = await there.client();
    const described = () =>
      there.nodes[0]!.server.stats().requests["describe"] ?? 0;
    await ask(client, 0, 9);
    const before = described();
    for (const first of [1, 2, 3]) await ask(client, first, first + 9);
    assertEquals(described() - before, again);
  });
}

/** Sessions that are opened at once, and fail when the test wants it. */
function fakePeers() {
  const opened: { failure: Error | null; isEnded: boolean }[] = [];
  const open = () => {
    const session = {
      failure: null,
      isEnded: false,
      abort: () => {},
      [Symbol.asyncDispose]: () => {
        session.isEnded = true;
        return Promise.resolve();
      },
    };
    opened.push(session);
    return Promise.resolve({ session });
  };
  return { opened, peers: { open } as unknown as Peers };
}

const LIMITED = { mostCount: 2, mostOfAllCount: 3 };

Deno.test("NodeSessions ends the connection that is unused for longest beyond gatewayAllNodeConnectionCount", async () => {
  const { opened, peers } = fakePeers();
  await using sessions = new NodeSessions({ ...LIMITED, peers, idleMs: 1e6 });
  const leases = [];
  for (const id of ["a", "b", "c"]) {
    leases.push(await sessions.lease({ id } as ListedNode));
  }
  for (const n of [1, 0]) leases[n]!.release();
  for (const id of ["d", "e", "f"]) await sessions.lease({ id } as ListedNode);
  const ended = opened.map(({ isEnded }) => isEnded);
  // Those that are used stay, however many there are.
  assertEquals(ended, [true, true, false, false, false, false]);
  leases[2]!.release();
  await sessions.lease({ id: "c" } as ListedNode);
  assertEquals(opened.length, 6);
});

Deno.test("NodeSessions opens gatewayNodeConnectionCount connections, then shares them", async () => {
  const { opened, peers } = fakePeers();
  await using sessions = new NodeSessions({ ...LIMITED, peers, idleMs: 1e6 });
  const node = { id: "a" } as ListedNode;
  const first = await sessions.lease(node);
  first.release();
  const again = await sessions.lease(node);
  await sessions.lease(node);
  const third = await sessions.lease(node);
  assertEquals([opened.length, third.users], [2, 2]);
  assertEquals(again.session, first.session);
  opened[0]!.failure = new Error("gone");
  opened[1]!.failure = new Error("gone");
  await sessions.lease(node);
  assertEquals(opened.length, 3);
});

Deno.test("NodeSessions ends a connection that is unused for gatewayNodeIdleMs", async () => {
  using time = new FakeTime();
  const { opened, peers } = fakePeers();
  await using sessions = new NodeSessions({ ...LIMITED, peers, idleMs: 20 });
  const lease = await sessions.lease({ id: "a" } as ListedNode);
  await time.advance(100);
  assertEquals(opened[0]!.isEnded, false);
  lease.release();
  await time.advance(19);
  assertEquals(opened[0]!.isEnded, false);
  await time.advance(1);
  assertEquals(opened[0]!.isEnded, true);
});
