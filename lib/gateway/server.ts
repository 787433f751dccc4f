/**
 * The gateway: a client that speaks HTTP. Browsers, players and download tools
 * get the files of all nodes from it, verified before they are sent.
 *
 * @module
 */

import { isLoopback, isUnspecified } from "../base/address.ts";
import { type Endpoint, formatEndpoint } from "../base/conn.ts";
import { Failure } from "../base/errors.ts";
import { counted } from "../base/text.ts";
import { limitsWith } from "../base/limits.ts";
import type { ClientEvent } from "../client/events.ts";
import type { ClientOptions } from "../client/peers.ts";
import type { TransferOptions } from "../client/transfer_options.ts";
import { serveWeb } from "../http/web_server.ts";
import type { WebCertificate } from "../transport/accept.ts";
import { checkCertificate } from "./certificate.ts";
import { checkOrigins } from "./cors.ts";
import { FileSource } from "./file_source.ts";
import type { Gateway } from "./gateway.ts";
import { Hashers } from "./hashers.ts";
import { LinkGate } from "./link_gate.ts";
import { Login } from "./login.ts";
import { Lists } from "./lists.ts";
import { ReaderMemory } from "./reader_memory.ts";
import { answerTo } from "./routes.ts";
import { Transfers } from "./transfers.ts";

/** Events of a gateway. */
export type GatewayEvent =
  | ClientEvent
  /** It answers at this address. */
  | { event: "gateway_listening"; host: string; port: number; url: string }
  /** An internal error; one client got status 500. */
  | { event: "gateway_error"; error: unknown };

/** Options of {@linkcode serveGateway}. */
export interface GatewayOptions
  extends ClientOptions, Pick<TransferOptions, "prefer"> {
  /** The address to listen at; port 0 lets the system pick one. */
  listen: Endpoint;
  /**
   * The password that clients must send. Needed where other machines connect.
   */
  token?: string;
  /** A certificate for this gateway, and its key. */
  tls?: WebCertificate;
  /**
   * Whether other machines may connect without encryption: anyone on the
   * network path can then read the token and the files.
   */
  inClear?: boolean;
  /** Names of this gateway, in addition to its addresses. */
  names?: readonly string[];
  /**
   * Origins of other sites whose scripts may read all files, such as
   * `https://example.org`. None unless given.
   */
  origins?: readonly string[];
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
 * @throws {Failure} of kind `usage` if other machines could connect without a
 * token or without encryption.
 * @throws {Deno.errors} if the address cannot be bound.
 */
export async function serveGateway(
  options: GatewayOptions,
): Promise<GatewayServer> {
  const { listen, tls, token, names = [], origins = [], ...others } = options;
  const { onEvent = () => {}, inClear: _inClear, ...client } = others;
  requireSafe(options);
  checkOrigins(origins);
  if (tls !== undefined) checkCertificate(tls);
  const limits = limitsWith(options.limits);
  const lists = new Lists({ client, emit: onEvent, limits });
  const hashers = new Hashers();
  const memory = new ReaderMemory(limits);
  const reading = { client, emit: onEvent, limits, memory, hashers };
  const source = new FileSource({ ...reading, lists });
  const links = new LinkGate(reading);
  const gateway: Gateway = {
    lists,
    ...{ source, links },
    transfers: new Transfers(limits.gatewayEndedTransferCount),
    login: new Login({
      token,
      isSecure: tls !== undefined,
      failureCount: limits.gatewayLoginFailureCount,
    }),
    names: names.map((name) => name.toLowerCase()),
    origins,
    pageEntryCount: limits.gatewayPageEntryCount,
  };
  const server = await serveWeb({
    ...{ at: listen, tls, limits },
    handle: (request) => answerTo(request, gateway),
    onError: (error) => onEvent({ event: "gateway_error", error }),
  });
  const { address } = server;
  const url = urlOf(address, { tls, names });
  onEvent({ event: "gateway_listening", ...address, url });
  const close = async () => {
    options.signal?.removeEventListener("abort", onAbort);
    await server[Symbol.asyncDispose]();
    await lists.settled();
    await links[Symbol.asyncDispose]();
    await source[Symbol.asyncDispose]();
    hashers[Symbol.dispose]();
  };
  const onAbort = () => void close();
  options.signal?.addEventListener("abort", onAbort);
  return { address, url, [Symbol.asyncDispose]: close };
}

// Guessing a token of this length takes years, not days, also without TLS.
const LEAST_TOKEN_LENGTH = 16;

/** Other machines connect only over TLS and with a token. */
function requireSafe(
  { listen, tls, token, inClear = false }: GatewayOptions,
): void {
  const refuse = (why: string, remedy: string) => {
    const where = formatEndpoint(listen);
    throw new Failure("usage", {
      ...{ what: "Cannot open gateway", where, why, remedy },
    });
  };
  if (token !== undefined && token.length < LEAST_TOKEN_LENGTH) {
    refuse(
      `its token has only ${
        counted(token.length, "character")
      }, and is easy to guess`,
      `choose one of at least ${LEAST_TOKEN_LENGTH}`,
    );
  }
  if (isLoopback(listen.host)) return;
  if (token === undefined) {
    refuse(
      "other machines can connect there, and it has no token",
      "give it a token, or an address of this machine alone: 127.0.0.1",
    );
  }
  if (tls === undefined && !inClear) {
    refuse(
      "other machines can connect there, and anyone on the network path could read",
      "give it a certificate and its key, or allow it without encryption",
    );
  }
}

/** The address of a gateway for a browser. */
function urlOf(
  { host, port }: Endpoint,
  { tls, names }: {
    tls: WebCertificate | undefined;
    names: readonly string[];
  },
): string {
  const bound = isUnspecified(host) ? "localhost" : host;
  const [name = bound] = names;
  const scheme = tls === undefined ? "http" : "https";
  return `${scheme}://${formatEndpoint({ host: name, port })}/`;
}
