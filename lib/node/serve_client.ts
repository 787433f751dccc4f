/**
 * The conversation of a service with one client, from hello to its end. The
 * service is a node, or another client in a swarm.
 *
 * hello both ways → grant, if one is needed → requests
 *
 * @module
 */

import type { NodeGate } from "../access/gate.ts";
import type { Grant } from "../access/grant.ts";
import type { Limits } from "../base/limits.ts";
import type { Incidents } from "../guard/incidents.ts";
import { Channel } from "../protocol/channel.ts";
import type { Deadlines } from "../protocol/deadline.ts";
import { receivePeer } from "../protocol/hello.ts";
import type { Accepted } from "../transport/listen.ts";
import type { Served } from "./client_reads.ts";
import { ClientService, type Service } from "./client_service.ts";

/** A service that talks to clients. */
export interface Host {
  /** The id of its key. */
  readonly id: string;
  readonly limits: Limits;
  readonly service: Service;
  /** Checks grants; `null` if nobody needs one. */
  readonly gate: NodeGate | null;
  readonly incidents: Incidents;
  readonly deadlines: Deadlines;
  /** Limits a grant to what it allows here; by default it is not changed. */
  readonly within?: (grant: Grant) => Grant;
  /** Contents that need no grant although there is a gate. */
  readonly open?: OpenContents;
  /** Called when a client has disconnected, with what was sent to it. */
  readonly onServed?: (served: Served) => void;
}

/** Contents that everybody may have who knows their ids. */
export interface OpenContents {
  /** Whether there are any now. */
  readonly hasOpen: boolean;
  /** Whether a content is one of them. */
  isOpen(content: string): boolean;
}

/** Talks to one client. */
export async function serveClient(
  host: Host,
  { conn, source, settle }: Accepted,
): Promise<void> {
  const { limits, deadlines } = host;
  await using channel = new Channel(conn, {
    limits,
    writeStallMs: limits.dataWriteStallMs,
    idleMs: limits.idleMs,
    deadlines,
  });
  await serveChannel(channel, host, { source, settle });
}

/** Options of {@linkcode serveChannel}. */
export interface ServeChannelOptions {
  /** The group that limits count the client in. */
  readonly source: string;
  /**
   * Ends the handshake deadline: after the client's hello, or after its grant if
   * one is needed.
   */
  readonly settle: () => void;
  /** Limits clients that need no grant; by default they may have everything. */
  readonly only?: Grant;
}

/** The same over a channel on which hello has not been said. */
export async function serveChannel(
  channel: Channel,
  host: Host,
  { source, settle, only }: ServeChannelOptions,
): Promise<void> {
  const { incidents, gate, within = asItIs, open } = host;
  const serve = async (grant?: Grant, open?: OpenContents) => {
    using offered = await client.run(grant, open && open.isOpen.bind(open));
    await offered?.receive(channel);
  };
  const introduction = { role: "node", id: host.id };
  using client = new ClientService(channel, host.service, source);
  try {
    await receivePeer(
      channel,
      // A client without a grant must not replace one with a grant.
      { introduction, settle: gate === null ? settle : () => {}, incidents },
      async (hello) => {
        if (gate === null) return await serve(only);
        if (hello.grant === undefined && open?.hasOpen) {
          settle();
          return await serve(undefined, open);
        }
        const admitted = await gate.admit(channel, hello, source);
        if (admitted === null) return;
        using _until = admitted;
        settle();
        await serve(within(admitted.grant));
      },
    );
  } finally {
    const { served } = client;
    if (served.bytes > 0 || served.files > 0) host.onServed?.(served);
  }
}

function asItIs(grant: Grant): Grant {
  return grant;
}
