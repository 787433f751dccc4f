/**
 * From the arguments of `peer_node.ts` to a node that runs until it is stopped.
 *
 * @module
 */

import { sideBySide } from "../../access/further_relay.ts";
import { parsePort } from "../../base/address.ts";
import { aborted } from "../../base/waiting.ts";
import { join } from "@std/path/join";
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
import { loadIdentity, makeStateFolder } from "../../identity/identity_file.ts";
import type { Terminal } from "../output/terminal.ts";
import { refusePrivateFiles } from "./private_files.ts";
import { readIndexKey } from "./secrets.ts";
import type { CliEvent } from "../output/cli_events.ts";
import { formatSummary } from "../output/fetches.ts";
import { NODE as SPEC } from "../options/command_table.ts";
import { machineName } from "./machine_name.ts";
import { takeRelays } from "./given_relays.ts";
import { FetchLines } from "./fetch_lines.ts";
import { collectInService } from "./memory.ts";
import { printNodeEvent } from "./node_events.ts";
import { serveMetrics } from "./metrics.ts";
import { nodeSettings, rereadOnHangup } from "./reload.ts";
import { usageFailure } from "../options/command_line.ts";
import { given, parseShared } from "../options/values.ts";
import {
  listening,
  loadKnownRelays,
  type RoleContext,
  surviveRejections,
} from "./role.ts";
import { worded } from "../output/remedies.ts";

const DEFAULT_DIRECTORY = "./files";

/** The options of a node that was started by a command line. */
type NodeLine = NodeOptions & Required<Pick<NodeOptions, "paths">>;

/** Runs the node; resolves to the exit code. */
export async function runNode(context: RoleContext): Promise<number> {
  const { line, terminal } = context;
  const [command, ...words] = line.words;
  const isDoctor = command === "doctor";
  const options = isDoctor
    ? await nodeOptions(context, words, SPEC.commands[command]!.usage)
    : await nodeOptions(context, line.words);
  const state = line.value("state");
  if (state !== undefined && !isDoctor) await makeStateFolder(state);
  await refusePrivateFiles(options.paths.map(({ path }) => path), line);
  line.get("metrics"); // a wrong value is reported before anything starts
  Object.assign(options, await readIndexKey(context));
  if (!isDoctor) return await serveUntilStopped(options, context);
  const { runNodeDoctor } = await import("./doctor.ts");
  const code = await runNodeDoctor(options, context);
  terminal.check();
  return code;
}

async function serveUntilStopped(
  options: NodeLine,
  context: RoleContext,
): Promise<number> {
  const { line, terminal, signal } = context;
  const state = line.value("state");
  if (state !== undefined) options.identity = await loadIdentity(state);
  using digestStore = state === undefined
    ? undefined
    : await DigestFolder.open(join(state, "digests"));
  if (digestStore !== undefined) options.digestStore = digestStore;
  using _survive = surviveRejections(terminal);
  using _collect = collectInService();
  const metrics = new NodeMetrics();
  const relays = new RelaysLeft(options, terminal);
  using fetches = new FetchLines(terminal, {
    isVerbose: line.isOn("verbose"),
  });
  const startedAt = performance.now();
  const onEvent = (event: NodeEvent) => {
    metrics.onEvent(event, performance.now());
    printNodeEvent(event, terminal, { isListed: options.listSkipped, fetches });
    relays.note(event);
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
  await using _metrics = await serveMetrics(line.get("metrics"), terminal, {
    role: "node",
    families: () => metrics.families(node.stats(), performance.now()),
    troubles: async () => {
      const isShareReadable = await node.isShareReadable();
      return metrics.troubles({ isShareReadable }, performance.now());
    },
  });
  try {
    await Promise.race([aborted(signal), relays.gone]);
    return 0;
  } finally {
    await node.close();
    printSummary(node.stats(), terminal, performance.now() - startedAt);
  }
}

/** Counts the relays that may still list the node. */
class RelaysLeft {
  readonly #terminal: Terminal;
  readonly #gone = Promise.withResolvers<never>();
  /** Rejects with the failure of the last one when none is left. */
  readonly gone: Promise<never> = this.#gone.promise;
  #count: number;

  constructor({ relay: address, relays }: NodeLine, terminal: Terminal) {
    this.#terminal = terminal;
    this.#count = sideBySide({ address }, relays, LIMITS).length;
    this.#gone.promise.catch(() => {}); // reported where it is awaited
  }

  note(event: NodeEvent): void {
    if (event.event !== "outdated" && event.event !== "turned_away") return;
    this.#count--;
    if (this.#count === 0) return this.#gone.reject(event.error);
    const { message } = worded(event.error);
    this.#terminal.note(
      `warning: ${message}; continuing with the other relays`,
    );
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

function printSummary(
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
