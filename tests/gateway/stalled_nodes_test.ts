/**
 * Nodes that say that they have a content, and then send nothing of it: a gateway
 * reads from the others.
 */

import { assert, assertEquals } from "@std/assert";
import { LIMITS, type Limits, limitsWith } from "../../lib/base/limits.ts";
import { type Manifest, pieceBytesOf } from "../../lib/content/manifest.ts";
import { NodeSessions } from "../../lib/gateway/node_sessions.ts";
import { ReaderMemory } from "../../lib/gateway/reader_memory.ts";
import { serveGateway } from "../../lib/gateway/server.ts";
import { StalledNodes } from "../../lib/gateway/stalled_nodes.ts";
import { readVerified } from "../../lib/gateway/verified_read.ts";
import type { ListedNode } from "../../lib/client/nodes.ts";
import type { Peers } from "../../lib/client/peers.ts";
import type { PieceReceiver } from "../../lib/transfer/answers.ts";
import { delay } from "@std/async/delay";
import { within } from "../_event_log.ts";
import { type Lies, sendTooMany, stall } from "../_lies.ts";
import { startNode, startRelay } from "../_network.ts";
import { pinned } from "../client/_outcomes.ts";
import {
  CAROL,
  MALLORY,
  MIDDLE,
  startLyingNode,
  TRUDY,
} from "../client/_setting.ts";
import { WebClient } from "../http/_web_client.ts";

const ignore = () => Promise.resolve();

for (
  const [what, lies] of [
    ["describe it", { describe: ignore }],
    ["send it", { read: ignore }],
    ["do either", { describe: ignore, read: ignore }],
    ["send more than the half of a piece", { piece: stall }],
  ] as readonly (readonly [string, Lies])[]
) {
  Deno.test(`Gateway sends a whole file beside nodes that claim its content and do not ${what}`, async () => {
    await using relay = await startRelay();
    await using node = await startNode(relay, { "f": MIDDLE });
    await node.log.until("hashed");
    await using stack = new AsyncDisposableStack();
    const lying = [];
    for (const identity of [MALLORY, TRUDY, CAROL]) {
      const liar = await startLyingNode(relay, { "f": MIDDLE }, {
        ...{ identity, ...lies },
      });
      lying.push(stack.use(liar));
    }
    await using server = await serveGateway({
      relay: pinned(relay),
      listen: { host: "127.0.0.1", port: 0 },
      limits: {
        ...{ gatewayStallMs: 20, queryPatienceMs: 20 },
        // Otherwise nobody would be left, or a liar would be left out.
        ...{ pieceStallMs: 600_000, queryGraceMs: 60_000 },
      },
    });
    using client = await WebClient.to(server.address);
    const answer = await within(client.ask("GET /files/f"), "the file");
    assertEquals([answer.status, answer.body], [200, MIDDLE]);
    const kinds = lying.flatMap(({ asked }) => asked.map(({ kind }) => kind));
    assert(kinds.includes("find"));
  });
}

Deno.test("StalledNodes puts a node last for gatewayStalledMs after it has stalled", () => {
  const stalled = new StalledNodes(LIMITS);
  const [a, b, c] = [
    { node: { id: "a" } },
    { node: { id: "b" } },
    { node: { id: "c" } },
  ] as const;
  const holders = [a, b, c];
  stalled.note("a", 0);
  stalled.note("b", 1);
  const until = LIMITS.gatewayStalledMs;
  assertEquals(stalled.lastAmong(holders, until - 1), [c, a, b]);
  assertEquals(stalled.lastAmong(holders, until), [a, c, b]);
  assertEquals(stalled.lastAmong(holders, until + 1), holders);
});

Deno.test("Gateway sends a whole file beside a node that sends a byte more than was requested", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, { "f": MIDDLE });
  await node.log.until("hashed");
  await using _liar = await startLyingNode(relay, { "f": MIDDLE }, {
    piece: sendTooMany,
  });
  await using server = await serveGateway({
    relay: pinned(relay),
    listen: { host: "127.0.0.1", port: 0 },
    limits: { queryGraceMs: 60_000 },
  });
  using client = await WebClient.to(server.address);
  const answer = await within(client.ask("GET /files/f"), "the file");
  assertEquals([answer.status, answer.body], [200, MIDDLE]);
});

