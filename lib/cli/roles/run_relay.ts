/**
 * From the arguments of `relay.ts` to a relay that runs until it is stopped.
 *
 * @module
 */

import {
  isLoopback,
  parsePort,
  parseRelayAddress,
} from "../../base/address.ts";
import { onDispose } from "../../base/collections.ts";
import { aborted } from "../../base/waiting.ts";
import { parseSecret } from "../../access/secret.ts";
import { formatEndpoint } from "../../base/conn.ts";
import { Failure } from "../../base/errors.ts";
import {
  type RelayEvent,
  type RelayOptions,
  type RelayServer,
  serveRelay,
} from "../../relay/server.ts";
import { RelayMetrics } from "../../ops/metrics.ts";
import type { CliEvent } from "../output/cli_events.ts";
import {
  makeSecret,
  readSecrets,
  showMadeTokens,
  tokenLines,
} from "./secrets.ts";
import { hasIdentity, loadIdentity } from "../../identity/identity_file.ts";
import { counted, show } from "../../base/text.ts";
import type { Terminal } from "../output/terminal.ts";
import { printIncident } from "../output/incidents.ts";
import { RELAY as SPEC } from "../options/command_table.ts";
import { checkAnnouncing, startAnnouncing } from "./announcing.ts";
import { collectInService } from "./memory.ts";
import { serveMetrics } from "./metrics.ts";
import { keepAddress, warnOfCopy } from "./duplicate_identity.ts";
import { keepPrivate } from "./private_mark.ts";
import { type CommandLine, usageFailure } from "../options/command_line.ts";
import { given } from "../options/values.ts";
import {
  expectNoMore,
  listening,
  PLAINTEXT_WARNING,
  printClockGap,
  type RoleContext,
  surviveRejections,
} from "./role.ts";
import { worded } from "../output/remedies.ts";
import { rereading } from "./one_at_a_time.ts";

/** Options of a relay that is one of several instances. */
const CLUSTERED = ["cluster", "cluster-file", "advertise-instance"];

/** Runs the relay; resolves to the exit code. */
export async function runRelay(context: RoleContext): Promise<number> {
  const { line, terminal, signal } = context;
  for (const word of line.words) concealSecret(word, terminal);
  if (line.isOn("show-tokens")) return await showTokens(context);
  checkAnnouncing(line);
  const options = await relayOptions(line);
  if (CLUSTERED.some((name) => line.isSet(name))) {
    const { clusterOptions } = await import("./cluster.ts");
    Object.assign(options, await clusterOptions(context, options));
  }
  const secrets = await readSecrets(context) ?? madeSecrets(context);
  if (secrets !== undefined) options.secrets = secrets;
  const state = line.get("state");
  if (state !== undefined) {
    await keepPrivate(state, { isPrivate: secrets !== undefined });
  }
  const isClustered = options.cluster !== undefined;
  const keepsAddress = state !== undefined && !isClustered &&
    !await warnOfCopy(state, { id: options.identity!.id, terminal, signal });
  const metricsAt = line.get("metrics");
  using _survive = surviveRejections(terminal);
  using _collect = collectInService();
  const metrics = new RelayMetrics();
  const onEvent = (event: RelayEvent) => {
    metrics.onEvent(event, performance.now());
    printRelayEvent(event, terminal);
    if (event.event === "relay_listening" && keepsAddress) {
      keeping = keepAddress(state, event.address);
    }
  };
  let keeping: Promise<void> | undefined;
  await using relay = await listening(
    options,
    serveRelay({ ...options, onEvent }),
  );
  await keeping;
  await using _announcing = await startAnnouncing(relay, {
    line,
    terminal,
    isPrivate: secrets !== undefined,
  });
  using _reloads = rereadOnHangup(relay, context);
  await using _metrics = await serveMetrics(metricsAt, terminal, {
    role: "relay",
    families: () => metrics.families(relay.stats()),
    health: () => {
      const { cluster } = relay.stats();
      if (cluster === null) return {};
      const { phase, lagSeconds } = cluster;
      return {
        cluster: phase,
        ...phase === "whole" ? {} : { heardSecondsAgo: Math.round(lagSeconds) },
      };
    },
    troubles: () => metrics.troubles(relay.stats(), performance.now()),
  });
  await aborted(signal);
  return 0;
}

/**
 * Conceals a word that is a secret in the wrong place, so that no message
 * repeats it.
 */
function concealSecret(word: string, terminal: Terminal): void {
  try {
    parseSecret(word);
    terminal.conceal(word);
  } catch (error) {
    if (!(error instanceof Failure)) throw error; // not a secret
  }
}

async function showTokens(context: RoleContext): Promise<number> {
  const { terminal } = context;
  const secrets = await readSecrets(context);
  if (secrets === undefined) {
    throw usageFailure(SPEC, "--show-tokens goes with --secret-file FILE");
  }
  const [node = "", client = ""] = tokenLines(secrets.current);
  terminal.reveal(node);
  terminal.reveal(client);
  const tokenIn = (row: string) => row.split(" ").at(-1)!;
  terminal.revealEvent(
    {
      event: "tokens",
      node: tokenIn(node),
      client: tokenIn(client),
    } satisfies CliEvent,
  );
  terminal.check();
  return 0;
}

