/**
 * `relay.ts --announce`: the relay can be found on the local network.
 *
 * @module
 */

import { describeCause, Failure } from "../../base/errors.ts";
import { show } from "../../base/text.ts";
import { ANNOUNCE_PORT } from "../../protocol/announcement.ts";
import type { RelayServer } from "../../relay/server.ts";
import { announce } from "../../transport/announce.ts";
import { type CommandLine, usageFailure } from "../options/command_line.ts";
import { RELAY as SPEC } from "../options/command_table.ts";
import { badValue } from "../options/values.ts";
import type { CliEvent } from "../output/cli_events.ts";
import type { Terminal } from "../output/terminal.ts";
import { machineName } from "./machine_name.ts";

/** Rejects `--announce-port` without `--announce`, and `--announce` with
 * `--plaintext`. */
export function checkAnnouncing(line: CommandLine): void {
  const port = line.value("announce-port");
  if (!line.isOn("announce")) {
    if (port === undefined || !line.typed.includes("announce-port")) return;
    throw badValue("announce-port", port, "it needs --announce");
  }
  if (line.isOn("plaintext")) {
    throw usageFailure(
      SPEC,
      "--announce and --plaintext exclude each other: others could not check that it is this relay",
    );
  }
}

/**
 * Announces `relay` if `--announce` is given. If the port cannot be used,
 * reports that, and the relay continues.
 */
export async function startAnnouncing(
  relay: RelayServer,
  { line, terminal, isPrivate }: {
    line: CommandLine;
    terminal: Terminal;
    isPrivate: boolean;
  },
): Promise<AsyncDisposable> {
  const nothing = { [Symbol.asyncDispose]: () => Promise.resolve() };
  if (!line.isOn("announce")) return nothing;
  const { id } = relay;
  const name = line.get("name") ?? machineName() ?? `relay-${id.slice(0, 6)}`;
  const advertised = line.get("advertise");
  const port = line.get("announce-port") ?? ANNOUNCE_PORT;
  const host = line.get("host");
  try {
    const announcer = await announce({
      ...{ id, name, isPrivate },
      port: advertised?.port ?? relay.address.port,
      ...(advertised === undefined ? {} : { host: advertised.host }),
    }, { port, ...(host === undefined ? {} : { host }) });
    terminal.event<CliEvent>({
      event: "announcing",
      name,
      port: announcer.port,
    });
    terminal.note(
      `announced on this network as ${
        show(name)
      }, at UDP port ${announcer.port}`,
    );
    return announcer;
  } catch (error) {
    if (error instanceof Failure) throw error;
    const why = describeCause(error);
    terminal.event<CliEvent>({ event: "announce_failed", port, why });
    terminal.note(
      `warning: cannot announce this relay at UDP port ${port}: ${why}; give its address to others yourself`,
    );
    return nothing;
  }
}
