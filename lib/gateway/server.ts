/**
 * The gateway: a client that speaks HTTP. Browsers, players and download tools
 * get the files of all nodes from it, verified before they are sent.
 *
 * @module
 */

import type { Endpoint } from "../base/conn.ts";
import { limitsWith } from "../base/limits.ts";
import type { ClientEvent } from "../client/events.ts";
import type { ClientOptions } from "../client/peers.ts";
import { serveWeb } from "../http/web_server.ts";
import { FileSource } from "./file_source.ts";
import type { Gateway } from "./gateway.ts";
import { Login } from "./login.ts";
import { Lists } from "./lists.ts";
import { answerTo } from "./routes.ts";
import { Transfers } from "./transfers.ts";

/** Events of a gateway. */
export type GatewayEvent =
  | ClientEvent
  /** It answers at this address. */
  | { event: "gateway_listening"; host: string; port: number; url: string }
  /** An error that is nobody's but ours; one client got status 500. */
  | { event: "gateway_error"; error: unknown };

/** Options of {@linkcode serveGateway}. */
export interface GatewayOptions extends ClientOptions {
  /** The address to listen at; port 0 lets the system pick one. */
  listen: Endpoint;
  /** What clients must show: a password. Needed where other machines connect. */
  token?: string;
  /** Names that lead to this gateway, beside its addresses. */
  names?: readonly string[];
  /** Called for every event. */
  onEvent?: (event: GatewayEvent) => void;
}

/** A running gateway. Disposing stops it. */
export interface GatewayServer extends AsyncDisposable {
  /** Where it listens. */
  readonly address: Endpoint;
  /** The address to type into a browser. */
  readonly url: string;
}

/**
 * Serves all files of all nodes over HTTP. The caller disposes of it, which ends
 * what is under way; so does the signal.
 *
 * @throws {Deno.errors} if the address cannot be bound.
 */
export function serveGateway(options: GatewayOptions): GatewayServer {
  const { listen, onEvent = () => {}, token, names = [], ...client } = options;
  const limits = limitsWith(options.limits);
  const lists = new Lists({
    client,
    tell: onEvent,
    freshMs: limits.gatewayListFreshMs,
    patienceMs: limits.gatewayListPatienceMs,
  });
  const gateway: Gateway = {
    lists,
    source: new FileSource({ client, lists, tell: onEvent }),
    transfers: new Transfers(limits.gatewayEndedTransferCount),
    login: new Login({
      token,
      isSecure: false,
      failureCount: limits.gatewayLoginFailureCount,
    }),
    names: names.map((name) => name.toLowerCase()),
    pageEntryCount: limits.gatewayPageEntryCount,
  };
  const server = serveWeb({
    at: listen,
    limits,
    handle: (request) => answerTo(request, gateway),
    onError: (error) => onEvent({ event: "gateway_error", error }),
  });
  const { address } = server;
  const url = urlOf(address);
  onEvent({ event: "gateway_listening", ...address, url });
  const close = async () => {
    options.signal?.removeEventListener("abort", onAbort);
    await server[Symbol.asyncDispose]();
    await lists.settled();
  };
  const onAbort = () => void close();
  options.signal?.addEventListener("abort", onAbort);
  return { address, url, [Symbol.asyncDispose]: close };
}

/** The address of a gateway for a browser on this machine. */
function urlOf({ host, port }: Endpoint): string {
  const isAny = host === "0.0.0.0" || host === "::";
  const shown = isAny ? "localhost" : host.includes(":") ? `[${host}]` : host;
  return `http://${shown}:${port}/`;
}
