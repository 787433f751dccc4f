/**
 * The command `gateway`: all files of all nodes over HTTP, until it is stopped.
 *
 * @module
 */

import { readSecretFile } from "../../access/secret_file.ts";
import { isLoopback, parseEndpoint, parsePort } from "../../base/address.ts";
import { type Endpoint, formatEndpoint } from "../../base/conn.ts";
import { Failure } from "../../base/errors.ts";
import { aborted } from "../../base/waiting.ts";
import type { TransferOptions } from "../../client/transfer_options.ts";
import {
  type GatewayEvent,
  type GatewayOptions,
  serveGateway,
} from "../../gateway/server.ts";
import type { CommandLine } from "../options/command_line.ts";
import { readBounded } from "../options/text_file.ts";
import { badValue, given } from "../options/values.ts";
import type { Terminal } from "../output/terminal.ts";
import { collectInTime, ofGateway } from "../roles/memory.ts";
import {
  listening,
  type RoleContext,
  surviveRejections,
} from "../roles/role.ts";
import { EventPrinter } from "./event_printer.ts";

/** What the command takes. */
export type GatewayContext = RoleContext & {
  readonly options: TransferOptions;
  /** Called when it listens, with its address for a browser. */
  readonly onReady?: (url: string) => Promise<void>;
};

/** Runs the command; resolves to the exit code. */
export async function runGateway(
  word: string,
  context: GatewayContext,
): Promise<number> {
  const { terminal, signal, onReady } = context;
  const options = await gatewayOptions(word, context);
  const printer = new EventPrinter(terminal);
  const onEvent = (event: GatewayEvent) => {
    switch (event.event) {
      case "gateway_listening":
        terminal.event(event);
        return terminal.note(`the gateway is at ${event.url}`);
      case "gateway_error":
        return terminal.error(event.error);
      default:
        return printer.onEvent(event);
    }
  };
  using _survive = surviveRejections(terminal);
  using _collect = collectInTime(ofGateway());
  await using gateway = await listening(
    options.listen,
    serveGateway({ ...options, onEvent }),
  );
  await onReady?.(gateway.url);
  await aborted(signal);
  return 0;
}

/** The options of the gateway, if others can connect only as is safe. */
async function gatewayOptions(
  word: string,
  { options, line, terminal }: GatewayContext,
): Promise<GatewayOptions> {
  const { onEvent: _, ...client } = options;
  const listen = parseListen(word);
  const inClear = line.isOn("gateway-plaintext") || line.isOn("plaintext");
  refuseUnsafe(listen, line, inClear);
  const tls = await readCertificate(line);
  const token = await readGatewayToken(line, terminal);
  if (!isLoopback(listen.host) && tls === undefined) {
    terminal.note(
      "warning: the gateway uses no encryption: anyone on the network path can read its token and the files",
    );
  }
  const names = line.get("gateway-host");
  const origins = line.get("gateway-cors");
  const more = given({ tls, token, names, origins });
  return { ...client, listen, inClear, ...more };
}

/** `[HOST:]PORT`; only this machine can connect where no host is given. */
function parseListen(word: string): Endpoint {
  return /^\d+$/.test(word)
    ? { host: "127.0.0.1", port: parsePort(word, { zero: true }) }
    : parseEndpoint(word, { zero: true });
}

function refuseUnsafe(
  listen: Endpoint,
  line: CommandLine,
  inClear: boolean,
): void {
  if (isLoopback(listen.host)) return;
  const unsafe = (why: string, remedy: string) => {
    const where = formatEndpoint(listen);
    throw new Failure("usage", {
      ...{ what: "Cannot open gateway", where, why, remedy },
    });
  };
  if (line.value("gateway-token-file") === undefined) {
    unsafe(
      "other machines can connect there, and it has no token",
      "give one with --gateway-token-file FILE, or omit the host",
    );
  }
  if (line.value("cert") === undefined && !inClear) {
    unsafe(
      "other machines can connect there, and anyone on the network path could read",
      "give --cert FILE and --key FILE, or --gateway-plaintext",
    );
  }
}

async function readCertificate(
  line: CommandLine,
): Promise<GatewayOptions["tls"]> {
  const cert = line.value("cert");
  const key = line.value("key");
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined) throw badValue("key", key!, "it needs --cert");
  if (key === undefined) throw badValue("cert", cert, "it needs --key");
  return {
    certificate: await readPem(cert, "certificate"),
    key: await readPem(key, "key"),
  };
}

function readPem(path: string, what: string): Promise<string> {
  return readBounded(path, {
    what: `Cannot read ${what}`,
    mostBytes: 64 * 1024,
    remedy: `name a file with the ${what} in it, as PEM`,
  });
}

async function readGatewayToken(
  line: CommandLine,
  terminal: Terminal,
): Promise<string | undefined> {
  const path = line.value("gateway-token-file");
  if (path === undefined) return undefined;
  const token = await readSecretFile(path, "token");
  terminal.conceal(token);
  return token;
}
