/**
 * A private relay with nodes and clients, on loopback, through the real engines.
 */

import type { Access } from "../../lib/access/credentials.ts";
import { parseLink } from "../../lib/access/link.ts";
import { proofOf, tokenOf, type TokenRole } from "../../lib/access/token.ts";
import type { Channel } from "../../lib/protocol/channel.ts";
import { makeLink } from "../../lib/client/link.ts";
import type { ListedNode } from "../../lib/client/nodes.ts";
import { Peers } from "../../lib/client/peers.ts";
import { greet } from "../../lib/protocol/hello.ts";
import type { Message } from "../../lib/protocol/messages.ts";
import type { NodeOptions } from "../../lib/node/server.ts";
import type { RelayOptions } from "../../lib/relay/server.ts";
import type { Listener } from "../../lib/transport/listen.ts";
import {
  IDENTITIES,
  openChannel,
  openChannelFrom,
  startNode,
  startRelay,
  type TestNode,
  type TestRelay,
} from "../_network.ts";
import { startScriptedRelay } from "../_scripted_relay.ts";

export const SECRET = Uint8Array.from({ length: 32 }, (_, at) => at);
export const NEXT_SECRET = SECRET.toReversed();
export const NODE_TOKEN = tokenOf(SECRET, "node");
export const MEMBER: Access = { token: tokenOf(SECRET, "client") };

/** Identities for nodes; the first is the relay's. */
const [, ...NODE_IDENTITIES] = IDENTITIES;

/** Starts a private relay. */
export function startPrivate(
  options: Partial<RelayOptions> = {},
): Promise<TestRelay> {
  return startRelay({ secrets: { current: SECRET }, ...options });
}

/** Starts a node of a private relay, of known identity, and waits until it is listed. */
export function startMember(
  relay: TestRelay,
  files: Readonly<Record<string, string | Uint8Array>>,
  { which = 0, ...options }: Partial<NodeOptions> & { which?: number } = {},
): Promise<TestNode> {
  const identity = NODE_IDENTITIES[which]!;
  return startNode(relay, files, { token: NODE_TOKEN, identity, ...options });
}

/** The nodes of a relay with their grants. */
export async function listedBy(
  relay: TestRelay,
  access: Access = MEMBER,
): Promise<readonly ListedNode[]> {
  const options = { relay: relay.server.address, access };
  await using peers = new Peers(options, () => {});
  return (await peers.list()).nodes;
}

/**
 * Says hello to a relay and gives the channel and its nonce; `from` is another
 * address than the one that all local programs share.
 */
export async function greetedBy(
  relay: TestRelay,
  role: TokenRole,
  from?: string,
): Promise<{ channel: Channel; nonce: string }> {
  const { address } = relay.server;
  const channel = from === undefined
    ? await openChannel(address, relay.identity)
    : await openChannelFrom(from, address);
  const outcome = await greet(channel, { role });
  if (outcome.kind === "refused") throw new Error(outcome.text);
  return { channel, nonce: outcome.hello.nonce! };
}

/** The proof of a token, for one connection to a relay. */
export function authenticate(
  relay: TestRelay,
  { role, nonce, secret = SECRET }: {
    role: TokenRole;
    nonce: string;
    secret?: Uint8Array;
  },
): Message {
  const terms = { relayId: relay.identity.id, nonce };
  return { kind: "authenticate", proof: proofOf(tokenOf(secret, role), terms) };
}

/** What somebody has who was sent a link to a file. */
export async function linkTo(
  relay: TestRelay,
  name: string,
  options: { uses?: number; expiresSeconds?: number } = {},
): Promise<{ content: string; access: (fetch?: string) => Access }> {
  const { text } = await makeLink({
    relay: relay.server.address,
    access: MEMBER,
    name,
    ...options,
  });
  const { pass, content, name: linked } = parseLink(text);
  const access = (fetch = "fetch-number-one-") => ({
    link: { pass, name: linked, fetch },
  });
  return { content, access };
}

/** What an impostor gives nodes to check clients by. */
export const GRANT_KEY = new Uint8Array(32).toBase64();

/** Says that it is private, lets everybody in, and has grant keys of its own. */
export function startImpostor(
  proof: { readonly proof?: string },
): Promise<Listener & AsyncDisposable> {
  return startScriptedRelay(IDENTITIES[2]!, {
    says: { private: true },
    talk: async (channel) => {
      await channel.receive(["authenticate"]);
      await channel.receive(["register"]);
      const lease = { leaseSeconds: 60, renewSeconds: 20 };
      const grantKeys = [GRANT_KEY];
      await channel.send({ kind: "registered", ...lease, grantKeys, ...proof });
      await channel.receive(["pong"]);
    },
  });
}
