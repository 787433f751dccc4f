/**
 * `relay.ts`: from arguments to a relay that runs until it is told to stop.
 *
 * @module
 */

import {
  isLoopback,
  parseAdvertise,
  parseHost,
  parsePort,
  parseRelayAddress,
} from "../address.ts";
import { formatEndpoint } from "../conn.ts";
import { GREETING_LENGTH } from "../greeting.ts";
import {
  type RelayEvent,
  type RelayOptions,
  serveRelay,
} from "../relay_server.ts";
import { RelayMetrics } from "../metrics.ts";
import { loadIdentity } from "../state.ts";
import { show } from "../text.ts";
import { isVersion } from "../version.ts";
import type { Terminal } from "./terminal.ts";
import { tellIncident } from "./incidents.ts";
import { RELAY as SPEC } from "./command_table.ts";
import { collectInTime } from "./memory.ts";
import { metricsAddress, serveMetrics } from "./metrics.ts";
import { type CommandLine, usageFailure } from "./options.ts";
import {
  aborted,
  badValue,
  expectNoMore,
  listening,
  PLAINTEXT_WARNING,
  runRole,
  surviveRejections,
} from "./role.ts";

/** Runs the relay; resolves to the exit code. */
export function main(args: readonly string[]): Promise<number> {
  return runRole(args, SPEC, async ({ line, terminal, signal }) => {
    const options = await relayOptions(line);
    const metricsAt = metricsAddress(line);
    using _survive = surviveRejections(terminal);
    using _collect = collectInTime();
    const metrics = new RelayMetrics();
    const onEvent = (event: RelayEvent) => {
      metrics.onEvent(event, performance.now());
      tell(event, terminal);
    };
    await using relay = await listening(
      options,
      serveRelay({ ...options, onEvent }),
    );
    await using _metrics = await serveMetrics(metricsAt, terminal, {
      role: "relay",
      families: () => metrics.families(relay.stats()),
      troubles: () => metrics.troubles(relay.stats(), performance.now()),
    });
    await aborted(signal);
    return 0;
  });
}

async function relayOptions(line: CommandLine): Promise<RelayOptions> {
  const [port, ...rest] = line.words;
  if (port === undefined) throw usageFailure(SPEC, "the port is missing");
  expectNoMore(rest, SPEC);
  const options: RelayOptions = {
    port: parsePort(port, { zero: true }),
    plaintext: line.isOn("plaintext"),
  };
  const host = line.value("host");
  const advertise = line.value("advertise");
  const greeting = line.value("greeting");
  const motd = line.value("motd");
  const minVersion = line.value("min-version");
  const state = line.value("state");
  const tunnelPort = line.value("tunnel-port");
  if (line.isOn("no-tunnel")) options.tunnels = false;
  else if (tunnelPort !== undefined) {
    options.tunnels = { port: parsePort(tunnelPort, { zero: true }) };
  }
  if (host !== undefined) options.host = parseHost(host);
  if (advertise !== undefined) options.advertise = parseAdvertise(advertise);
  if (greeting !== undefined) {
    options.greeting = parseWords("greeting", greeting);
  }
  if (motd !== undefined) options.motd = parseWords("motd", motd);
  if (minVersion !== undefined) options.minVersion = parseVersion(minVersion);
  if (state !== undefined) options.identity = await loadIdentity(state);
  return options;
}

function parseWords(option: string, text: string): string {
  if (text.length <= GREETING_LENGTH) return text;
  throw badValue(
    option,
    text,
    `wanted at most ${GREETING_LENGTH} characters, found ${text.length}`,
  );
}

function parseVersion(text: string): string {
  if (isVersion(text)) return text;
  throw badValue("min-version", text, "wanted X.Y.Z, such as 0.2.0");
}

/** Prints what the relay tells. */
export function tell(event: RelayEvent, terminal: Terminal): void {
  terminal.event(event);
  switch (event.event) {
    case "relay_listening": {
      const { host, port, id, address, encrypted, tunnelPort } = event;
      terminal.fact(`relay listening on ${formatEndpoint({ host, port })}`);
      terminal.fact(`relay id ${id}`);
      terminal.fact(`relay address ${address}`);
      terminal.note(
        "open relay: whoever reaches it may register, list and fetch",
      );
      if (tunnelPort !== undefined) {
        terminal.note(
          `tunnels to nodes that cannot be dialled enter at port ${tunnelPort}, ` +
            `or where that is closed at ${port}`,
        );
      }
      if (!encrypted) terminal.note(PLAINTEXT_WARNING);
      const { host: dialled } = parseRelayAddress(address);
      if (isLoopback(dialled) && !isLoopback(host)) {
        terminal.note(
          `on other machines, put this one's name or address in place of ${dialled}`,
        );
      }
      break;
    }
    case "node_registered":
      terminal.note(
        `node ${show(event.name)} registered from ${show(event.from)}, ` +
          `at ${event.addresses.map(show).join(", ")}`,
      );
      break;
    case "node_left":
      terminal.note(`node ${show(event.name)} left: ${HOW_LEFT[event.how]}`);
      break;
    case "node_attached":
    case "node_detached":
      break;
    case "tunnel_ended": {
      const { how, toClientBytes, toNodeBytes, id, from } = event;
      terminal.note(
        `tunnel to ${id} ${how}: ${toClientBytes + toNodeBytes} bytes, ` +
          `for ${show(from || "this machine")}`,
      );
      break;
    }
    default:
      tellIncident(event, terminal);
  }
}

const HOW_LEFT = {
  withdrawn: "it withdrew",
  expired: "its lease ended",
  found_dead: "a client reported it, and it does not answer",
} as const;
