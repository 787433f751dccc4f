/**
 * From the arguments of `peer_client.ts` to one command and its exit code. Each
 * command is loaded when it runs.
 *
 * @module
 */

import type { Link } from "../../access/link.ts";
import type { Selection } from "../../client/selections.ts";
import type { TransferOptions } from "../../client/transfer_options.ts";
import { Failure, isInterruption } from "../../base/errors.ts";
import { linkAt, takeLink } from "./given_link.ts";
import { hasRelayOptions, takeRelays } from "../roles/given_relays.ts";
import { readIndexKey, readToken } from "../roles/secrets.ts";
import { noSuchCommand, wordsWithoutRelay } from "../roles/about.ts";
import { CLIENT as SPEC, commandNames } from "../options/command_table.ts";
import type { ClientCommand } from "../options/option_spec.ts";
import { OPTIONS } from "../options/option_table.ts";
import { type CommandLine, usageFailure } from "../options/command_line.ts";
import {
  expectNoMore,
  loadKnownRelays,
  PLAINTEXT_WARNING,
  type RoleContext,
  takeRelay,
} from "../roles/role.ts";
import { badValue, given } from "../options/values.ts";
import { parseSelection } from "../options/selection.ts";
import { triedOn } from "../output/tried.ts";

/** Runs the client; resolves to the exit code. */
export async function runClient(context: RoleContext): Promise<number> {
  const { line, terminal } = context;
  const words = wordsWithoutRelay(line.words, SPEC);
  const code = words[0] === "verify"
    ? await verify(words.slice(1), context)
    : await runWithRelay(context);
  // A failure decides the exit code, even if the reader has closed.
  if (code === 0) terminal.check();
  return code;
}

async function verify(
  words: readonly string[],
  { line, terminal, signal }: RoleContext,
): Promise<number> {
  refuseStrayOptions(line, "verify");
  const { runVerify } = await import("./verify.ts");
  return await runVerify(words, { terminal, signal });
}

async function runWithRelay(context: RoleContext): Promise<number> {
  const { line, terminal } = context;
  const link = await givenLink(context);
  const isListed = hasRelayOptions(line.words, line, SPEC);
  const typed = link !== undefined
    ? { relay: link.relay, rest: ["get"] }
    : isListed
    ? { rest: line.words }
    : takeRelay(wordsWithRelay(line.words), SPEC);
  const [word, ...words] = typed.rest;
  const command = parseCommand(word);
  refuseStrayOptions(line, command);
  const { options: relays, token } = "relay" in typed
    ? {
      options: {
        relay: typed.relay,
        ...given({ relays: link?.others }),
      },
      token: await readToken("client", context),
    }
    : await takeRelays(line.words, context, { spec: SPEC, role: "client" });
  const options: TransferOptions = {
    ...relays,
    plaintext: line.isOn("plaintext"),
    signal: context.signal,
    tunnels: !line.isOn("no-tunnel"),
    ...transferOptions(line),
    // A link stands for exactly one name, and the dialogue takes one.
    anywhere: link === undefined && command !== "dialogue",
    ignoreCase: line.isOn("ignore-case"),
    ...await loadKnownRelays(line),
    ...await readIndexKey(context),
    ...(token === undefined ? {} : { access: { token } }),
  };
  if (options.plaintext) terminal.note(PLAINTEXT_WARNING);
  try {
    return link === undefined
      ? await RUN[command](words, { ...context, options })
      : await runGetByLink(link, { ...context, options });
  } catch (error) {
    if (!isInterruption(error)) {
      triedOn(terminal).print(terminal, { isPrinted: command === "dialogue" });
    }
    throw triedOn(terminal).explained(error);
  }
}

/** The link, if one is given, at the relay that is typed before it, if any. */
async function givenLink(context: RoleContext): Promise<Link | undefined> {
  const { link, relayWords = [] } = await takeLink(context) ?? {};
  if (link === undefined || relayWords.length === 0) return link;
  const { relay, rest } = takeRelay(relayWords, SPEC);
  expectNoMore(rest, SPEC, SPEC.commands["get"]!.usage);
  return linkAt(link, relay);
}

