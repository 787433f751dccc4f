/**
 * Floods of a client by nodes that it asks for their files.
 */

import { assertEquals } from "@std/assert";
import { Channel } from "../../lib/protocol/channel.ts";
import { listFiles } from "../../lib/client/listing.ts";
import type { Endpoint } from "../../lib/base/conn.ts";
import { createIdentity } from "../../lib/identity/identity.ts";
import { Incidents } from "../../lib/guard/incidents.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { DIRECTION, type MessageOf } from "../../lib/protocol/messages.ts";
import { listen } from "../../lib/transport/listen.ts";
import { VERSION } from "../_evil_node.ts";
import { startNode } from "../_network.ts";
import { spawnRelay } from "../e2e/_processes.ts";
import { aborted, ATTACKER } from "./_attacker.ts";
import { registerFrom } from "./at_listing.ts";
import type { Flood, Scene, Target } from "./_flood.ts";

const SLOW_NODES = 8;
const LIST_EVERY_MS = LIMITS.listingMs;
const WANTED = "wanted.txt";

/** Lists one file now, and one more every so often, without end. */
async function listSlowly(
  channel: Channel,
  { request }: MessageOf<"browse">,
  signal: AbortSignal,
): Promise<void> {
  let count = 0;
  const listOne = () => {
    const name = `slow ${count++}`;
    const files = [{ name, size: 1, modifiedMs: 0, version: VERSION }];
    return channel.send({ kind: "files", request, files, more: true });
  };
  await listOne();
  const timer = setInterval(
    () => listOne().catch(() => {}), // the client has gone
    LIST_EVERY_MS,
  );
  await Promise.race([
    aborted(signal),
    channel.receive(DIRECTION.clientToNode),
  ]);
  clearInterval(timer);
}

/** Registers a node that lists slowly. */
async function startSlowNode(target: Target): Promise<AsyncDisposable> {
  const identity = await createIdentity();
  const stop = new AbortController();
  const listener = await listen({
    at: { host: ATTACKER, port: 0 },
    identity,
    limits: LIMITS,
    connectionsPerAddressCount: LIMITS.nodeConnectionsPerAddressCount,
    incidents: new Incidents(0, () => {}),
    handle: async ({ conn, settle }) => {
      const times = { writeStallMs: 5_000, idleMs: 600_000 };
      const channel = new Channel(conn, { limits: LIMITS, ...times });
      settle();
      const { id } = identity;
      await channel.send({ kind: "hello", protocol: 1, role: "node", id });
      await channel.receive(["hello"]);
      channel.openUp();
      const message = await channel.receive(["browse"]);
      if (message !== null) await listSlowly(channel, message, stop.signal);
    },
  });
  const { port } = listener.address;
  const make = () => Promise.resolve(identity);
  (await registerFrom(ATTACKER, { target, port, make })).conn.close();
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await listener.close();
    },
  };
}

async function startSlowNodes(target: Target): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  for (let n = 0; n < SLOW_NODES; n++) {
    stack.use(await startSlowNode(target));
  }
  return stack.move();
}

/**
 * A relay with an honest node, and a client that lists all files. Its figure is
 * the time beyond the one that a list may take.
 */
async function openScene(): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await spawnRelay(["--host", "0.0.0.0", "0"]));
  const at = { host: "127.0.0.1", port: Number(relay.port) };
  const files = { [WANTED]: "x" };
  stack.use(await startNode({ server: { address: at } }, files));
  const owned = stack.move();
  return {
    target: { at, plaintext: false },
    pids: [relay.pid],
    ask: () => listBeyondDeadline(at),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function listBeyondDeadline(relay: Endpoint): Promise<number> {
  const startedAt = performance.now();
  let slowCount = 0;
  const files = await listFiles({
    relay,
    onEvent: (event) => {
      if (event.event === "node_trouble" && event.kind === "slow") slowCount++;
    },
  });
  const ms = performance.now() - startedAt;
  const isFlooded = slowCount > 0;
  // The second file of a slow node comes at the deadline: before it or after.
  const names = files.map(({ name }) => name).filter((name) =>
    name !== "slow 1"
  );
  assertEquals(names, isFlooded ? ["slow 0", WANTED] : [WANTED]);
  assertEquals(slowCount, isFlooded ? SLOW_NODES : 0);
  return isFlooded ? ms - LIMITS.listingMs : ms;
}

export const AT_CLIENT: readonly Flood[] = [
  {
    name: "client: ls, 8 nodes list a file every 15 s",
    open: openScene,
    prepare: startSlowNodes,
    attack: (_target, signal) => aborted(signal),
    giveUpMs: 2 * LIMITS.listingMs,
  },
];
