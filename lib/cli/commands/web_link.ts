/**
 * Links for a browser: the address of a gateway, and the link behind a `#`,
 * which browsers do not send, so that no server logs it.
 *
 * @module
 */

import { isLoopback } from "../../base/address.ts";
import { Failure } from "../../base/errors.ts";
import type { CommandLine } from "../options/command_line.ts";
import type { Terminal } from "../output/terminal.ts";

/** Makes the address that opens a link to a file of this size in a browser. */
export type WebAddress = (link: string, bytes: number) => string;

/**
 * How to make addresses for a browser; `undefined` without `--web`.
 *
 * @throws {Failure} of kind `usage` if the address of the gateway is missing.
 */
export function webAddressIn(line: CommandLine): WebAddress | undefined {
  if (!line.isOn("web")) return undefined;
  const gateway = line.get("gateway-url");
  if (gateway === undefined) {
    throw new Failure("usage", {
      what: "Cannot use --web",
      why: "it needs the address of a gateway that the other person can reach",
      remedy: "give it with --gateway-url URL",
    });
  }
  // The gateway does not show strangers the size: a private relay checks their
  // link last.
  return (link, bytes) => `${gateway}link#${link},size=${bytes}`;
}

/**
 * Warns if an address does not work, or is not encrypted, on other machines.
 */
export function warnOfGateway(line: CommandLine, terminal: Terminal): void {
  const gateway = line.get("gateway-url");
  if (gateway === undefined || !line.isOn("web")) return;
  const { protocol, hostname } = new URL(gateway);
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  if (isLoopback(host)) {
    terminal.note(
      `warning: ${host} means another machine elsewhere; give the address ` +
        "at which others reach the gateway",
    );
  } else if (protocol === "http:") {
    terminal.note(
      "warning: the gateway uses no encryption: anyone on the network path can read the link and the file",
    );
  }
}