async function runGetByLink(
  link: Link,
  context: Context,
): Promise<number> {
  const { line, terminal } = context;
  const sums = line.value("sums");
  if (sums !== undefined) {
    throw badValue("sums", sums, "a link already names one content");
  }
  const { getByLink } = await import("./link.ts");
  return await getByLink(link, {
    options: context.options,
    line,
    run: async (options, selection) => {
      if (line.value("output") !== "-") {
        const { runGet } = await import("./get.ts");
        return await runGet([selection], { options, terminal, line });
      }
      refuseForStdout(line);
      return await runCat([selection.name], { ...context, options });
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
  if (word === undefined) return "dialogue";
  if (!commandNames(SPEC).includes(word)) throw noSuchCommand(SPEC, word);
  if (isRelayCommand(word)) return word;
  throw usageFailure(
    SPEC,
    `${word} takes no relay`,
    SPEC.commands[word]!.usage,
  );
}

function isRelayCommand(word: string): word is RelayCommand {
  return Object.hasOwn(RUN, word);
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
      remedy: `use it with ${named.join(", ")}`,
    });
  }
}

/** Runs a command with the words that follow it. */
type Run = (words: readonly string[], context: Context) => Promise<number>;

/** The arguments of each command, and the module that runs it. */
const RUN: Readonly<Record<RelayCommand, Run>> = {
  dialogue: async (_, { options, terminal, signal }) => {
    const { runDialogue } = await import("./dialogue.ts");
    return await runDialogue(options, { terminal, signal });
  },
  nodes: async (words, context) => {
    expectNoMore(words, SPEC, usageOf("nodes"));
    const { runNodes } = await import("./list.ts");
    return await runNodes(context);
  },
  doctor: async (words, context) => {
    expectNoMore(words, SPEC, usageOf("doctor"));
    const { runClientDoctor } = await import("../roles/doctor.ts");
    return await runClientDoctor(context.options, context);
  },
  ls: async (words, context) => {
    const { runList } = await import("./list.ts");
    return await runList(words, context);
  },
  search: async (words, context) => {
    if (words.join("").trim() === "") {
      throw wrongUse("search", "search needs a word");
    }
    const { runSearch } = await import("./list.ts");
    return await runSearch(words, context);
  },
  cat: runCat,
  get: getNames,
  link: async ([name, ...more], context) => {
    if (name === undefined || more.length > 0) {
      throw wrongUse("link", "link needs one name");
    }
    const { runLink } = await import("./link.ts");
    return await runLink(name, context);
  },
  sums: async ([pattern, ...more], context) => {
    expectNoMore(more, SPEC, usageOf("sums"));
    const { runSums } = await import("./sums.ts");
    return await runSums(pattern, context);
  },
  gateway: async ([listen, ...more], context) => {
    if (listen === undefined) throw wrongUse("gateway", "gateway needs a port");
    expectNoMore(more, SPEC, usageOf("gateway"));
    const { runGateway } = await import("./gateway.ts");
    return await runGateway(listen, context);
  },
  web: async (words, context) => {
    const { runWeb, WEB_PORT } = await import("./web.ts");
    const [port = WEB_PORT, ...more] = words;
    expectNoMore(more, SPEC, usageOf("web"));
    return await runWeb(port, context);
  },
  send: async (words, context) => {
    if (words.length === 0) throw wrongUse("send", "send needs a file");
    const { runSend } = await import("./send.ts");
    return await runSend(words, context);
  },
};

function usageOf(command: RelayCommand): string {
  return SPEC.commands[command]!.usage;
}

async function getNames(
  words: readonly string[],
  context: Context,
): Promise<number> {
  const { options, terminal, line } = context;
  const { readSums } = await import("./sums.ts");
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
  const { runGet } = await import("./get.ts");
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
  const ofSwarm = ["swarm", "limit-upload", "linger"].find((name) =>
    line.typed.includes(name)
  );
  if (ofSwarm !== undefined) throw uselessSwitch(ofSwarm, "with -o -");
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
  return usageFailure(SPEC, why, usageOf(command));
}

async function runCat(
  words: readonly string[],
  context: Context,
): Promise<number> {
  const [name, ...more] = words;
  if (name === undefined) throw wrongUse("cat", "cat needs the file's name");
  if (more.length > 0) throw wrongUse("cat", "only one file can go to stdout");
  const { sendToStdout } = await import("./cat.ts");
  return await sendToStdout(name, context);
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
    askAll: line.isOn("ask-all"),
    lowestSpeed: line.get("lowest-speed"),
  });
}
