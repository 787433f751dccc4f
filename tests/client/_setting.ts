/**
 * Shared by tests of fetching: contents of several sizes, and nodes that lie
 * about them.
 */

import { delay } from "@std/async/delay";
import { join } from "@std/path";
import type { Channel } from "../../lib/protocol/channel.ts";
import type { Identity } from "../../lib/identity/identity.ts";
import { type EvilNode, startEvilNode } from "../_evil_node.ts";
import {
  closeEarly,
  describeBytes,
  type DescribedBytes,
  honestExcept,
  type Lies,
  sendOnly,
  type SendPiece,
  sendWrongBytes,
} from "../_lies.ts";
import { IDENTITIES, startNode, type TestRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import type { ClientLog } from "./_outcomes.ts";

export const [, MALLORY, TRUDY, CAROL] = IDENTITIES as [
  Identity,
  Identity,
  Identity,
  Identity,
];

export const PIECE = 256 * 1024;
export const MIB = 1024 * 1024;
/** Pieces in one request. */
export const TASK = 4;

/** A content of many pieces. */
export const LARGE = randomBytes(8 * MIB, seededRandom(1));
/** A content of seven pieces, the last of them small. */
export const MIDDLE = randomBytes(6 * PIECE + 7, seededRandom(2));
/** Six files of two pieces: more than a client receives at once. */
export const SIX_FILES: Readonly<Record<string, Uint8Array>> = Object
  .fromEntries(
    Array.from({ length: 6 }, (_, n) => [
      `f${n}`,
      randomBytes(2 * PIECE, seededRandom(n)),
    ]),
  );

/** The partial file of "f". */
export const PARTIAL = ".f.p2p-part";

/** Longer than a grace of 1 ms that began earlier. */
const LATE_MS = 20;

/** One failure ends a source; the tests check what happens next. */
export const ONE_FAILURE = { sourceFailureCount: 1 };
/** Small windows, so that two nodes share the work. */
export const SHARED = { windowBytes: 2 * MIB };
/** A rate at which two nodes both get to send. */
export const BOTH_SERVE = { limitRate: 16 * MIB };

/** A node named "mallory" or "trudy" that is honest except for `lies`. */
export function startLyingNode(
  relay: TestRelay,
  files: Readonly<Record<string, Uint8Array>>,
  { identity = MALLORY, ...lies }: Lies & { identity?: Identity } = {},
): Promise<EvilNode> {
  const name = identity === MALLORY ? "mallory" : "trudy";
  return startEvilNode(relay, {
    identity,
    name,
    lie: honestExcept(files, lies),
  });
}

/** Answers that it has a file, as an honest node does. */
export async function sendFoundFile(
  channel: Channel,
  { request }: { request: number },
  { listed, sha256 }: DescribedBytes,
): Promise<void> {
  const { name: _, ...found } = listed;
  await channel.send({ kind: "found", request, ...found, sha256 });
}

/** Two nodes with the same files, each at a limited rate. */
export async function alphaAndBeta(
  relay: TestRelay,
  files: Readonly<Record<string, Uint8Array>>,
) {
  // One of them alone needs a second for LARGE.
  const start = (name: string) =>
    startNode(relay, files, { name, limitRate: 8 * MIB });
  const stack = new AsyncDisposableStack();
  return {
    alpha: stack.use(await start("alpha")),
    beta: stack.use(await start("beta")),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** How a node breaks off, and what the client reports. */
export const BREAK_WAYS = [
  ["closes the connection", closeEarly, "broke_off"],
  ["sends wrong bytes", sendWrongBytes, "lied"],
] as const;

/** A node called "mallory" that breaks off in the middle of "f". */
export function startBreakingNode(
  relay: TestRelay,
  piece: SendPiece,
): Promise<EvilNode> {
  return startLyingNode(relay, { "f": LARGE }, {
    piece: sendOnly(TASK + 1, piece),
  });
}

export const OLD = new TextEncoder().encode("old content");
export const NEW = new TextEncoder().encode("the new content");

/** Three nodes: two have the old content of "f", "beta" a newer. */
export async function startDividedNodes(relay: TestRelay) {
  const stack = new AsyncDisposableStack();
  const start = async (name: string, content: Uint8Array, day: number) => {
    const node = stack.use(await startNode(relay, { "f": content }, { name }));
    const at = new Date(2020, 1, day);
    await Deno.utime(join(node.directory, "f"), at, at);
    return node;
  };
  return {
    alpha: await start("alpha", OLD, 1),
    beta: await start("beta", NEW, 3),
    gamma: await start("gamma", OLD, 2),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** A node that has "f" and sends this SHA-256 for it. */
export function startClaimingNode(
  relay: TestRelay,
  bytes: Uint8Array,
  sha256: string,
): Promise<EvilNode> {
  const described = { ...describeBytes("f", bytes), sha256 };
  return startLyingNode(relay, { "f": bytes }, {
    find: (channel, message) => sendFoundFile(channel, message, described),
  });
}

/**
 * A node that answers that it has "f" after another node has, and after the grace
 * of 1 ms that this answer began.
 */
export function startLateNode(
  relay: TestRelay,
  bytes: Uint8Array,
  log: ClientLog,
): Promise<EvilNode> {
  const described = describeBytes("f", bytes);
  return startLyingNode(relay, { "f": bytes }, {
    find: async (channel, message) => {
      await log.until("node_answered", ({ answer }) => answer.kind === "found");
      await delay(LATE_MS);
      await sendFoundFile(channel, message, described);
    },
  });
}

/** Reads a saved file. */
export function read(
  folder: { path: string },
  name: string,
): Promise<Uint8Array> {
  return Deno.readFile(join(folder.path, name));
}

/** Resolves when three files are open and the others wait for a place. */
export async function untilFilesWait(log: ClientLog): Promise<void> {
  await log.until("progress", ({ filesStarted }) => filesStarted === 3);
}
