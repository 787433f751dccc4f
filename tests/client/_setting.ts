/**
 * What tests of fetching have in common: contents of some sizes, and nodes that
 * lie about them.
 */

import { delay } from "@std/async/delay";
import { join } from "@std/path";
import type { Channel } from "../../lib/protocol/channel.ts";
import type { Identity } from "../../lib/identity/identity.ts";
import { type EvilNode, startEvilNode } from "../_evil_node.ts";
import {
  closesEarly,
  describeBytes,
  type DescribedBytes,
  type Dishonesty,
  honestBut,
  type SendPiece,
  sendsOnly,
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
/** Pieces that are asked for together. */
export const TASK = 4;

/** A content of many pieces. */
export const LARGE = randomBytes(8 * MIB, seededRandom(1));
/** A content of seven pieces, the last of them small. */
export const MIDDLE = randomBytes(6 * PIECE + 7, seededRandom(2));
/** Six files of two pieces: more large ones than are received at once. */
export const SIX: Readonly<Record<string, Uint8Array>> = Object.fromEntries(
  Array.from({ length: 6 }, (_, n) => [
    `f${n}`,
    randomBytes(2 * PIECE, seededRandom(n)),
  ]),
);

/** Where what has come of "f" is kept. */
export const PARTIAL = ".f.p2p-part";

/** A timer that ends after that of a grace of 1 ms which began before it. */
const LATE_MS = 20;

/** One failure is enough: what comes after it is what is looked at. */
export const ONE_FAILURE = { sourceFailureCount: 1 };
/** So that each of two nodes is asked for a part before the other has all. */
export const SHARED = { windowBytes: 2 * MIB };
/** A rate at which both get their turn. */
export const STEADY = { limitRate: 16 * MIB };

/** A node called "mallory", or "trudy", that is honest but for this. */
export function evil(
  relay: TestRelay,
  files: Readonly<Record<string, Uint8Array>>,
  { identity = MALLORY, ...lies }: Dishonesty & { identity?: Identity } = {},
): Promise<EvilNode> {
  const name = identity === MALLORY ? "mallory" : "trudy";
  return startEvilNode(relay, { identity, name, lie: honestBut(files, lies) });
}

/** Says that it has a file, as an honest node does. */
export async function sayHas(
  channel: Channel,
  { request }: { request: number },
  { listed, sha256 }: DescribedBytes,
): Promise<void> {
  const { name: _, ...found } = listed;
  await channel.send({ kind: "found", request, ...found, sha256 });
}

/** Two nodes with the same files, each at a rate that makes sharing worth it. */
export async function alphaAndBeta(
  relay: TestRelay,
  files: Readonly<Record<string, Uint8Array>>,
) {
  // A second for one of them alone, of LARGE.
  const start = (name: string) =>
    startNode(relay, files, { name, limitRate: 8 * MIB });
  const stack = new AsyncDisposableStack();
  return {
    alpha: stack.use(await start("alpha")),
    beta: stack.use(await start("beta")),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Ways in which a node breaks off, and what is told of it. */
export const BREAKS = [
  ["closes the connection", closesEarly, "broke_off"],
  ["sends wrong bytes", sendWrongBytes, "lied"],
] as const;

/** A node called "mallory" that breaks off in the middle of "f". */
export function breaksOff(
  relay: TestRelay,
  piece: SendPiece,
): Promise<EvilNode> {
  return evil(relay, { "f": LARGE }, { piece: sendsOnly(TASK + 1, piece) });
}

export const OLD = new TextEncoder().encode("old content");
export const NEW = new TextEncoder().encode("the new content");

/** Three nodes: two have the old content of "f", "beta" a newer. */
export async function divided(relay: TestRelay) {
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

/** A node that has "f", and gives it another SHA-256 than it has. */
export function claims(
  relay: TestRelay,
  bytes: Uint8Array,
  sha256: string,
): Promise<EvilNode> {
  const described = { ...describeBytes("f", bytes), sha256 };
  return evil(relay, { "f": bytes }, {
    find: (channel, message) => sayHas(channel, message, described),
  });
}

/**
 * A node that says that it has "f" once another has said so, and the grace of
 * 1 ms that began with that has ended.
 */
export function answersLate(
  relay: TestRelay,
  bytes: Uint8Array,
  log: ClientLog,
): Promise<EvilNode> {
  const described = describeBytes("f", bytes);
  return evil(relay, { "f": bytes }, {
    find: async (channel, message) => {
      await log.until("node_answered", ({ answer }) => answer.kind === "found");
      await delay(LATE_MS);
      await sayHas(channel, message, described);
    },
  });
}

/** A file that was saved. */
export function read(
  folder: { path: string },
  name: string,
): Promise<Uint8Array> {
  return Deno.readFile(join(folder.path, name));
}

/** Resolves when files are open, and others wait for one of them to be done. */
export async function othersWait(log: ClientLog): Promise<void> {
  await log.until("progress", ({ filesStarted }) => filesStarted === 3);
}
