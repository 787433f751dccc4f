/**
 * The interactive client: greeting, active nodes, a question for a file name,
 * one line for each node tried, the content, and the outcome. The dialogue goes
 * to stderr and the content to stdout, so they can be separated. If both are
 * terminals, an empty name opens a list to choose from.
 *
 * @module
 */

import type { ClientEvent, NodeAnswer } from "../../client/events.ts";
import { fetchFile } from "../../client/fetch.ts";
import { listNodes } from "../../client/listing.ts";
import type { ListedNode } from "../../client/nodes.ts";
import type { TransferOptions } from "../../client/transfer_options.ts";
import { Failure } from "../../base/errors.ts";
import { counted, show } from "../../base/text.ts";
import { deliver } from "./delivery.ts";
import { Input } from "../output/streams.ts";
import { namesOn } from "../output/node_names.ts";
import { formatNodes } from "../output/tables.ts";
import { EventPrinter } from "./event_printer.ts";
import type { Terminal } from "../output/terminal.ts";

/** Runs one dialogue; resolves to the exit code. */
export async function runDialogue(
  options: TransferOptions,
  { terminal, signal }: { terminal: Terminal; signal: AbortSignal },
): Promise<number> {
  const { onEvent } = new DialoguePrinter(terminal);
  const { nodes } = await listNodes({ ...options, onEvent });
  if (nodes.length === 0) {
    throw new Failure("not_found", {
      what: "Cannot fetch a file",
      why: "no peer node is active",
      remedy: "start one with peer_node.ts",
    });
  }
  const input = new Input();
  const showFile = async (name: string, nodes: readonly ListedNode[]) => {
    const asked = { ...options, name, nodes, oneByOne: true, onEvent };
    await using file = await fetchFile(asked);
    await deliver(file, { terminal, input, signal });
    terminal.note(`received ${counted(file.size, "byte")}, remaining 0 bytes`);
    terminal.note(
      `file transfer successful from node ${file.node.number} (${
        show(namesOn(terminal).of(file.node))
      })`,
    );
  };
  if (terminal.isInteractive) terminal.note(HINT);
  const name = await askName(input, terminal, signal);
  const isOurs = terminal.isInteractive && name !== null && OUR_WORDS.has(name);
  if (!isOurs) {
    await showFile(name ?? "", nodes);
    return 0;
  }
  if (name === "q") return 0;
  const { browse } = await import("./browse.ts"); // most runs do not need it
  return await browse(options, { terminal, input, signal, nodes, showFile });
}

const HINT = "(Enter lists all files, q quits)";
/** Words that the user can type in place of a name. */
const OUR_WORDS: ReadonlySet<string> = new Set(["", "?", "q"]);

/** The user's answer; `null` at the end of the input. */
async function askName(
  input: Input,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<string | null> {
  terminal.ask("file name: ");
  const line = await input.line(signal);
  const name = line?.trim() ?? "";
  // The terminal already shows the typed text with its line break.
  const isEnded = line !== null && (name !== "" || terminal.isInteractive);
  if (!Deno.stdin.isTerminal()) terminal.note(show(name));
  else if (!isEnded) terminal.note("");
  return line === null ? null : name;
}

/** Prints every answer of a node, as a line of the transcript. */
class DialoguePrinter extends EventPrinter {
  readonly #to: Terminal;

  constructor(terminal: Terminal) {
    super(terminal);
    this.#to = terminal;
  }

  override print(event: ClientEvent): void {
    if (event.event === "nodes_listed") {
      this.#to.note(`relay says: ${show(event.greeting)}`);
      this.#to.note(`peer node count: ${event.nodes.length}`);
      for (const row of formatNodes(event.nodes, { ids: false })) {
        this.#to.note(row);
      }
    } else if (event.event === "node_answered") {
      const { node, address, answer, path } = event;
      const by = path === "tunnel" ? "through the relay, " : "";
      this.#to.note(
        `node ${node.number}  ${show(address)}  ${by}${answerInWords(answer)}`,
      );
    } else super.print(event);
  }
}

function answerInWords(answer: NodeAnswer): string {
  switch (answer.kind) {
    case "found":
      return `connected, file found, ${counted(answer.size, "byte")}`;
    case "not_found":
      return "connected, file not found";
    case "unreachable":
      return `cannot connect: ${answer.cause}`;
    case "failed":
      return `connected, failed: ${answer.cause}`;
    case "denied":
      return `connected, refused: ${answer.cause}`;
    case "corrupt":
      return `connected, sent wrong bytes: ${answer.cause}`;
  }
}
