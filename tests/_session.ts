/** A client's session, and the node's end of it in the hands of a test. */

import { assertEquals } from "@std/assert";
import { Channel } from "../lib/protocol/channel.ts";
import type { Conn } from "../lib/base/conn.ts";
import { LIMITS } from "../lib/base/limits.ts";
import {
  type ClientToNode,
  DIRECTION,
  type MessageOf,
} from "../lib/protocol/messages.ts";
import { NodeSession } from "../lib/transfer/session.ts";
import { within } from "./_event_log.ts";
import { memoryPair } from "./_memory_conn.ts";

/** The id of the node. */
export const ID = "a".repeat(52);
/** When the client gives a silent node up. */
export const IDLE_MS = 7_000;
const PIECE = 256 * 1024;

/** A session, and the node's end of it, both greeted. */
export interface Talk extends AsyncDisposable {
  readonly session: NodeSession;
  readonly node: Channel;
  readonly conns: readonly [Conn, Conn];
}

export function channels(): {
  client: Channel;
  node: Channel;
  conns: [Conn, Conn];
} {
  const conns = memoryPair({ capacityBytes: 4 * PIECE });
  const options = {
    limits: LIMITS,
    acceptsData: true,
    writeStallMs: 10_000,
    idleMs: IDLE_MS,
  };
  const [client, node] = conns.map((conn) => new Channel(conn, options));
  return { client: client!, node: node!, conns };
}

export async function talk(grant: { grant?: string } = {}): Promise<Talk> {
  const { client, node, conns } = channels();
  const opening = NodeSession.open(client, {
    id: ID,
    path: "direct",
    ...grant,
  });
  await node.send({ kind: "hello", protocol: 1, role: "node", id: ID });
  await node.receive(["hello"]);
  node.openUp();
  const { session } = await opening;
  return {
    session,
    node,
    conns,
    [Symbol.asyncDispose]: () => {
      for (const conn of conns) conn.close();
      return Promise.resolve();
    },
  };
}

/** The next request, which must be of this kind. */
export async function asked<Kind extends ClientToNode["kind"]>(
  node: Channel,
  kind: Kind,
): Promise<MessageOf<Kind>> {
  const message = await within(node.receive(DIRECTION.clientToNode), kind);
  assertEquals(message?.kind, kind);
  return message as MessageOf<Kind>;
}
