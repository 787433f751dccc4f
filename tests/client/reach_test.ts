/**
 * Which nodes a client reports to the relay when it cannot reach them.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { LIMITS, limitsWith } from "../../lib/base/limits.ts";
import type { ListedNode } from "../../lib/client/nodes.ts";
import { Peers } from "../../lib/client/peers.ts";
import { Reach, Unreachable } from "../../lib/client/reach.ts";
import { LaneConn } from "../../lib/transfer/lane_conn.ts";
import type { Lanes } from "../../lib/transfer/lanes.ts";
import type { RelayDialer } from "../../lib/uplink/relay_dialer.ts";
import { FakeTime } from "../_fake_time.ts";
import { startNode, startRelay } from "../_network.ts";

const SHORT = new Error("Too many open files (os error 24)");
const FULL = new Deno.errors.UnexpectedEof("unexpected end of file");
const REFUSED = new Deno.errors.ConnectionRefused("refused");

/** A node as its relay lists it. */
async function listedNode(): Promise<ListedNode> {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { f: "x" });
  await using peers = new Peers({ relay: relay.server.address }, () => {});
  const [node] = (await peers.list()).nodes;
  return node!;
}

/** Calls `body` while a dial to port `n` fails with the `n`th of `errors`. */
async function withDials(
  errors: readonly Error[],
  body: () => Promise<unknown>,
): Promise<void> {
  const { connect } = Deno;
  const fail = ({ port }: Deno.ConnectOptions) =>
    Promise.reject(errors[port - 1]);
  Object.assign(Deno, { connect: fail });
  try {
    await body();
  } finally {
    Object.assign(Deno, { connect });
  }
}

for (
  const [what, errors, reported] of [
    ["Reach reports a node as dead where nobody answers", [REFUSED], 1],
    [
      "Reach blames no node where this process has no file descriptor to dial with",
      [SHORT],
      0,
    ],
    [
      "Reach blames no node where one of its addresses could not be dialled for lack of file descriptors",
      [SHORT, REFUSED],
      0,
    ],
    [
      "Reach reports no node that accepts its connection and closes it, because it has no room",
      [FULL],
      0,
    ],
    [
      "Reach reports no node that has no room at one of its addresses",
      [FULL, REFUSED],
      0,
    ],
  ] as const
) {
  Deno.test(what, async () => {
    const node = await listedNode();
    const [address] = node.addresses;
    const addresses = errors.map((_, n) => ({ ...address!, port: n + 1 }));
    let opened = 0;
    const dialer = {
      relay: { host: "127.0.0.1", port: 1 },
      open: () => {
        opened++; // reports alone are sent here
        return Promise.reject(REFUSED);
      },
    } as unknown as RelayDialer;
    await using reach = new Reach({
      dialers: [dialer],
      plaintext: true,
      tunnels: false,
      // A dial gives up at once where no descriptor is free.
      limits: limitsWith({ connectMs: 1_000, turnedAwayMs: 0 }),
    });
    await withDials(errors, () =>
      assertRejects(
        () => reach.open({ ...node, addresses }, undefined),
        Unreachable,
      ));
    await reach[Symbol.asyncDispose]();
    assertEquals(opened, reported);
  });
}

Deno.test("Reach tries a node again that refuses it, until it is accepted", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, { f: "x" }, {
    limits: { connectionCount: 1 },
  });
  await using peers = new Peers({ relay: relay.server.address }, () => {});
  const [listed] = (await peers.list()).nodes;
  const other = await peers.open(listed!);
  const opening = peers.open(listed!, { find: "f" });
  const refused = await node.log.until("refused");
  assertEquals(refused.reason, "too_many_connections");
  await other.session[Symbol.asyncDispose]();
  const { session, found } = await opening;
  assertEquals(found?.kind, "found");
  await session[Symbol.asyncDispose]();
});

/** A connection that a lane opens when a test says so, in fake time. */
async function openingInLane(stack: AsyncDisposableStack) {
  const orders: string[] = [];
  const conn = new LaneConn({
    id: 1,
    lane: {},
    order: ({ kind }) => orders.push(kind),
    cells: new Int32Array(new SharedArrayBuffer(64)),
    errorOf: ({ message }) => new Error(message),
  });
  const node = await listedNode();
  const reach = stack.use(
    new Reach({
      dialers: [{ relay: { host: "127.0.0.1", port: 1 } } as RelayDialer],
      plaintext: true,
      tunnels: false,
      limits: LIMITS,
    }),
  );
  const time = stack.use(new FakeTime());
  const opening = reach.openInLane(node, {
    endpoint: { host: "127.0.0.1", port: 1 },
    lanes: { dial: () => conn } as unknown as Lanes,
    signal: new AbortController().signal,
  });
  return { conn, opening, orders, time };
}

const LANE_MS = LIMITS.connectMs + LIMITS.handshakeMs;

Deno.test("Reach waits for a lane that starts slowly, as long as the node allows", async () => {
  await using stack = new AsyncDisposableStack();
  const { conn, opening, orders, time } = await openingInLane(stack);
  await time.advance(LANE_MS - 1);
  assertEquals(orders, []);
  const address = { transport: "tcp", hostname: "127.0.0.1", port: 1 } as const;
  conn.answered({ remote: address, local: address });
  const channel = await opening;
  assert(channel.conn === conn);
  channel.abort(new Error("the test has ended"));
});

Deno.test("Reach closes the connection of a lane that has not opened in time", async () => {
  await using stack = new AsyncDisposableStack();
  const { opening, orders, time } = await openingInLane(stack);
  const failed = assertRejects(() => opening);
  await time.advance(LANE_MS);
  await failed;
  assertEquals(orders, ["hang_up"]);
});
