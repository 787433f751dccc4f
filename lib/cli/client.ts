/**
 * `peer_client.ts`: from arguments to one command and its exit code.
 *
 * @module
 */

import {
  type ClientEvent,
  type ClientOptions,
  fetchFile,
  listNodes,
} from "../client.ts";
import { show } from "../text.ts";
import type { Terminal } from "./terminal.ts";
import { Delivery } from "./delivery.ts";
import { runDialogue } from "./dialogue.ts";
import { type CommandSpec, usageFailure } from "./options.ts";
import { formatNodes } from "./nodes_table.ts";
import {
  expectNoMore,
  KNOWN_RELAYS_OPTION,
  loadKnownRelays,
  PLAINTEXT_WARNING,
  runRole,
  takeRelay,
  tellRelayMet,
} from "./role.ts";

const SPEC: CommandSpec = {
  script: "peer_client.ts",
  summary:
    "The peer client: fetches a file by name from whichever peer node has it.",
  usage: ["[options] RELAY [command]"],
  notes: [
    "RELAY is HOST PORT, or a relay address p2p://HOST:PORT/RELAY_ID, which pins the",
    "relay's identity.",
    "",
    "Commands:",
    "  (none)      ask for a file name, and show the file",
    "  nodes       the active nodes",
    "  cat NAME    content of a file to stdout",
  ],
  options: { ...KNOWN_RELAYS_OPTION },
};

/** Runs the client; resolves to the exit code. */
export function main(args: readonly string[]): Promise<number> {
  return runRole(args, SPEC, async ({ line, terminal, signal }) => {
    const { relay, rest } = takeRelay(line.words, SPEC);
    const [command, ...words] = rest;
    const plaintext = line.isOn("plaintext");
    const options: ClientOptions = {
      relay,
      plaintext,
      signal,
      ...await loadKnownRelays(line),
    };
    if (plaintext) terminal.note(PLAINTEXT_WARNING);
    switch (command) {
      case undefined:
        return await runDialogue(options, terminal);
      case "nodes":
        expectNoMore(words, SPEC);
        return await runNodes(options, terminal);
      case "cat":
        return await runCat(options, words, terminal);
      default:
        throw usageFailure(SPEC, `there is no command ${show(command)}`);
    }
  });
}

async function runNodes(
  options: ClientOptions,
  terminal: Terminal,
): Promise<number> {
  const { nodes } = await listNodes({
    ...options,
    onEvent: (event) => {
      terminal.event(event);
      if (isRelayMet(event)) tellRelayMet(event, terminal);
    },
  });
  terminal.note(`peer node count: ${nodes.length}`);
  for (const row of formatNodes(nodes, { ids: true })) terminal.fact(row);
  return 0;
}

async function runCat(
  options: ClientOptions,
  words: readonly string[],
  terminal: Terminal,
): Promise<number> {
  const [name, ...more] = words;
  if (name === undefined) throw usageFailure(SPEC, "cat needs the file's name");
  expectNoMore(more, SPEC);
  await using file = await fetchFile({
    ...options,
    name,
    onEvent: (event) => {
      terminal.event(event);
      if (isRelayMet(event)) tellRelayMet(event, terminal);
      if (event.event === "node_answered") tellTrouble(event, terminal);
    },
  });
  await new Delivery(terminal).deliver(file);
  return 0;
}

function isRelayMet(
  event: ClientEvent,
): event is Extract<
  ClientEvent,
  { event: "relay_unverified" | "relay_changed" }
> {
  return event.event === "relay_unverified" || event.event === "relay_changed";
}

/** Notes a node that should have helped and did not. */
function tellTrouble(
  { node, address, answer }: Extract<ClientEvent, { event: "node_answered" }>,
  terminal: Terminal,
): void {
  if (answer.kind === "found" || answer.kind === "not_found") return;
  terminal.note(
    `node ${node.number}  ${address}  ${answer.kind}: ${answer.cause}`,
  );
}
