/**
 * Many clients of one node, in this process: they read, and keep nothing.
 */

import { assert } from "@std/assert";
import { eachOf } from "../_each_of.ts";
import { Peers } from "../../lib/client/peers.ts";
import { pieceCountOf } from "../../lib/content/manifest.ts";
import type { NodeSession } from "../../lib/transfer/session.ts";
import { within } from "../_event_log.ts";
import { PIECE } from "./_transfer.ts";

/** A session with a node that has a file. */
export interface Member {
  readonly session: NodeSession;
  /** What to ask for the file by. */
  readonly version: string;
  readonly size: number;
}

/** Sessions that are open. Disposing ends them. */
export interface Crowd extends AsyncDisposable {
  readonly members: readonly Member[];
}

/** Opens so many sessions with the only node of a relay. */
export async function openCrowd(
  relay: { port: string },
  { name, count }: { name: string; count: number },
): Promise<Crowd> {
  await using stack = new AsyncDisposableStack();
  const at = { host: "127.0.0.1", port: Number(relay.port) };
  const peers = stack.use(new Peers({ relay: at }, () => {}));
  const { nodes: [node] } = await peers.list();
  const members: Member[] = [];
  await eachOf(Array(count).keys(), 8, async () => {
    const { session, found } = await peers.open(node!, { find: name });
    stack.use(session);
    assert(found?.kind === "found");
    const { version, size } = found;
    members.push({ session, version, size });
  });
  const owned = stack.move();
  return { members, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Pieces in one request, as in a client. */
const TASK = 4;

/**
 * All members read at the same time, until they have read `totalBytes` together.
 * Resolves to the bytes of each.
 */
export async function readTogether(
  { members }: Crowd,
  totalBytes: number,
): Promise<{ counts: readonly number[]; seconds: number }> {
  const counts = members.map(() => 0);
  const enough = Promise.withResolvers<void>();
  const scratch = new Uint8Array(PIECE);
  let left = totalBytes;
  const readOn = async ({ session, version, size }: Member, index: number) => {
    const receiver = {
      target: (length: number) => Promise.resolve(scratch.subarray(0, length)),
      filled: (length: number) => {
        if (left > 0) counts[index]! += length;
        left -= length;
        if (left <= 0) enough.resolve();
      },
      pieces: () => {},
    };
    const last = pieceCountOf(size) - TASK;
    for (let first = 0; left > 0; first = (first + TASK) % last) {
      const task = { of: version, first, count: TASK };
      await session.read(task, receiver);
    }
  };
  const startedAt = performance.now();
  const reading = members.map(readOn);
  await within(Promise.race([enough.promise, ...reading]), "enough");
  const seconds = (performance.now() - startedAt) / 1000;
  for (const { session } of members) session.abort(new Error("enough"));
  await Promise.allSettled(reading);
  return { counts, seconds };
}
