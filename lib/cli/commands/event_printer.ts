/**
 * Puts a client's events into words: warnings, trouble with nodes, progress.
 *
 * @module
 */

import type { ClientEvent } from "../../client/events.ts";
import { type ListedNode, relaysOf } from "../../client/nodes.ts";
import type { RelayDialEvent } from "../../uplink/relay_dialer.ts";
import { formatEndpoint } from "../../base/conn.ts";
import { Failure } from "../../base/errors.ts";
import { counted, show } from "../../base/text.ts";
import { contentsInWords } from "../output/choices.ts";
import { foundInWords, severalInWords } from "../output/found.ts";
import { namesOn, type NodeNames } from "../output/node_names.ts";
import { formatProgress } from "../output/progress.ts";
import { formatUnreachableRelays } from "../output/unreachable_relays.ts";
import { formatBytes, formatSeconds } from "../../base/units.ts";
import { printClockGap, printRelayMet } from "../roles/role.ts";
import { servingInWords } from "./swarming.ts";
import { triedOn } from "../output/tried.ts";
import type { Terminal, TerminalEvent } from "../output/terminal.ts";
import { worded, wordedParts } from "../output/remedies.ts";

// If it waits for more nodes, the line does not name them all.
const MOST_WAITED_FOR = 3;

/** Prints events on a terminal. */
export class EventPrinter {
  readonly #terminal: Terminal;
  readonly #names: NodeNames;
  #printedMotd = "";
  /** Whether the user knows that the client waits for files. */
  #isWaiting = false;
  /** What is reported once: kinds of events, and lines. */
  readonly #printed = new Set<string>();

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    this.#names = namesOn(terminal);
  }

  /** Pass this to a function of the client. */
  readonly onEvent = (event: ClientEvent): void => {
    triedOn(this.#terminal).note(event);
    if (event.event === "nodes_listed") {
      this.#names.learn(event.nodes);
    }
    if (this.#terminal.options.json) this.#terminal.event(plainEvent(event));
    this.print(event);
  };

  /** Prints an event in words. */
  print(event: ClientEvent): void {
    const terminal = this.#terminal;
    switch (event.event) {
      case "relay_unverified":
      case "relay_remembered":
      case "relay_changed":
      case "relay_motd":
      case "relay_version_differs":
      case "relay_open":
        if (this.#isNew(event)) printRelayMet(event, terminal);
        return;
      case "clock_gap":
        return printClockGap(event, terminal);
      case "node_answered":
        return this.#printAnswer(event);
      case "contents_differ":
        return this.#printLines(contentsInWords(event, this.#names.byId));
      case "found_several":
        return this.#printLines(severalInWords(event, this.#names.byId));
      case "listing":
        return terminal.status(listingInWords(event));
      case "waiting_for_files":
        return this.#printWaiting(event);
      case "progress":
        this.#isWaiting = false;
        return terminal.status(
          event.received < event.total
            ? formatProgress(event, terminal.statusColumns)
            : "",
        );
      case "swarm_serving":
        return terminal.status(servingInWords(event));
      case "relay_failed":
      case "relay_late":
      case "relays_away":
      case "node_trouble":
      case "node_hashing":
      case "found_as":
      case "names_left_out":
      case "holder_refused":
        return terminal.note(this.#inWords(event));
      default:
        event.event satisfies Unprinted;
    }
  }

  /** The one line of an event that needs nothing else. */
  #inWords(event: ClientEvent & { event: OneLine }): string {
    switch (event.event) {
      case "relay_failed":
        return `warning: ${
          worded(event.error).message
        }; continuing with the other relays`;
      case "relay_late":
        return `the relay at ${event.relay} has not answered yet: continuing ` +
          "without the nodes that only it knows";
      case "relays_away":
        return formatUnreachableRelays(event);
      case "node_trouble": {
        const what = event.out ? "left out" : "had a problem";
        return `${this.#nodeInWords(event.node)} ${what}: ${event.cause}`;
      }
      case "node_hashing": {
        const { node, name, bytes } = event;
        return `waiting for ${this.#nodeInWords(node)} to hash ${
          show(name)
        }, ` +
          `${formatBytes(bytes)}: Ctrl-C stops`;
      }
      case "found_as":
        return foundInWords(event);
      case "names_left_out":
        return event.names === 1
          ? "1 name that begins with a dot, or is in such a folder, is left out (see '**/.*')"
          : `${event.names} names that begin with a dot, or are in such a folder, are left out (see '**/.*' and '**/.*/**')`;
      case "holder_refused":
        return `no help from other machines: ${event.why}`;
    }
  }

  #nodeInWords(node: ListedNode): string {
    return `node ${node.number} (${show(this.#names.of(node))})`;
  }

  #printLines(lines: Iterable<string>): void {
    for (const line of lines) this.#terminal.note(line);
  }

  /** Whether to print it: a command may ask the relay more than once. */
  #isNew(event: RelayDialEvent): boolean {
    switch (event.event) {
      case "relay_motd": {
        const isNew = event.text !== this.#printedMotd;
        this.#printedMotd = event.text;
        return isNew;
      }
      case "relay_unverified":
      case "relay_version_differs":
      case "relay_open":
        return this.#isFirst(event.event);
      default:
        return true;
    }
  }

  #isFirst(text: string): boolean {
    const isFirst = !this.#printed.has(text);
    this.#printed.add(text);
    return isFirst;
  }

  /**
   * Reports a node that fails, once: it fails for each name it is asked for.
   */
  #printAnswer(
    { node, address, answer }: ClientEvent & { event: "node_answered" },
  ): void {
    if (answer.kind === "found" || answer.kind === "not_found") return;
    const at = `node ${node.number}  ${show(address)}`;
    const line = `${at}  ${answer.kind}: ${answer.cause}`;
    if (this.#isFirst(line)) this.#terminal.note(line);
  }

  /** Reports once what it waits for; at a terminal also the remaining time. */
  #printWaiting(
    { names, leftMs }: ClientEvent & { event: "waiting_for_files" },
  ): void {
    const [first = ""] = names;
    const what = names.length === 1 ? show(first) : `${names.length} names`;
    if (!this.#isWaiting) {
      this.#terminal.note(`no node has ${what}: waiting, Ctrl-C stops`);
    }
    this.#isWaiting = true;
    const left = formatSeconds(leftMs / 1_000);
    this.#terminal.status(`waiting for ${what}, ${left} left`);
  }
}

