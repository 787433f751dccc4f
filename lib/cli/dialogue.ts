/**
 * The interactive client: greeting, the active nodes, the question for a file
 * name, a line for each node tried, the content, and how it ended. The dialogue
 * goes to stderr and the content to stdout, so that they can be parted.
 *
 * @module
 */

import {
  type ClientEvent,
  type ClientOptions,
  fetchFile,
  listNodes,
  type NodeAnswer,
} from "../client.ts";
import { Failure } from "../errors.ts";
import { show } from "../text.ts";
import type { Terminal } from "./terminal.ts";
import { Delivery } from "./delivery.ts";
import { formatNodes } from "./nodes_table.ts";
import { tellRelayMet } from "./role.ts";
import { inputLines } from "./streams.ts";

/** Holds one dialogue; resolves to the exit code. */
export async function runDialogue(
  options: ClientOptions,
  terminal: Terminal,
): Promise<number> {
  const told = {
    ...options,
    onEvent: (event: ClientEvent) => tell(event, terminal),
  };
  const { nodes } = await listNodes(told);
  if (nodes.length === 0) {
    throw new Failure("not_found", {
      what: "Cannot fetch a file",
      why: "no peer node is active",
      remedy: "start one with peer_node.ts",
    });
  }
  const lines = inputLines();
  const name = await askName(lines, terminal, options.signal);
  await using file = await fetchFile({ ...told, name, nodes });
  await new Delivery(terminal, lines).deliver(file);
  terminal.note(`received ${file.size} bytes, remaining 0 bytes`);
  terminal.note(
    `file transfer successful from node ${file.node.number} (${
      show(file.node.name)
    })`,
  );
  return 0;
}

async function askName(
  lines: AsyncIterator<string>,
  terminal: Terminal,
  signal: AbortSignal | undefined,
): Promise<string> {
  terminal.ask("file name: ");
  const answer = await Promise.race([lines.next(), rejectOnAbort(signal)]);
  const name = answer.done ? "" : answer.value.trim();
  // What was typed stands on the terminal already.
  if (!Deno.stdin.isTerminal()) terminal.note(show(name));
  return name;
}

function rejectOnAbort(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    const end = () => reject(signal?.reason);
    if (signal?.aborted) end();
    signal?.addEventListener("abort", end, { once: true });
  });
}

function tell(event: ClientEvent, terminal: Terminal): void {
  terminal.event(event);
  switch (event.event) {
    case "relay_unverified":
    case "relay_changed":
      tellRelayMet(event, terminal);
      break;
    case "nodes_listed":
      terminal.note(`relay says: ${show(event.greeting)}`);
      terminal.note(`peer node count: ${event.nodes.length}`);
      for (const row of formatNodes(event.nodes, { ids: false })) {
        terminal.note(row);
      }
      break;
    case "node_answered":
      terminal.note(
        `node ${event.node.number}  ${event.address}  ${
          answerInWords(event.answer)
        }`,
      );
      break;
    case "file_received":
      break;
    default:
      event satisfies never;
  }
}

function answerInWords(answer: NodeAnswer): string {
  switch (answer.kind) {
    case "found":
      return `connected, file found, ${answer.size} bytes`;
    case "not_found":
      return "connected, file not found";
    case "unreachable":
      return `cannot connect: ${answer.cause}`;
    case "failed":
      return `connected, failed: ${answer.cause}`;
    case "corrupt":
      return `connected, sent wrong bytes: ${answer.cause}`;
  }
}
