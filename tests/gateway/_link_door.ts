/**
 * A gateway that opens links, and ways to ask it.
 */

import { tokenOf } from "../../lib/access/token.ts";
import { makeLink } from "../../lib/client/link.ts";
import {
  type GatewayOptions,
  type GatewayServer,
  serveGateway,
} from "../../lib/gateway/server.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { startNode, startRelay } from "../_network.ts";
import { WebClient } from "../http/_web_client.ts";

export const SECRET = new Uint8Array(32).fill(7);
export const CLIENT = { token: tokenOf(SECRET, "client") };
export const BYTES = randomBytes(700_000, seededRandom(11));
export const FILES = { "trip/grün.bin": BYTES, "x.html": "<script>" };
export const TOKEN = "correct horse battery";
export const JSON_TYPE = { "Content-Type": "application/json" };
export const FORM_TYPE = {
  "Content-Type": "application/x-www-form-urlencoded",
};

type Fields = Record<string, string>;

/** Ways to ask a gateway, each over a connection of its own. */
function requestsTo(gateway: GatewayServer) {
  const ask = async (...request: Parameters<WebClient["ask"]>) => {
    using client = await WebClient.to(gateway.address);
    return await client.ask(...request);
  };
  const post = (path: string, fields: Fields, body: string) => {
    const length = `${new TextEncoder().encode(body).length}`;
    return ask(`POST ${path}`, { "Content-Length": length, ...fields }, body);
  };
  return {
    ...{ ask, post },
    look: (link: unknown, fields: Fields = {}) => {
      const body = JSON.stringify({ link });
      return post("/api/link/look", { ...JSON_TYPE, ...fields }, body);
    },
    open: (link: string, fields: Fields = {}) => {
      const body = `${new URLSearchParams({ link })}`;
      return post("/api/link/open", { ...FORM_TYPE, ...fields }, body);
    },
  };
}

/** A relay, private or not, a node, and a gateway; ways to ask it. */
export async function start(
  { isPrivate = true, files = FILES, ...options }:
    & Partial<GatewayOptions>
    & { isPrivate?: boolean; files?: Record<string, string | Uint8Array> } = {},
) {
  await using stack = new AsyncDisposableStack();
  const secrets = isPrivate ? { secrets: { current: SECRET } } : {};
  const relay = stack.use(await startRelay(secrets));
  const token = isPrivate ? { token: tokenOf(SECRET, "node") } : {};
  stack.use(await startNode(relay, files, token));
  const at = { ...relay.server.address, id: relay.identity.id };
  const access = isPrivate ? CLIENT : {};
  const gateway = stack.use(
    await serveGateway({
      ...{ relay: at, access },
      listen: { host: "127.0.0.1", port: 0 },
      ...options,
    }),
  );
  const moved = stack.move();
  return {
    ...{ at, gateway, ...requestsTo(gateway) },
    link: async (name: string, uses = 1) =>
      (await makeLink({ relay: at, access, name, uses })).text,
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}