/** Events that are reported in one line. */
type OneLine =
  | "relay_failed"
  | "relay_late"
  | "relays_away"
  | "node_trouble"
  | "node_hashing"
  | "found_as"
  | "names_left_out"
  | "holder_refused";

/** Events that are not reported to people here. */
type Unprinted =
  | "holder_listed"
  | "holder_reached"
  | "swarm_lingers"
  | "swarm_ended"
  | "nodes_listed"
  | "files_wanted"
  | "file_planned"
  | "file_received"
  | "file_present"
  | "file_resumed"
  | "zeros_skipped"
  | "file_kept"
  | "file_failed";

function listingInWords(
  { files, nodes, nodeCount, waitingFor }: ClientEvent & { event: "listing" },
): string {
  const waited = waitingFor.slice(0, MOST_WAITED_FOR).map(show);
  const others = waitingFor.length > MOST_WAITED_FOR ? ", …" : "";
  return `listing: ${counted(files, "file")} of ${nodes} of ${
    counted(nodeCount, "node")
  }; waiting for ${waited.join(", ")}${others}`;
}

/** The event without data that only the program itself can use. */
function plainEvent(event: ClientEvent): TerminalEvent {
  return JSON.parse(JSON.stringify(event, (key, value) => {
    if (key === "certificate" || key === "signed" || key === "grant") {
      return undefined;
    }
    if (isOfSeveral(value)) {
      const { others: _, relay: __, ...node } = value;
      return { ...node, relays: relaysOf(value) };
    }
    if (key === "addresses") return value.map(formatEndpoint);
    if (value instanceof Failure) return wordedParts(value);
    return value;
  })) as TerminalEvent;
}

/** Whether it is a node of several relays. */
function isOfSeveral(value: unknown): value is ListedNode {
  return typeof value === "object" && value !== null && "signed" in value &&
    "relay" in value && value.relay !== undefined;
}
