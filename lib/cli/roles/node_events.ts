/**
 * Puts the events of a node into words.
 *
 * @module
 */

import { formatEndpoint } from "../../base/conn.ts";
import { LIMITS } from "../../base/limits.ts";
import { counted, show } from "../../base/text.ts";
import type { IndexEvent } from "../../node/index_updater.ts";
import type { RegistrarEvent } from "../../node/registrar_events.ts";
import type { NodeEvent } from "../../node/server.ts";
import type { SkipCounts } from "../../share/skipped.ts";
import type { ShareEvent } from "../../share/upkeep_types.ts";
import { printIncident } from "../output/incidents.ts";
import { worded } from "../output/remedies.ts";
import {
  formatRisks,
  formatSkipCounts,
  formatSkipped,
} from "../output/skipped.ts";
import type { Terminal } from "../output/terminal.ts";
import type { FetchLines } from "./fetch_lines.ts";
import { PLAINTEXT_WARNING, printClockGap, printRelayMet } from "./role.ts";

/** Options of {@linkcode printNodeEvent}. */
export interface NodePrintOptions {
  /** Whether the names of skipped entries follow. */
  readonly isListed?: boolean | undefined;
  /** Prints the fetches. */
  readonly fetches?: FetchLines;
}

/** Prints an event of the node. */
export function printNodeEvent(
  event: NodeEvent,
  terminal: Terminal,
  { isListed = false, fetches }: NodePrintOptions = {},
): void {
  terminal.event(event);
  switch (event.event) {
    case "node_listening": {
      const { host, port, id, encrypted } = event;
      terminal.fact(`node listening on ${formatEndpoint({ host, port })}`);
      terminal.fact(`node id ${id}`);
      if (!encrypted) terminal.note(PLAINTEXT_WARNING);
      return;
    }
    case "sharing":
      terminal.fact(
        `sharing ${counted(event.files, "file")} from ${show(event.directory)}`,
      );
      return printSkipCounts(event.skipped, { terminal, isListed });
    case "skipped":
      return terminal.fact(formatSkipped(event));
    case "skipped_unnamed":
      return terminal.fact(
        `skipped ${event.entries} more: a node keeps the names of ${LIMITS.skippedNameCount}`,
      );
    case "scanning":
    case "share_gone":
    case "share_back":
    case "share_unwatched":
    case "share_risky":
      return terminal.note(shareInWords(event));
    case "clock_gap":
      return printClockGap(event, terminal);
    case "relay_unverified":
    case "relay_remembered":
    case "relay_changed":
    case "relay_motd":
    case "relay_version_differs":
    case "relay_open":
      return printRelayMet(event, terminal);
    case "hashed":
      return;
    case "served":
    case "fetch_started":
    case "fetch_ended":
    case "files_sent":
      return fetches?.print(event);
    case "refused":
    case "connection_failed":
    case "accept_stalled":
      return printIncident(event, terminal);
    default:
      return printRegistration(event, terminal);
  }
}

function shareInWords(
  event: ShareEvent | NodeEvent & { event: "scanning" },
): string {
  if (event.event === "share_risky") return formatRisks(event);
  const folder = show(event.directory);
  switch (event.event) {
    case "scanning":
      return `${folder} is large, ${
        counted(event.files, "file")
      } found so far: clients can already fetch by name; lists follow after the scan`;
    case "share_gone":
      return `share missing: ${folder}, ${
        counted(event.files, "file")
      } (${event.why}); checking every few seconds until it is back`;
    case "share_back":
      return `share back: ${folder}, ${counted(event.files, "file")}`;
    case "share_unwatched":
      return `the system does not report changes in ${folder} (${event.why}): the node scans it every few seconds`;
  }
}

function printRegistration(
  event: RegistrarEvent | IndexEvent,
  terminal: Terminal,
): void {
  switch (event.event) {
    case "registered":
      return terminal.fact(
        `registered with ${event.relay}, lease ${event.leaseSeconds} s`,
      );
    case "renewed":
    case "indexed":
      return;
    case "attached":
      return terminal.note(
        event.why === "unreachable"
          ? "the relay cannot dial this node: clients connect through the relay"
          : "clients can connect through the relay",
      );
    case "detached":
      if (event.why === "lost") return;
      return terminal.note(
        "the relay can dial this node: clients connect directly",
      );
    case "no_tunnels":
      return terminal.note(
        "the relay offers no tunnels: --tunnel has no effect",
      );
    case "registration_failed":
      return terminal.note(
        `${
          worded(event.error).message
        }; trying again; the node continues to serve`,
      );
    case "outdated":
    case "turned_away":
      return; // `run_node.ts` ends with that failure, or continues without the relay
    case "index_refused":
      return terminal.note(
        `the relay accepts no index of the names (${
          show(event.why)
        }): clients ask this node for every name`,
      );
    case "withdrawn":
      return terminal.note(`withdrawn from ${event.relay}`);
    case "withdraw_failed":
      return terminal.note(
        `${worded(event.error).message}; the lease expires by itself`,
      );
    default:
      event satisfies never;
  }
}

function printSkipCounts(
  counts: SkipCounts,
  { terminal, isListed }: { terminal: Terminal; isListed: boolean },
): void {
  const line = formatSkipCounts(counts);
  if (line === undefined) return;
  terminal.note(isListed ? line : `${line}; name them with --list-skipped`);
}
