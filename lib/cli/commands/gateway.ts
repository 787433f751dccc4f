/**
 * The command `gateway`: all files of all nodes over HTTP, until it is stopped.
 *
 * @module
 */

import { parseEndpoint, parsePort } from "../../base/address.ts";
import { aborted } from "../../base/waiting.ts";
import type { Endpoint } from "../../base/conn.ts";
import type { TransferOptions } from "../../client/transfer_options.ts";
import { type GatewayEvent, serveGateway } from "../../gateway/server.ts";
import {
  listening,
  type RoleContext,
  surviveRejections,
} from "../roles/role.ts";
import { Telling } from "./telling.ts";

/** Runs the command; resolves to the exit code. */
export async function runGateway(
  word: string,
  { options, terminal, signal }: RoleContext & {
    readonly options: TransferOptions;
  },
): Promise<number> {
  const listen = parseListen(word);
  const telling = new Telling(terminal);
  const onEvent = (event: GatewayEvent) => {
    switch (event.event) {
      case "gateway_listening":
        terminal.event(event);
        return terminal.note(`the gateway is at ${event.url}`);
      case "gateway_error":
        return terminal.error(event.error);
      default:
        return telling.onEvent(event);
    }
  };
  using _survive = surviveRejections(terminal);
  await using _gateway = await listening(
    listen,
    Promise.try(() => serveGateway({ ...options, listen, onEvent })),
  );
  await aborted(signal);
  return 0;
}

/** `[HOST:]PORT`; only this machine can connect where no host is given. */
function parseListen(word: string): Endpoint {
  return /^\d+$/.test(word)
    ? { host: "127.0.0.1", port: parsePort(word, { zero: true }) }
    : parseEndpoint(word, { zero: true });
}
