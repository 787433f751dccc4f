/**
 * `peer_client.ts`: from arguments to one command and its exit code.
 *
 * @module
 */

import type { Preference } from "../choice.ts";
import { fetchFile } from "../client/fetch.ts";
import { listFiles, listNodes } from "../client/listing.ts";
import type { TransferOptions } from "../client/transfer_options.ts";
import { Failure } from "../errors.ts";
import { show } from "../text.ts";
import { deliver } from "./delivery.ts";
import { runDialogue } from "./dialogue.ts";
import { runGet } from "./get.ts";
import { type CommandLine, type CommandSpec, usageFailure } from "./options.ts";
import {
  badValue,
  expectNoMore,
  KNOWN_RELAYS_OPTION,
  loadKnownRelays,
  PLAINTEXT_WARNING,
  rateOption,
  type RoleContext,
  runRole,
  sizeOption,
  takeRelay,
} from "./role.ts";
import { parseSelection } from "./selection.ts";
import { Input } from "./streams.ts";
import { formatFiles, formatNodes } from "./tables.ts";
import { Telling } from "./telling.ts";

/** The client's command line. */
export const SPEC: CommandSpec = {
  script: "peer_client.ts",
  summary:
    "The peer client: fetches files by name from whichever peer nodes have them.",
  usage: ["[options] RELAY [command]"],
  notes: [
    "RELAY is HOST PORT, or a relay address p2p://HOST:PORT/RELAY_ID, which pins the",
    "relay's identity.",
    "",
    "Commands:",
    "  (none)        ask for a file name, and show the file",
    "  nodes         the active nodes",
    "  ls [GLOB]     the files on all nodes",
    "  get NAME…     fetch files; NAME may be a 'GLOB' or a FOLDER/",
    "  cat NAME      content of a file to stdout",
    "",
    "A name that begins with a dash goes after --.",
  ],
  options: {
    output: {
      value: "PATH",
      short: "o",
      help: "get: file or folder to save to, or - for stdout (.)",
    },
    overwrite: { help: "get: replace files that exist" },
    sha256: { value: "HEX", help: "fetch only what has this SHA-256" },
    node: { value: "ID|NAME", help: "fetch from this node only" },
    prefer: {
      value: "RULE",
      help: "which content to take: most-nodes or newest (most-nodes)",
    },
    connections: { value: "N", help: "connections to each node (1)" },
    "limit-rate": {
      value: "RATE",
      help: "bytes a second at most, as 500K or 20M",
    },
    "lowest-speed": {
      value: "RATE",
      help: "leave a node that is slower while there is another (4096)",
    },
    "no-tunnel": { help: "never go through the relay" },
    "max-relayed": {
      value: "SIZE",
      help: "bytes that may come through the relay, as 500M (no limit)",
    },
    ...KNOWN_RELAYS_OPTION,
  },
};

/** Runs the client; resolves to the exit code. */
export function main(args: readonly string[]): Promise<number> {
  return runRole(args, SPEC, async (context) => {
    const { line, terminal } = context;
    const { relay, rest } = takeRelay(line.words, SPEC);
    const [command, ...words] = rest;
    const options: TransferOptions = {
      relay,
      plaintext: line.isOn("plaintext"),
      signal: context.signal,
      tunnels: !line.isOn("no-tunnel"),
      ...transferOptions(line),
      ...await loadKnownRelays(line),
    };
    if (options.plaintext) terminal.note(PLAINTEXT_WARNING);
    const code = await runCommand(command, words, { ...context, options });
    terminal.check();
    return code;
  });
}

type Context = RoleContext & { readonly options: TransferOptions };

