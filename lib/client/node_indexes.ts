/**
 * Asks the relay how many fingerprints of each node its index has.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import type { Channel } from "../protocol/channel.ts";
import { DIRECTION } from "../protocol/messages.ts";
import type { ListBounds } from "./list_bounds.ts";
import type { ListedNode } from "./nodes.ts";

/**
 * The same nodes, each with the state of its fingerprints at the relay.
 *
 * @throws {ProtocolError} if the relay closes the connection, or sends something else.
 * @throws {Stopped} if its answers come too slowly.
 */
export async function withIndexes(
  nodes: readonly ListedNode[],
  { channel, limits, bounds }: {
    channel: Channel;
    limits: Limits;
    /** Those of the list: more time is given for each answer. */
    bounds: ListBounds;
  },
): Promise<ListedNode[]> {
  const most = limits.indexLookupCount;
  const found: ListedNode[] = [];
  for (let at = 0; at < nodes.length; at += most) {
    const some = nodes.slice(at, at + most);
    await channel.send({ kind: "lookup", ids: some.map(({ id }) => id) });
    const answer = await channel.receive(DIRECTION.relayToClient);
    bounds.looked(some.map(({ signed }) => signed));
    const looked = answer?.kind === "looked" ? answer.nodes : [];
    for (const [n, node] of some.entries()) {
      const { fingerprints, seconds } = looked[n] ?? {};
      found.push(
        fingerprints === undefined || seconds === undefined
          ? node
          : { ...node, index: { fingerprints, seconds } },
      );
    }
  }
  return found;
}