const MIB = 1024 * 1024;

/** What a node does with a request for pieces; `over` rejects at its end. */
type Read = (request: {
  readonly bytes: number;
  readonly receiver: PieceReceiver;
  readonly over: Promise<never>;
}) => Promise<void>;

/** Reads `size` bytes from nodes that send as `reads` say. */
async function readFrom(
  reads: Readonly<Record<string, Read>>,
  size: number,
  numbers: Partial<Limits>,
) {
  const limits = limitsWith({ gatewayStallMs: 100, ...numbers });
  const open = ({ id }: ListedNode) => {
    const { promise: over, reject } = Promise.withResolvers<never>();
    over.catch(() => {});
    const session = {
      failure: null as Error | null,
      abort: (error: Error) => reject(session.failure = error),
      read: ({ count }: { count: number }, receiver: PieceReceiver) =>
        reads[id]!({ bytes: count * pieceBytesOf(size), receiver, over }),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    return Promise.resolve({ session });
  };
  await using sessions = new NodeSessions({
    peers: { open } as unknown as Peers,
    ...{ mostCount: 4, mostOfAllCount: 256, idleMs: 20_000 },
  });
  const options = {
    manifest: { size, has: () => true } as unknown as Manifest,
    holders: Object.keys(reads).map((id) => ({
      node: { id, name: id } as unknown as ListedNode,
      of: "x",
    })),
    hasher: {
      hash: (bytes: Uint8Array) => Promise.resolve({ bytes, hashes: [] }),
    } as never,
    ...{ sessions, limits },
    memory: new ReaderMemory(limits),
    stalled: new StalledNodes(limits),
    signal: new AbortController().signal,
    ...{ from: () => {}, failed: () => {} },
  };
  let bytes = 0;
  for await (const part of readVerified({ start: 0, end: size }, options)) {
    bytes += part.length;
    await delay(5);
  }
  assertEquals(bytes, size);
}

/** Sends all that is requested in one frame, `rate` bytes a millisecond. */
function sendAt(rate: number): Read {
  return async ({ bytes, receiver }) => {
    for (let left = bytes; left > 0;) {
      const target = await receiver.target(left);
      await delay(target.length / rate);
      receiver.filled(target.length);
      left -= target.length;
    }
  };
}

Deno.test("Gateway asks no second node while one sends more than gatewayStallBytes in each gatewayStallMs, however large its frames are", async () => {
  let requested = 0;
  const slow: Read = (request) => {
    requested += request.bytes;
    return sendAt(1_000)(request);
  };
  // Each sends 100 KB in gatewayStallMs, and a frame takes 262 ms.
  await readFrom({ "a": slow, "b": slow }, 2 * MIB, {
    gatewayStallBytes: 16 * 1024,
  });
  assertEquals(requested, 2 * MIB);
});

Deno.test("NodeSessions ends a session of a stalled node when none of its users awaits anything any more", async () => {
  const ended: string[] = [];
  const open = () => {
    const session = {
      failure: null as Error | null,
      abort: (error: Error) => ended.push((session.failure = error).message),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    return Promise.resolve({ session });
  };
  await using sessions = new NodeSessions({
    peers: { open } as unknown as Peers,
    ...{ mostCount: 1, mostOfAllCount: 1, idleMs: 20_000 },
  });
  const node = { id: "a" } as unknown as ListedNode;
  const [one, other, third] = [
    await sessions.lease(node),
    await sessions.lease(node),
    await sessions.lease(node),
  ];
  one.leave();
  one.leave();
  other.leave();
  assertEquals(ended, []);
  third.release();
  assertEquals(ended, ["the node stalled"]);
  one.release();
  other.release();
});
