/**
 * Puts a client's events into words: warnings, trouble with nodes, progress.
 *
 * @module
 */

import type { ClientEvent } from "../../client/events.ts";
import { type ListedNode, relaysOf } from "../../client/nodes.ts";
import { formatEndpoint } from "../../base/conn.ts";
import { Failure } from "../../base/errors.ts";
import { counted, show } from "../../base/text.ts";
import { contentsInWords } from "../output/choices.ts";
import { foundInWords, severalInWords } from "../output/found.ts";
import { namesOn, type NodeNames } from "../output/node_names.ts";
import { formatProgress } from "../output/progress.ts";
import { awayInWords } from "../output/relays_away.ts";
import { formatBytes, formatSeconds } from "../../base/units.ts";
import { tellClockGap, tellRelayMet } from "../roles/role.ts";
import { servingInWords } from "./swarming.ts";
import { triedOn } from "../output/tried.ts";
import type { Terminal, TerminalEvent } from "../output/terminal.ts";
import { worded, wordedParts } from "../output/remedies.ts";

// If more nodes are waited for, the line does not name them all.
const MOST_WAITED_FOR = 3;

/** Prints events on a terminal. */
export class Telling {
  readonly #terminal: Terminal;
  readonly #names: NodeNames;
  #isVersionTold = false;
  #isUnverifiedTold = false;
  #isOpenTold = false;
  #toldMotd = "";
  /** Whether the user knows that files are waited for. */
  #isWaiting = false;
  readonly #toldAnswers = new Set<string>();

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
    this.tell(event);
  };

  /** Prints an event in words. */
  tell(event: ClientEvent): void {
    const terminal = this.#terminal;
    switch (event.event) {
      case "relay_unverified":
        if (this.#isUnverifiedTold) return;
        this.#isUnverifiedTold = true;
        return tellRelayMet(event, terminal);
      case "clock_gap":
        return tellClockGap(event, terminal);
      case "relay_remembered":
      case "relay_changed":
        return tellRelayMet(event, terminal);
      case "relay_motd":
        // A command may ask the relay more than once.
        if (event.text !== this.#toldMotd) tellRelayMet(event, terminal);
        this.#toldMotd = event.text;
        return;
      case "relay_version_differs":
        if (this.#isVersionTold) return;
        this.#isVersionTold = true;
        return tellRelayMet(event, terminal);
      case "relay_failed":
        return terminal.note(
          `warning: ${
            worded(event.error).message
          }; continuing with the other relays`,
        );
      case "relay_late":
        return terminal.note(
          `the relay at ${event.relay} has not answered yet: continuing ` +
            "without the nodes that only it knows",
        );
      case "relays_away":
        return terminal.note(awayInWords(event));
      case "relay_open":
        if (this.#isOpenTold) return;
        this.#isOpenTold = true;
        return tellRelayMet(event, terminal);
      case "node_answered": {
        const { node, address, answer } = event;
        if (answer.kind === "found" || answer.kind === "not_found") return;
        const at = `node ${node.number}  ${show(address)}`;
        const line = `${at}  ${answer.kind}: ${answer.cause}`;
        // A node that fails does so for every name it is asked for.
        if (this.#toldAnswers.has(line)) return;
        this.#toldAnswers.add(line);
        return terminal.note(line);
      }
      case "node_trouble": {
        const { node, cause, out } = event;
        const what = out ? "left out" : "had a problem";
        return terminal.note(
          `node ${node.number} (${
            show(this.#names.of(node))
          }) ${what}: ${cause}`,
        );
      }
      case "node_hashing": {
        const { node, name, bytes } = event;
        const who = show(this.#names.of(node));
        return terminal.note(
          `waiting for node ${node.number} (${who}) to hash ${show(name)}, ` +
            `${formatBytes(bytes)}: Ctrl-C stops`,
        );
      }
      case "contents_differ": {
        const { byId } = this.#names;
        for (const line of contentsInWords(event, byId)) terminal.note(line);
        return;
      }
      case "found_as":
        return terminal.note(foundInWords(event));
      case "found_several": {
        const { byId } = this.#names;
        for (const line of severalInWords(event, byId)) terminal.note(line);
        return;
      }
      case "listing": {
        const { files, nodes, nodeCount, waitingFor } = event;
        const waited = waitingFor.slice(0, MOST_WAITED_FOR).map(show);
        const others = waitingFor.length > MOST_WAITED_FOR ? ", …" : "";
        return terminal.status(
          `listing: ${counted(files, "file")} of ${nodes} of ${
            counted(nodeCount, "node")
          }; ` +
            `waiting for ${waited.join(", ")}${others}`,
        );
      }
      case "waiting_for_files":
        return this.#tellWaiting(event);
      case "names_left_out":
        return terminal.note(
          event.names === 1
            ? "1 hidden name (it, or a folder above, begins with a dot) is left out (see '**/.*')"
            : `${event.names} hidden names (they, or a folder above, begin with a dot) are left out (see '**/.*' and '**/.*/**')`,
        );
      case "progress":
        this.#isWaiting = false;
        return terminal.status(
          event.received < event.total
            ? formatProgress(event, terminal.statusColumns)
            : "",
        );
      case "holder_refused":
        return terminal.note(`no help from other machines: ${event.why}`);
      case "swarm_serving":
        return terminal.status(servingInWords(event));
      case "holder_listed":
      case "holder_reached":
      case "swarm_lingers":
      case "swarm_ended":
      case "nodes_listed":
      case "files_wanted":
      case "file_planned":
      case "file_received":
      case "file_present":
      case "file_resumed":
      case "zeros_skipped":
      case "file_kept":
      case "file_failed":
        return;
      default:
        event satisfies never;
    }
  }

  /** Says once what is waited for; at a terminal also for how long still. */
  #tellWaiting(
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
