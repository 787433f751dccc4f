import { assertEquals, assertLess } from "@std/assert";
import { join } from "@std/path";
import type { FailureKind } from "../../lib/base/errors.ts";
import type { Limits } from "../../lib/base/limits.ts";
import type { NodeOptions } from "../../lib/node/server.ts";
import { within } from "../_event_log.ts";
import {
  type FaultProxy,
  type FaultProxyOptions,
  type Faults,
  startFaultProxy,
} from "../_fault_proxy.ts";
import {
  startNode,
  startRelay,
  type TestNode,
  type TestRelay,
} from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import {
  assertBytes,
  filesIn,
  get,
  type GetOutcome,
} from "../client/_outcomes.ts";

export const MIB = 1024 * 1024;

export const FILE = randomBytes(3 * MIB + 7, seededRandom(1));

// Well into the file, behind the hellos and what was found.
export const MIDDLE = MIB + 77;

// Short, so that what they are for is seen to happen, and long enough for a good
// node on a busy machine.
export const LIMITS: Partial<Limits> = {
  connectMs: 2_500,
  handshakeMs: 2_500,
  pieceStallMs: 1_500,
  sourceFailureCount: 2,
  turnedAwayMs: 500,
};

// All of them one after the other, for every attempt, and some for the machine.
export const DEADLINE_MS = 40_000;

/** How everybody speaks in a test. */
export type Mode = "TLS" | "plaintext";

interface Network extends AsyncDisposable {
  readonly relay: TestRelay;
  readonly proxy: FaultProxy;
  /** The node behind the proxy. */
  readonly faulty: TestNode;
}

function speaking(mode: Mode): { plaintext: boolean } {
  return { plaintext: mode === "plaintext" };
}

/** A relay, and a node that clients reach through a proxy alone. */
export async function startNetwork(
  { mode = "TLS", faults, files = { "f": FILE }, ...options }:
    & { mode?: Mode; faults: FaultProxyOptions }
    & { files?: Record<string, Uint8Array> }
    & Partial<NodeOptions>,
): Promise<Network> {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(
    await startRelay({
      ...speaking(mode),
      // It would find the node dead, and rightly so, and list it no more.
      limits: { dialBackCount: 0 },
    }),
  );
  const proxy = await startFaultProxy(faults);
  const faulty = await startNode(relay, files, {
    name: "faulty",
    advertise: { host: "127.0.0.1", port: proxy.port },
    tunnels: "never", // the way through the relay would lead past the proxy
    ...speaking(mode),
    ...options,
  });
  stack.use(faulty);
  stack.use(proxy); // ends first: nobody waits for what it holds up
  proxy.target = faulty.server.address.port;
  const rest = stack.move();
  return {
    relay,
    proxy,
    faulty,
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}

/** A second node without faults, too slow to serve everything. */
export function startGood(
  relay: TestRelay,
  mode: Mode,
  limitRate = 8 * MIB,
): Promise<TestNode> {
  return startNode(relay, { "f": FILE }, {
    name: "good",
    limitRate,
    ...speaking(mode),
  });
}

/** Gets a file within the deadline: it is saved right, or not at all. */
export async function getInTime(
  { relay }: Network,
  folder: { path: string },
  { mode = "TLS", name = "f", bytes = FILE, limits = {} }: {
    mode?: Mode;
    name?: string;
    bytes?: Uint8Array;
    limits?: Partial<Limits>;
  } = {},
): Promise<GetOutcome & { ms: number }> {
  const { server, identity } = relay;
  const startedAt = performance.now();
  const outcome = await within(
    get(relay, folder.path, [name], {
      relay: mode === "TLS"
        ? { ...server.address, id: identity.id }
        : server.address,
      limits: { ...LIMITS, ...limits },
      ...speaking(mode),
    }),
    "an answer of the client",
  );
  const ms = performance.now() - startedAt;
  assertLess(ms, DEADLINE_MS);
  if (outcome.saved[name] !== undefined) {
    assertBytes(await Deno.readFile(join(folder.path, name)), bytes);
    assertEquals(filesIn(folder.path), [name], "and nothing beside it");
  } else assertEquals(filesIn(folder.path).includes(name), false);
  return { ...outcome, ms };
}

export interface Fault {
  readonly name: string;
  readonly faults: FaultProxyOptions;
  /** How the fetch ends without another node. */
  readonly alone: FailureKind;
  /** Whether the client receives anything from the node. */
  readonly reached: boolean;
}

/** Applies faults from the node to the client. */
export function towardsClient(faults: Faults): FaultProxyOptions {
  return { toDialler: faults };
}

/** The same, for each new connection too. */
export function onEachConnection(faults: Faults): FaultProxyOptions {
  return { toDialler: { ...faults, inAll: true } };
}
