/**
 * The interactive client: greeting, the active nodes, the question for a file
 * name, a line for each node tried, the content, and how it ended. The dialogue
 * goes to stderr and the content to stdout, so that they can be parted.
 *
 * @module
 */

import type { ClientEvent, NodeAnswer } from "../client/events.ts";
import { fetchFile } from "../client/fetch.ts";
import { listNodes } from "../client/listing.ts";
import type { TransferOptions } from "../client/transfer_options.ts";
import { Failure } from "../errors.ts";
import { show } from "../text.ts";
import { deliver } from "./delivery.ts";
import { Input } from "./streams.ts";
import { formatNodes } from "./tables.ts";
import { Telling } from "./telling.ts";
import type { Terminal } from "./terminal.ts";

/** Holds one dialogue; resolves to the exit code. */
export async function runDialogue(
  options: TransferOptions,
  { terminal, signal }: { terminal: Terminal; signal: AbortSignal },
): Promise<number> {
  const { onEvent } = new DialogueTelling(terminal);
  const { nodes } = await listNodes({ ...options, onEvent });
  if (nodes.length === 0) {
    throw new Failure("not_found", {
      what: "Cannot fetch a file",
      why: "no peer node is active",
      remedy: "start one with peer_node.ts",
    });
  }
  const input = new Input();
  const name = await askName(input, terminal, signal);
  await using file = await fetchFile({
    ...options,
    name,
    nodes,
    oneByOne: true,
    onEvent,
  });
  await deliver(file, { terminal, input, signal });
  terminal.note(`received ${file.size} bytes, remaining 0 bytes`);
  terminal.note(
    `file transfer successful from node ${file.node.number} (${
      show(file.node.name)
    })`,
  );
  return 0;
}

async function askName(
  input: Input,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<string> {
  terminal.ask("file name: ");
  const name = (await input.line(signal))?.trim() ?? "";
  // What was typed stands on the terminal already.
  if (!Deno.stdin.isTerminal()) terminal.note(show(name));
  else if (name === "") terminal.note("");
  return name;
}

/** Tells every answer of a node, as the report's transcript does. */
class DialogueTelling extends Telling {
  readonly #to: Terminal;

  constructor(terminal: Terminal) {
    super(terminal);
    this.#to = terminal;
  }

  override tell(event: ClientEvent): void {
    if (event.event === "nodes_listed") {
      this.#to.note(`relay says: ${show(event.greeting)}`);
      this.#to.note(`peer node count: ${event.nodes.length}`);
      for (const row of formatNodes(event.nodes, { ids: false })) {
        this.#to.note(row);
      }
    } else if (event.event === "node_answered") {
      const { node, address, answer } = event;
      this.#to.note(
        `node ${node.number}  ${show(address)}  ${answerInWords(answer)}`,
      );
    } else super.tell(event);
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
