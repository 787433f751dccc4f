/**
 * `peer_client.ts`: from arguments to one command and its exit code.
 *
 * @module
 */

import { fetchFile } from "../../client/fetch.ts";
import type { Selection } from "../../client/get.ts";
import { listNodes } from "../../client/listing.ts";
import type { TransferOptions } from "../../client/transfer_options.ts";
import { Failure } from "../../base/errors.ts";
import type { ByteRange } from "../../content/section.ts";
import { deliver } from "./delivery.ts";
import {
  getByLink,
  type GivenLink,
  relayOf,
  runLink,
  takeLink,
} from "./link.ts";
import { readToken } from "../roles/secrets.ts";
import { runDialogue } from "./dialogue.ts";
import { runClientDoctor } from "../roles/doctor.ts";
import { runGet } from "./get.ts";
import { runList, runSearch } from "./list.ts";
import { noSuchCommand, wordsWithoutRelay } from "../roles/about.ts";
import { CLIENT as SPEC, commandNames } from "../options/command_table.ts";
import { type ClientCommand, OPTIONS } from "../options/option_table.ts";
import { type CommandLine, usageFailure } from "../options/command_line.ts";
import {
  expectNoMore,
  loadKnownRelays,
  PLAINTEXT_WARNING,
  type RoleContext,
  runRole,
  takeRelay,
} from "../roles/role.ts";
import { badValue, given } from "../options/values.ts";
import { parseSelection } from "../options/selection.ts";
import { Input } from "../output/streams.ts";
import { formatNodes } from "../output/tables.ts";
import { Telling } from "./telling.ts";
import { runSend } from "./send.ts";
import { readSums, runSums } from "./sums.ts";
import { triedOn } from "../output/tried.ts";
import { runVerify } from "./verify.ts";

/** Runs the client; resolves to the exit code. */
export function main(args: readonly string[]): Promise<number> {
  return runRole(args, SPEC, async (context) => {
    const { line, terminal } = context;
    const words = wordsWithoutRelay(line.words, SPEC);
    const code = words[0] === "verify"
      ? await verify(words.slice(1), context)
      : await runWithRelay(context);
    // A failure counts for more than a closed reader.
    if (code === 0) terminal.check();
    return code;
  });
}

function verify(
  words: readonly string[],
  { line, terminal, signal }: RoleContext,
): Promise<number> {
  refuseStrayOptions(line, "verify");
  return runVerify(words, { terminal, signal });
}

async function runWithRelay(context: RoleContext): Promise<number> {
  const { line, terminal } = context;
  const given = await takeLink(context);
  const { relay, rest } = given === undefined
    ? takeRelay(wordsWithRelay(line.words), SPEC)
    : relayFor(given);
  const [word, ...words] = rest;
  const command = parseCommand(word);
  refuseStrayOptions(line, command);
  const token = await readToken("client", context);
  const options: TransferOptions = {
    relay,
    plaintext: line.isOn("plaintext"),
    signal: context.signal,
    tunnels: !line.isOn("no-tunnel"),
    ...transferOptions(line),
    // A link stands for exactly one name, and the dialogue takes one.
    anywhere: given === undefined && command !== "dialogue",
    ignoreCase: line.isOn("ignore-case"),
    ...await loadKnownRelays(line),
    ...(token === undefined ? {} : { access: { token } }),
  };
  if (options.plaintext) terminal.note(PLAINTEXT_WARNING);
  try {
    return given === undefined
      ? await runCommand(command, words, { ...context, options })
      : await runGetByLink(given, { ...context, options });
  } catch (error) {
    if (!isInterruption(error)) {
      triedOn(terminal).tell(terminal, { isTold: command === "dialogue" });
    }
    throw triedOn(terminal).explained(error);
  }
}

function isInterruption(error: unknown): boolean {
  return error instanceof Failure && error.kind === "interrupted";
}

/** The relay of a link, and the command that the link stands for. */
function relayFor({ link, relayWords }: GivenLink) {
  if (relayWords.length === 0) return { relay: link.relay, rest: ["get"] };
  const { relay, rest } = takeRelay(relayWords, SPEC);
  expectNoMore(rest, SPEC, SPEC.commands["get"]!.usage);
  return { relay: relayOf(link, relay), rest: ["get"] };
}

function runGetByLink({ link }: GivenLink, context: Context): Promise<number> {
  const { line, terminal } = context;
  const sums = line.value("sums");
  if (sums !== undefined) {
    throw badValue("sums", sums, "a link is for one content already");
  }
  return getByLink(link, {
    options: context.options,
    line,
    run: (options, selection) => {
      if (line.value("output") !== "-") {
        return runGet([selection], { options, terminal, line });
      }
      refuseForStdout(line);
      return runCat([selection.name], { ...context, options });
    },
  });
}

type Context = RoleContext & { readonly options: TransferOptions };
/** The commands that connect to a relay. */
type RelayCommand = Exclude<
  ClientCommand,
  "verify" | "help" | "completions"
>;

/** The words if the first can be a relay; otherwise the relay is missing. */
function wordsWithRelay(words: readonly string[]): readonly string[] {
  const [first = "", second = ""] = words;
  if (!commandNames(SPEC).includes(first) || /^\d+$/.test(second)) return words;
  throw usageFailure(
    SPEC,
    "the relay is missing",
    SPEC.commands[first]!.usage,
  );
}

function parseCommand(word: string | undefined): RelayCommand {
  switch (word) {
    case undefined:
      return "dialogue";
    case "nodes":
    case "ls":
    case "search":
    case "get":
    case "cat":
    case "link":
    case "send":
    case "sums":
    case "doctor":
      return word;
    case "verify":
    case "help":
    case "completions":
      throw usageFailure(
        SPEC,
        `${word} takes no relay`,
        SPEC.commands[word]!.usage,
      );
    default:
      throw noSuchCommand(SPEC, word);
  }
}

