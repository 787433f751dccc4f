/**
 * A relay and nodes on loopback, in this process, through the real engines.
 */

import { Channel } from "../lib/protocol/channel.ts";
import type { Conn, Endpoint } from "../lib/base/conn.ts";
import { createIdentity, type Identity } from "../lib/identity/identity.ts";
import { LIMITS } from "../lib/base/limits.ts";
import {
  type NodeEvent,
  type NodeOptions,
  type NodeServer,
  serveNode,
} from "../lib/node/server.ts";
import {
  type RelayEvent,
  type RelayOptions,
  type RelayServer,
  serveRelay,
} from "../lib/relay/server.ts";
import { dial, type PeerIdentity } from "../lib/transport/dial.ts";
import { EventLog } from "./_event_log.ts";
import { tempShare } from "./_temp_share.ts";
import { dialFrom } from "./bench/_big_relay.ts";

const LOOPBACK = "127.0.0.1";

/** Identities are slow to make; tests that need several share these. */
export const IDENTITIES: readonly Identity[] = await Promise.all(
  Array.from({ length: 4 }, createIdentity),
);

/** A relay and its events. */
export interface TestRelay extends AsyncDisposable {
  readonly server: RelayServer;
  readonly identity: Identity;
  readonly log: EventLog<RelayEvent>;
}

/** Starts a relay on a port the system picks. */
export async function startRelay(
  options: Partial<RelayOptions> = {},
): Promise<TestRelay> {
  const log = new EventLog<RelayEvent>();
  const identity = options.identity ?? IDENTITIES[0]!;
  const server = await serveRelay({
    host: LOOPBACK,
    port: 0,
    identity,
    onEvent: log.onEvent,
    ...options,
  });
  return {
    server,
    identity,
    log,
    [Symbol.asyncDispose]: () => server.close(),
  };
}

/** A node and its events. */
export interface TestNode extends AsyncDisposable {
  readonly server: NodeServer;
  readonly log: EventLog<NodeEvent>;
  /** The folder it shares. */
  readonly directory: string;
}

/** Starts a node that shares the given files, and waits until it is listed. */
export async function startNode(
  relay: { server: { address: Endpoint } },
  files: Readonly<Record<string, string | Uint8Array>>,
  options: Partial<NodeOptions> = {},
): Promise<TestNode> {
  const folder = await tempShare(files);
  const log = new EventLog<NodeEvent>();
  const server = await serveNode({
    relay: relay.server.address,
    host: LOOPBACK,
    port: 0,
    directory: folder.path,
    onEvent: log.onEvent,
    ...options,
    // On a busy machine a look at a few files may take a second.
    limits: { firstScanMs: 60_000, ...options.limits },
  });
  await log.until("registered");
  return {
    server,
    log,
    directory: folder.path,
    [Symbol.asyncDispose]: async () => {
      await server.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** A channel to a relay or node, on which a test sends what it wants. */
export async function openChannel(
  at: Endpoint,
  peer: PeerIdentity | null,
): Promise<Channel> {
  return channelOver(await dial(at, { peer, timeoutMs: 20_000 }));
}

/**
 * The same from another of the addresses in 127.0.0.0/8, to which all limits
 * apply. Linux only; the other end is not verified.
 */
export async function openChannelFrom(
  localAddress: string,
  at: Endpoint,
): Promise<Channel> {
  return channelOver(await dialFrom(localAddress, { at, plaintext: false }));
}

function channelOver(conn: Conn): Channel {
  return new Channel(conn, {
    limits: LIMITS,
    acceptsData: true,
    writeStallMs: 20_000,
    idleMs: 20_000,
  });
}
