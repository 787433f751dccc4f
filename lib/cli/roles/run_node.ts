/**
 * From the arguments of `peer_node.ts` to a node that runs until it is stopped.
 *
 * @module
 */

import { sideBySide } from "../../access/further_relay.ts";
import { parsePort } from "../../base/address.ts";
import { aborted } from "../../base/waiting.ts";
import { join } from "@std/path/join";
import { formatEndpoint } from "../../base/conn.ts";
import type { RunningFetch } from "../../node/fetch_types.ts";
import { DigestFolder } from "../../share/digest_store.ts";
import { LIMITS } from "../../base/limits.ts";
import { NodeMetrics } from "../../ops/metrics.ts";
import {
  type NodeEvent,
  type NodeOptions,
  type NodeStats,
  serveNode,
} from "../../node/server.ts";
import type { SkipCounts } from "../../share/skipped.ts";
import { loadIdentity, makeStateFolder } from "../../identity/identity_file.ts";
import { counted, show } from "../../base/text.ts";
import type { Terminal } from "../output/terminal.ts";
import { refusePrivateFiles } from "./private_files.ts";
import { readIndexKey } from "./secrets.ts";
import { tellIncident } from "../output/incidents.ts";
import type { CliEvent } from "../output/cli_events.ts";
import { formatSummary } from "../output/fetches.ts";
import {
  formatRisks,
  formatSkipCounts,
  formatSkipped,
} from "../output/skipped.ts";
import { NODE as SPEC } from "../options/command_table.ts";
import { machineName } from "./machine_name.ts";
import { takeRelays } from "./given_relays.ts";
import { FetchLines } from "./fetch_lines.ts";
import { collectInTime } from "./memory.ts";
import { serveMetrics } from "./metrics.ts";
import { nodeSettings, rereadOnHangup } from "./reload.ts";
import { usageFailure } from "../options/command_line.ts";
import { given, parseShared } from "../options/values.ts";
import {
  listening,
  loadKnownRelays,
  PLAINTEXT_WARNING,
  type RoleContext,
  surviveRejections,
  tellClockGap,
  tellRelayMet,
} from "./role.ts";
import { worded } from "../output/remedies.ts";

const DEFAULT_DIRECTORY = "./files";

/** The options of a node that was started by a command line. */
type NodeLine = NodeOptions & Required<Pick<NodeOptions, "paths">>;

/** Runs the node; resolves to the exit code. */
export async function runNode(context: RoleContext): Promise<number> {
  const { line, terminal, signal } = context;
  const [command, ...words] = line.words;
  const isDoctor = command === "doctor";
  const options = isDoctor
    ? await nodeOptions(context, words, SPEC.commands[command]!.usage)
    : await nodeOptions(context, line.words);
  const state = line.value("state");
  if (state !== undefined && !isDoctor) await makeStateFolder(state);
  await refusePrivateFiles(options.paths.map(({ path }) => path), line);
  const metricsAt = line.get("metrics");
  Object.assign(options, await readIndexKey(context));
  if (isDoctor) {
    const { runNodeDoctor } = await import("./doctor.ts");
    const code = await runNodeDoctor(options, context);
    terminal.check();
    return code;
  }
  if (state !== undefined) options.identity = await loadIdentity(state);
  using digestStore = state === undefined
    ? undefined
    : await DigestFolder.open(join(state, "digests"));
  if (digestStore !== undefined) options.digestStore = digestStore;
  using _survive = surviveRejections(terminal);
  using _collect = collectInTime();
  const metrics = new NodeMetrics();
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => {}); // reported below, if it gets there
  using fetches = new FetchLines(terminal, {
    isVerbose: line.isOn("verbose"),
  });
  const startedAt = performance.now();
  const { relay: address, relays = [] } = options;
  let relaysLeft = sideBySide({ address }, relays, LIMITS).length;
  const onEvent = (event: NodeEvent) => {
    metrics.onEvent(event, performance.now());
    tell(event, terminal, { isListed: options.listSkipped, fetches });
    if (event.event === "outdated" || event.event === "turned_away") {
      // The node goes on while one relay may still list it.
      if (--relaysLeft === 0) return ended.reject(event.error);
      terminal.note(
        `warning: ${
          worded(event.error).message
        }; continuing with the other relays`,
      );
    }
  };
  const onFetches = (running: readonly RunningFetch[]) => fetches.show(running);
  await using node = await listening(
    options,
    serveNode({
      ...options,
      onEvent,
      ...(fetches.isLive ? { onFetches } : {}),
    }),
  );
  using _reloads = rereadOnHangup(node, context);
  await using _metrics = await serveMetrics(metricsAt, terminal, {
    role: "node",
    families: () => metrics.families(node.stats(), performance.now()),
    troubles: async () => {
      const isShareReadable = await node.isShareReadable();
      return metrics.troubles({ isShareReadable }, performance.now());
    },
  });
  try {
    await Promise.race([aborted(signal), ended.promise]);
    return 0;
  } finally {
    await node.close();
    tellSummary(node.stats(), terminal, performance.now() - startedAt);
  }
}

