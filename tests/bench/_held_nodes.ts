/**
 * Nodes that are registered at a relay, each on a connection that stays open, and
 * serve nothing.
 */

import type { Identity } from "../../lib/identity/identity.ts";
import { encodeMessage, type MessageOf } from "../../lib/protocol/messages.ts";
import { signRegistration } from "../../lib/protocol/signed_record.ts";
import {
  type Exchange,
  greetFrom,
  hostOf,
  messageIn,
  PEERS_PER_HOST,
  type Target,
} from "./_big_relay.ts";

/** A node that keeps its connection, and what it will say. */
export interface HeldNode {
  readonly exchange: Exchange;
  readonly id: string;
  readonly host: string;
  readonly registration: Uint8Array;
  renewal: Uint8Array;
  /** Signs a registration for another connection. */
  readonly sign: (hello: MessageOf<"hello">) => Promise<Uint8Array>;
}

/** Connects a node and greets the relay. */
export async function openNode(
  n: number,
  target: Target,
  identity: Identity,
): Promise<HeldNode> {
  const host = hostOf(n, PEERS_PER_HOST);
  const { exchange, hello } = await greetFrom(host, target, "node");
  const instance = crypto.getRandomValues(new Uint8Array(12)).toBase64();
  let sequence = Date.now();
  const sign = async ({ id = "", nonce = "" }: MessageOf<"hello">) =>
    encodeMessage({
      kind: "register",
      ...await signRegistration({
        purpose: "register",
        relay: id,
        nonce,
        instance,
        sequence: sequence++,
        name: `node-${n}`,
        addresses: [
          { host: "192.168.1.17", port: 1024 + n % 60_000 },
          { host: "10.0.0.5", port: 1024 + n % 60_000 },
        ],
      }, identity),
    });
  return {
    exchange,
    ...{ id: identity.id, host },
    registration: await sign(hello),
    renewal: new Uint8Array(),
    sign,
  };
}

/** Registers a node. Returns the relay's key for fingerprints, if it has one. */
export async function register(node: HeldNode): Promise<string> {
  const answer = await node.exchange.ask(node.registration);
  const { renewal = "", index } = messageIn(answer, "registered");
  node.renewal = encodeMessage({ kind: "renew", id: node.id, renewal });
  return index?.key ?? "";
}
