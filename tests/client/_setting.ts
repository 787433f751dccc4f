/**
 * What tests of fetching have in common: contents of some sizes, and nodes that
 * lie about them.
 */

import { join } from "@std/path";
import type { Channel } from "../../lib/channel.ts";
import type { Identity } from "../../lib/identity.ts";
import { type EvilNode, startEvilNode } from "../_evil_node.ts";
import { type DescribedBytes, type Dishonesty, honestBut } from "../_lies.ts";
import { IDENTITIES, type TestRelay } from "../_network.ts";
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
export const LATE_MS = 20;

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

/** A file that was saved. */
export function read(
  folder: { path: string },
  name: string,
): Promise<Uint8Array> {
  return Deno.readFile(join(folder.path, name));
}

/** Resolves when files are open, and others wait for one of them to be done. */
export async function othersWait(log: ClientLog): Promise<void> {
  await log.until("progress", ({ fileCount }) => fileCount === 3);
}