async function nodeOptions(
  context: RoleContext,
  words: readonly string[],
  usage?: string,
): Promise<NodeLine> {
  const { line } = context;
  const found = await takeRelays(words, context, {
    ...{ spec: SPEC, role: "node", usage },
  });
  const { options: relays, token, rest } = found;
  const [port, ...shared] = rest;
  if (port === undefined) {
    throw usageFailure(SPEC, "the node's port is missing", usage);
  }
  const options: NodeLine = {
    ...relays,
    ...token && { token },
    port: parsePort(port, { zero: true }),
    paths: (shared.length > 0 ? shared : [DEFAULT_DIRECTORY]).map(parseShared),
    plaintext: line.isOn("plaintext"),
    listSkipped: line.isOn("list-skipped"),
    index: !line.isOn("no-index"),
    lanAddress: !line.isOn("no-lan-address"),
    ...await loadKnownRelays(line),
    ...given({
      name: line.get("name") ?? machineName(),
      host: line.get("host"),
      advertise: line.get("advertise"),
    }),
    ...nodeSettings(line),
  };
  if (line.isOn("no-tunnel")) {
    if (line.isOn("tunnel")) {
      throw usageFailure(SPEC, "--tunnel and --no-tunnel exclude each other");
    }
    options.tunnels = "never";
  } else if (line.isOn("tunnel")) options.tunnels = "always";
  return options;
}

/** Options of {@linkcode tell}. */
export interface TellOptions {
  /** Whether the names of skipped entries follow. */
  readonly isListed?: boolean | undefined;
  /** Tells of fetches. */
  readonly fetches?: FetchLines;
}

/** Prints an event of the node. */
export function tell(
  event: NodeEvent,
  terminal: Terminal,
  { isListed = false, fetches }: TellOptions = {},
): void {
  terminal.event(event);
  switch (event.event) {
    case "node_listening": {
      const { host, port, id, encrypted } = event;
      terminal.fact(`node listening on ${formatEndpoint({ host, port })}`);
      terminal.fact(`node id ${id}`);
      if (!encrypted) terminal.note(PLAINTEXT_WARNING);
      break;
    }
    case "scanning":
      terminal.note(
        `${show(event.directory)} is large, ${
          counted(event.files, "file")
        } found so far: clients can already fetch by name; lists follow after the scan`,
      );
      break;
    case "sharing":
      terminal.fact(
        `sharing ${counted(event.files, "file")} from ${show(event.directory)}`,
      );
      tellSkipCounts(event.skipped, { terminal, isListed });
      break;
    case "skipped":
      terminal.fact(formatSkipped(event));
      break;
    case "skipped_unnamed":
      terminal.fact(
        `skipped ${event.entries} more: a node keeps the names of ${LIMITS.skippedNameCount}`,
      );
      break;
    case "share_gone":
      terminal.note(
        `share gone: ${show(event.directory)}, ${
          counted(event.files, "file")
        } (${event.why}); checking every few seconds until it is back`,
      );
      break;
    case "share_back":
      terminal.note(
        `share back: ${show(event.directory)}, ${counted(event.files, "file")}`,
      );
      break;
    case "share_unwatched":
      terminal.note(
        `the system does not report changes in ${
          show(event.directory)
        } (${event.why}): the node scans it every few seconds`,
      );
      break;
    case "share_risky":
      terminal.note(formatRisks(event));
      break;
    case "registered":
      terminal.fact(
        `registered with ${event.relay}, lease ${event.leaseSeconds} s`,
      );
      break;
    case "renewed":
      break;
    case "clock_gap":
      tellClockGap(event, terminal);
      break;
    case "attached":
      terminal.note(
        event.why === "unreachable"
          ? "the relay cannot dial this node: clients come through the relay"
          : "clients can come through the relay",
      );
      break;
    case "detached":
      if (event.why === "reachable") {
        terminal.note("the relay can dial this node: clients come directly");
      }
      break;
    case "no_tunnels":
      terminal.note("the relay carries no tunnels: --tunnel has no effect");
      break;
    case "registration_failed":
      terminal.note(
        `${
          worded(event.error).message
        }; trying again; the node continues to serve`,
      );
      break;
    case "outdated":
      break; // this ends the process
    case "turned_away":
      break; // this ends the node, with that failure
    case "indexed":
      break;
    case "index_refused":
      terminal.note(
        `the relay accepts no index of the names (${
          show(event.why)
        }): clients ask this node for every name`,
      );
      break;
    case "withdrawn":
      terminal.note(`withdrawn from ${event.relay}`);
      break;
    case "withdraw_failed":
      terminal.note(
        `${worded(event.error).message}; the lease expires by itself`,
      );
      break;
    case "relay_unverified":
    case "relay_remembered":
    case "relay_changed":
    case "relay_motd":
    case "relay_version_differs":
    case "relay_open":
      tellRelayMet(event, terminal);
      break;
    case "hashed":
      break;
    case "served":
    case "fetch_started":
    case "fetch_ended":
    case "files_sent":
      fetches?.tell(event);
      break;
    default:
      tellIncident(event, terminal);
  }
}

function tellSummary(
  { fetches, sentBytes: bytes, refusals }: NodeStats,
  terminal: Terminal,
  ms: number,
): void {
  const { isMore, ...sent } = fetches;
  const seconds = Math.round(ms / 1_000);
  const refused = Object.entries(refusals).flatMap(([reason, count]) =>
    count > 0 ? [{ reason, count }] : []
  );
  const summary = { ...sent, bytes, seconds, refused };
  terminal.event({ event: "node_ended", ...summary } satisfies CliEvent);
  terminal.note(formatSummary({ ...summary, isMore }));
}

function tellSkipCounts(
  counts: SkipCounts,
  { terminal, isListed }: { terminal: Terminal; isListed: boolean },
): void {
  const line = formatSkipCounts(counts);
  if (line === undefined) return;
  terminal.note(isListed ? line : `${line}; name them with --list-skipped`);
}
