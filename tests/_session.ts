/** A client's session, whose other end the test plays. */

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
/** The time after which the client gives up a silent node. */
export const IDLE_MS = 7_000;
const PIECE = 256 * 1024;

/** A session and the node's channel, after their hellos. */
export interface SessionPair extends AsyncDisposable {
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

export async function openSessionPair(
  grant: { grant?: string } = {},
): Promise<SessionPair> {
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

/** Receives the next request, which must have this kind. */
export async function asked<Kind extends ClientToNode["kind"]>(
  node: Channel,
  kind: Kind,
): Promise<MessageOf<Kind>> {
  const message = await within(node.receive(DIRECTION.clientToNode), kind);
  assertEquals(message?.kind, kind);
  return message as MessageOf<Kind>;
}
