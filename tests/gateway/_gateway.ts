/**
 * A relay, nodes and a gateway in this process, and a client of the gateway.
 */

import {
  type GatewayEvent,
  type GatewayOptions,
  type GatewayServer,
  serveGateway,
} from "../../lib/gateway/server.ts";
import { tokenOf } from "../../lib/access/token.ts";
import type { RelayAddress } from "../../lib/base/address.ts";
import { EventLog } from "../_event_log.ts";
import { startNode, startRelay } from "../_network.ts";
import { type RawAnswer, WebClient } from "../http/_web_client.ts";

/** A running gateway. */
export interface TestGateway extends AsyncDisposable {
  readonly server: GatewayServer;
  readonly relay: Required<RelayAddress>;
  readonly log: EventLog<GatewayEvent>;
  /** Sends one request over a connection of its own. */
  ask(
    line: string,
    fields?: Readonly<Record<string, string>>,
    body?: string,
  ): Promise<RawAnswer>;
}

/** Files of each node, by its name. */
export type Shares = Readonly<
  Record<string, Readonly<Record<string, string | Uint8Array>>>
>;

/**
 * Starts a relay, nodes with such files, and a gateway over them. The relay is
 * private if it has a secret.
 */
export async function startGateway(
  shares: Shares,
  { secret, ...options }: Partial<GatewayOptions> & { secret?: Uint8Array } =
    {},
): Promise<TestGateway> {
  await using stack = new AsyncDisposableStack();
  const secrets = secret === undefined ? {} : { secrets: { current: secret } };
  const relay = stack.use(await startRelay(secrets));
  const tokenFor = (role: "node" | "client") =>
    secret === undefined ? {} : { token: tokenOf(secret, role) };
  for (const [name, files] of Object.entries(shares)) {
    stack.use(await startNode(relay, files, { name, ...tokenFor("node") }));
  }
  const log = new EventLog<GatewayEvent>();
  const at = { ...relay.server.address, id: relay.identity.id };
  const server = stack.use(
    await serveGateway({
      relay: at,
      access: tokenFor("client"),
      listen: { host: "127.0.0.1", port: 0 },
      onEvent: log.onEvent,
      ...options,
    }),
  );
  const moved = stack.move();
  return {
    server,
    relay: at,
    log,
    ask: async (...request) => {
      using client = await WebClient.to(server.address);
      return await client.ask(...request);
    },
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}