/** Refuses options that have no effect on the command. */
function refuseStrayOptions(line: CommandLine, command: ClientCommand): void {
  for (const name of line.typed) {
    const { commands } = OPTIONS[name]!;
    if (commands === undefined || commands.includes(command)) continue;
    const named = commands.filter((other) => other !== "dialogue");
    throw new Failure("usage", {
      what: "Cannot use option",
      where: `--${name}`,
      why: command === "dialogue"
        ? "the dialogue does not use it"
        : `${command} does not use it`,
      remedy: `it goes with ${named.join(", ")}`,
    });
  }
}

function runCommand(
  command: RelayCommand,
  words: readonly string[],
  context: Context,
): Promise<number> {
  const { options, terminal, signal, line } = context;
  switch (command) {
    case "dialogue":
      return runDialogue(options, { terminal, signal });
    case "nodes":
      expectNoMore(words, SPEC, SPEC.commands[command]!.usage);
      return runNodes(context);
    case "doctor":
      expectNoMore(words, SPEC, SPEC.commands[command]!.usage);
      return runClientDoctor(options, context);
    case "ls":
      return runList(words, context);
    case "search":
      if (words.join("").trim() === "") {
        throw wrongUse(command, "search needs a word");
      }
      return runSearch(words, context);
    case "cat":
      return runCat(words, context);
    case "get":
      return getNames(words, context);
    case "link": {
      const [name, ...more] = words;
      if (name === undefined || more.length > 0) {
        throw wrongUse(command, "link needs one name");
      }
      return runLink(name, { options, terminal, line });
    }
    case "sums": {
      const [pattern, ...more] = words;
      expectNoMore(more, SPEC, SPEC.commands[command]!.usage);
      return runSums(pattern, { options, terminal });
    }
    case "send":
      if (words.length === 0) throw wrongUse(command, "send needs a file");
      return runSend(words, { options, terminal, line, signal });
    default:
      return command satisfies never;
  }
}

async function getNames(
  words: readonly string[],
  context: Context,
): Promise<number> {
  const { options, terminal, line } = context;
  const sums = await readSums(line);
  if (words.length === 0 && sums === undefined) {
    throw wrongUse("get", "get needs a name");
  }
  if (line.value("output") === "-") {
    refuseForStdout(line);
    return await runCat(words, context);
  }
  const selections = words.length > 0 || sums === undefined
    ? selectionsOf(words, options)
    : Array.from(sums.keys(), (name) => ({ kind: "name", name }) as const);
  return await runGet(selections, { options, terminal, line, sums });
}

function selectionsOf(
  words: readonly string[],
  options: TransferOptions,
): Selection[] {
  return words.map((word) => parseSelection(word, options));
}

/** Refuses options that have no effect if nothing is saved. */
function refuseForStdout(line: CommandLine): void {
  const base = line.value("base");
  if (base !== undefined) {
    throw badValue("base", base, "with -o - nothing is saved");
  }
  const sums = line.value("sums");
  if (sums !== undefined) {
    throw badValue("sums", sums, "with -o - nothing is saved");
  }
  for (const option of ["dry-run", "no-sync"] as const) {
    if (line.isOn(option)) throw uselessSwitch(option, "with -o -");
  }
  const receipt = line.value("receipt");
  if (receipt === undefined) return;
  throw badValue(
    "receipt",
    receipt,
    "with -o - there is no file to check later",
  );
}

/** The failure for a switch without effect. */
function uselessSwitch(option: string, why: string): Failure {
  return new Failure("usage", {
    what: `Cannot use --${option}`,
    why: `${why} nothing is saved`,
  });
}

function wrongUse(command: RelayCommand, why: string): Failure {
  return usageFailure(SPEC, why, SPEC.commands[command]!.usage);
}

async function runNodes(
  { options, terminal, signal }: Context,
): Promise<number> {
  const { onEvent } = new Telling(terminal);
  const { nodes } = await listNodes({ ...options, onEvent });
  terminal.note(`peer node count: ${nodes.length}`);
  await terminal.facts(formatNodes(nodes, { ids: true }), signal);
  return 0;
}

/** The wanted bytes, if not all are wanted. */
function rangeOf(line: CommandLine): ByteRange | undefined {
  const range = line.get("range");
  const tail = line.get("tail");
  if (tail === undefined) return range;
  if (range === undefined) return { tail };
  throw badValue("tail", String(tail), "--range says already which bytes");
}

async function runCat(
  words: readonly string[],
  { options, terminal, signal, line }: Context,
): Promise<number> {
  const [name, ...more] = words;
  if (name === undefined) throw wrongUse("cat", "cat needs the file's name");
  if (more.length > 0) throw wrongUse("cat", "only one file can go to stdout");
  const { onEvent } = new Telling(terminal);
  const range = rangeOf(line);
  await using file = await fetchFile({
    ...options,
    name,
    ...given({ range }),
    onEvent,
  });
  await deliver(file, { terminal, input: new Input(), signal });
  return 0;
}

/** The transfer options of a command line. */
function transferOptions(line: CommandLine): Partial<TransferOptions> {
  return given({
    node: line.get("node"),
    sha256: line.get("sha256"),
    prefer: line.get("prefer"),
    connections: line.get("connections"),
    limitRate: line.get("limit-rate"),
    maxRelayedBytes: line.get("max-relayed"),
    lowestSpeed: line.get("lowest-speed"),
  });
}