function runCommand(
  command: string | undefined,
  words: readonly string[],
  context: Context,
): Promise<number> {
  const { options, terminal, signal, line } = context;
  switch (command) {
    case undefined:
      return runDialogue(options, { terminal, signal });
    case "nodes":
      expectNoMore(words, SPEC);
      return runNodes(context);
    case "ls":
      return runList(words, context);
    case "cat":
      return runCat(words, context);
    case "get":
      if (words.length === 0) throw usageFailure(SPEC, "get needs a name");
      if (line.value("output") === "-") return runCat(words, context);
      return runGet(words, { options, terminal, line });
    default:
      throw usageFailure(SPEC, `there is no command ${show(command)}`);
  }
}

async function runNodes({ options, terminal }: Context): Promise<number> {
  const { onEvent } = new Telling(terminal);
  const { nodes } = await listNodes({ ...options, onEvent });
  terminal.note(`peer node count: ${nodes.length}`);
  for (const row of formatNodes(nodes, { ids: true })) terminal.fact(row);
  return 0;
}

async function runList(
  words: readonly string[],
  { options, terminal }: Context,
): Promise<number> {
  const [pattern, ...more] = words;
  expectNoMore(more, SPEC);
  const selection = pattern === undefined ? undefined : parseSelection(pattern);
  const matching = selection?.kind === "name"
    ? {
      prefix: selection.name,
      matches: (name: string) => name === selection.name,
    }
    : selection ?? {};
  const { onEvent } = new Telling(terminal);
  const files = await listFiles({ ...options, ...matching, onEvent });
  for (const { offers: _, ...file } of files) {
    terminal.event({ event: "file", ...file });
  }
  for (const row of formatFiles(files)) terminal.fact(row);
  if (files.length > 0) return 0;
  throw new Failure("not_found", {
    what: "Cannot list files",
    ...(pattern === undefined ? {} : { where: show(pattern) }),
    why: "no active node has any",
    remedy: "see the command nodes",
  });
}

async function runCat(
  words: readonly string[],
  { options, terminal, signal }: Context,
): Promise<number> {
  const [name, ...more] = words;
  if (name === undefined) throw usageFailure(SPEC, "cat needs the file's name");
  if (more.length > 0) {
    throw usageFailure(SPEC, "only one file can go to stdout");
  }
  const { onEvent } = new Telling(terminal);
  await using file = await fetchFile({ ...options, name, onEvent });
  await deliver(file, { terminal, input: new Input(), signal });
  return 0;
}

/** Options of what is fetched, from the command line. */
function transferOptions(line: CommandLine): Partial<TransferOptions> {
  const options: Partial<TransferOptions> = {};
  const node = line.value("node");
  const sha256 = line.value("sha256");
  const prefer = line.value("prefer");
  const connections = line.value("connections");
  const limitRate = line.value("limit-rate");
  const lowestSpeed = line.value("lowest-speed");
  const maxRelayed = line.value("max-relayed");
  if (node !== undefined) options.node = node;
  if (sha256 !== undefined) options.sha256 = parseSha256(sha256);
  if (prefer !== undefined) options.prefer = parsePreference(prefer);
  if (connections !== undefined) {
    options.connections = parseConnections(connections);
  }
  if (limitRate !== undefined) {
    options.limitRate = rateOption("limit-rate", limitRate);
  }
  if (maxRelayed !== undefined) {
    options.maxRelayedBytes = sizeOption("max-relayed", maxRelayed);
  }
  if (lowestSpeed !== undefined) {
    options.lowestSpeed = rateOption("lowest-speed", lowestSpeed);
  }
  return options;
}

function parseSha256(text: string): string {
  if (/^[0-9a-f]{64}$/i.test(text)) return text.toLowerCase();
  throw badValue("sha256", text, "wanted 64 hexadecimal digits");
}

function parsePreference(text: string): Preference {
  if (text === "most-nodes" || text === "newest") return text;
  throw badValue("prefer", text, "wanted most-nodes or newest");
}

function parseConnections(text: string): number {
  const count = /^\d{1,2}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= 16) return count;
  throw badValue("connections", text, "wanted a number from 1 to 16");
}