/** A new secret, if the relay should be private and was given none. */
function madeSecrets(
  { line, terminal }: RoleContext,
): { current: Uint8Array } | undefined {
  if (!line.isOn("private")) return undefined;
  const current = makeSecret();
  showMadeTokens(current, terminal, SPEC);
  return { current };
}

/** Reads the secret files again on SIGHUP; nobody is disconnected. */
function rereadOnHangup(relay: RelayServer, context: RoleContext): Disposable {
  const { line, terminal } = context;
  const canReload = line.value("secret-file") !== undefined &&
    Deno.build.os !== "windows";
  if (!canReload) return onDispose(() => {});
  // Of two runs at once, the one with the earlier files could end last.
  const reread = rereading(
    async () => {
      const secrets = await readSecrets(context);
      if (secrets !== undefined) relay.replaceSecrets(secrets);
      terminal.note("secrets read again");
    },
    (failure) =>
      terminal.note(
        `${worded(failure).message}; continuing with the previous secrets`,
      ),
  );
  const onHangup = () => void reread();
  Deno.addSignalListener("SIGHUP", onHangup);
  return onDispose(() => Deno.removeSignalListener("SIGHUP", onHangup));
}

async function relayOptions(line: CommandLine): Promise<RelayOptions> {
  const [port, ...rest] = line.words;
  if (port === undefined) throw usageFailure(SPEC, "the port is missing");
  expectNoMore(rest, SPEC);
  const options: RelayOptions = {
    port: parsePort(port, { zero: true }),
    plaintext: line.isOn("plaintext"),
    ...given({
      host: line.get("host"),
      advertise: line.get("advertise"),
      greeting: line.get("greeting"),
      motd: line.get("motd"),
      minVersion: line.get("min-version"),
      indexBytes: line.get("index-memory"),
    }),
  };
  const tunnelPort = line.get("tunnel-port");
  if (line.isOn("no-tunnel")) options.tunnels = false;
  else if (tunnelPort !== undefined) options.tunnels = { port: tunnelPort };
  const state = line.get("state");
  if (state !== undefined) {
    options.hasRunBefore = await hasIdentity(state);
    options.identity = await loadIdentity(state);
  }
  return options;
}

/** Prints an event of the relay. */
export function printRelayEvent(event: RelayEvent, terminal: Terminal): void {
  terminal.event(event);
  switch (event.event) {
    case "relay_listening":
      printListening(event, terminal);
      break;
    case "node_registered":
      terminal.note(
        `node ${show(event.name)} registered from ${show(event.from)}, ` +
          `at ${event.addresses.map(show).join(", ")}`,
      );
      break;
    case "node_left":
      terminal.note(`node ${show(event.name)} left: ${HOW_LEFT[event.how]}`);
      break;
    case "clock_gap":
      printClockGap(event, terminal);
      break;
    case "node_attached":
    case "node_detached":
      break;
    case "tunnel_ended": {
      const { how, toClientBytes, toNodeBytes, id, from } = event;
      terminal.note(
        `tunnel to ${id} ${how}: ` +
          `${counted(toClientBytes + toNodeBytes, "byte")}, for ${
            show(from || "this machine")
          }`,
      );
      break;
    }
    case "cluster": {
      const why = event.why === undefined ? "" : `: ${show(event.why)}`;
      terminal.note(`${CLUSTER_NOTES[event.phase]}${why}`);
      break;
    }
    default:
      printIncident(event, terminal);
  }
}

function printListening(
  event: RelayEvent & { event: "relay_listening" },
  terminal: Terminal,
): void {
  const { host, port, id, address, encrypted, tunnelPort } = event;
  terminal.fact(`relay listening on ${formatEndpoint({ host, port })}`);
  terminal.fact(`relay id ${id}`);
  terminal.fact(`relay address ${address}`);
  terminal.note(
    event.private
      ? "private relay: it serves only peers with a token or a link"
      : "open relay: anyone who can reach it may register, list and fetch",
  );
  if (tunnelPort !== undefined) {
    terminal.note(
      `tunnels to nodes that cannot be dialled use port ${tunnelPort}, ` +
        `or ${port} if that one is closed`,
    );
  }
  if (!encrypted) terminal.note(PLAINTEXT_WARNING);
  const { host: dialled } = parseRelayAddress(address);
  if (isLoopback(dialled) && !isLoopback(host)) {
    terminal.note(
      `on other machines, use this machine's name or address instead of ${dialled}`,
    );
  }
}

const CLUSTER_NOTES = {
  away:
    "cluster away: Redis cannot be reached; nodes of other instances stay listed",
  stale: "cluster stale: other instances may not know all nodes of this one",
  whole: "cluster whole: all instances list each other's nodes",
} as const;

const HOW_LEFT = {
  withdrawn: "it withdrew",
  expired: "its lease ended",
  found_dead: "a client reported it, and it does not answer",
} as const;
