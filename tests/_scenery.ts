/**
 * A relay and nodes for tests of programs that ask them: the engines in the
 * process of the test. A process of its own takes as long to start as hundreds
 * of requests to answer.
 */

import { parseRelayAddress } from "../lib/base/address.ts";
import {
  type NodeEvent,
  type NodeOptions,
  type NodeServer,
  serveNode,
} from "../lib/node/server.ts";
import type { RelayOptions } from "../lib/relay/server.ts";
import { EventLog } from "./_event_log.ts";
import { startRelay, type TestRelay } from "./_network.ts";

/** A relay in this process, with the words that its process would print. */
export interface RelayHere extends TestRelay {
  readonly port: string;
  readonly id: string;
  readonly address: string;
}

/** Starts a relay at a port the system picks. */
export async function relayHere(
  options: Partial<RelayOptions> = {},
): Promise<RelayHere> {
  const relay = await startRelay(options);
  return {
    ...relay,
    port: String(relay.server.address.port),
    id: relay.server.id,
    address: relay.server.relayAddress,
  };
}

/** A node in this process, with the words that its process would print. */
export interface NodeHere extends AsyncDisposable {
  readonly port: string;
  readonly id: string;
  readonly server: NodeServer;
  readonly log: EventLog<NodeEvent>;
}

/** Starts a node that shares `directory`, and waits until it is listed. */
export async function nodeHere(
  relay: { address: string },
  directory: string,
  options: Partial<NodeOptions> = {},
): Promise<NodeHere> {
  const log = new EventLog<NodeEvent>();
  const server = await serveNode({
    relay: parseRelayAddress(relay.address),
    host: "127.0.0.1",
    port: 0,
    directory,
    onEvent: log.onEvent,
    ...options,
  });
  await log.until("registered");
  return {
    port: String(server.address.port),
    id: server.id,
    server,
    log,
    [Symbol.asyncDispose]: () => server.close(),
  };
}
