/**
 * From the words after `p2p` to a command line of Deno. Everything outside of
 * them is an argument.
 *
 * The first words decide. A relay address, `HOST:PORT`, or a host followed by a
 * port of digits names the relay for once. The next word is the command; it is
 * never taken for a host, so a host with the name of a command is written
 * `HOST:PORT`. Without a relay, the remembered one is used.
 *
 * @module
 */

import { join } from "@std/path/join";
import { parseShared } from "../../lib/cli/options/values.ts";
import type { SharedPath } from "../../lib/share/shared_path.ts";
import { looksLikeRelayAddress } from "../../lib/base/address.ts";
import { Failure } from "../../lib/base/errors.ts";
import {
  type CommandLine,
  parseCommandLine,
  type Settings,
} from "../../lib/cli/options/command_line.ts";
import {
  CLIENT,
  commandNames,
  type CommandSpec,
  NODE,
  RELAY,
} from "../../lib/cli/options/command_table.ts";
import {
  type ClientCommand,
  optionsOfCommand,
  type Role,
} from "../../lib/cli/options/option_table.ts";
import {
  type Disk,
  needsRelay,
  permissionFlags,
  type UsedPath,
} from "./permissions.ts";
import type { Places } from "./places.ts";
import type { Remembered } from "./remembered.ts";
import {
  isOwnCommand,
  OWN_COMMANDS,
  type OwnCommandSpec,
  P2P,
  SERVING,
} from "./tables.ts";

/** The world around a command line. */
export interface Surroundings {
  readonly places: Places;
  /** The remembered relay; read only when it is needed. */
  remembered(): Remembered | undefined;
  readonly disk: Disk;
  /** The options in the file of `--config`. */
  readSettings(path: string, role: Role): Promise<Settings>;
  /** A short name for shared folders, the same wherever it is asked for. */
  nameOf(folders: readonly SharedPath[]): string;
}

/** A program to run under Deno. */
export interface Plan {
  /** Its path below the program's folder. */
  readonly script: string;
  /** The flags of Deno that permit what it needs. */
  readonly flags: readonly string[];
  /** Its arguments. */
  readonly args: readonly string[];
}

/** The port of `p2p relay`. */
export const RELAY_PORT = "1700";

const OWN_SCRIPT = "packaging/p2p/p2p.ts";
const SPECS: Readonly<Record<Role, CommandSpec>> = {
  relay: RELAY,
  node: NODE,
  client: CLIENT,
};

/**
 * Plans what was typed.
 *
 * @throws {Failure} of kind `usage` where a relay is needed and none is known.
 */
export async function planOf(
  args: readonly string[],
  surroundings: Surroundings,
): Promise<Plan> {
  const typed = readTyped(args);
  // The program itself reports what is wrong with its options.
  if (typed === undefined) return unread(args);
  const { relayWords, command, rest, isAsking } = typed;
  const serving = SERVING[command ?? ""];
  if (serving !== undefined) {
    const run = serving === RELAY ? planRelay : planShare;
    return isAsking
      ? {
        script: SPECS[command === "relay" ? "relay" : "node"].script,
        flags: VARIABLES,
        args: rest,
      }
      : await run(typed, surroundings);
  }
  if (command === "help") {
    const script = helpfulScript(typed.words[0]);
    if (script !== undefined) {
      const all = args.includes("--all") ? ["--all"] : [];
      return { ...script, args: [...script.args, ...all], flags: VARIABLES };
    }
  }
  if (isOwn(command, { isAsking, hasRelay: relayWords.length > 0 })) {
    return planOwn(typed, { args, around: surroundings });
  }
  return await planClient(typed, { args, around: surroundings });
}

const VARIABLES = ["--allow-env=RELAY_P2P_*"];

/** The program that knows about a command; none for one of `p2p`'s own. */
function helpfulScript(
  topic: string | undefined,
): Pick<Plan, "script" | "args"> | undefined {
  if (topic === undefined || isOwnCommand(topic)) return undefined;
  const serving = SERVING[topic];
  if (serving !== undefined) return { script: serving.script, args: ["help"] };
  return commandNames(CLIENT).includes(topic) && topic !== "completions" &&
      topic !== "help"
    ? { script: CLIENT.script, args: ["help", topic] }
    : undefined;
}

/** What was typed, taken apart. */
interface Typed {
  /** The relay, as the scripts take it; empty if none was typed. */
  readonly relayWords: readonly string[];
  readonly command: string | undefined;
  /** The arguments without relay and command. */
  readonly rest: readonly string[];
  /** The words after the command. */
  readonly words: readonly string[];
  /** Whether only help or the version was asked for. */
  readonly isAsking: boolean;
}

function readTyped(args: readonly string[]): Typed | undefined {
  let line: CommandLine;
  try {
    line = parseCommandLine(args, P2P);
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
  const relayCount = countRelayWords(line.words);
  const command = line.words[relayCount];
  const taken = relayCount + (command === undefined ? 0 : 1);
  const places = placesOfWords(args, line.words.slice(0, taken));
  return {
    relayWords: line.words.slice(0, relayCount),
    command,
    rest: args.filter((_, index) => !places.includes(index)),
    words: line.words.slice(taken),
    isAsking: ["help", "version"].some((name) => line.typed.includes(name)),
  };
}

/** How many of the first words name a relay. */
function countRelayWords(words: readonly string[]): 0 | 1 | 2 {
  const [first = "", second = ""] = words;
  if (looksLikeRelayAddress(first)) return isLink(first) ? 0 : 1;
  if (/^(\[.*\]|[^:/]+):\d+$/.test(first)) return 1;
  if (isCommand(first)) return 0;
  return /^\d+$/.test(second) ? 2 : 0;
}

/** A link has a file's name after the relay's id. */
function isLink(word: string): boolean {
  return /^\s*p2p:\/\/[^/]*\/[^/]+\/[^/]/i.test(word);
}

function isCommand(word: string): boolean {
  return commandNames(P2P).includes(word);
}

const PLACEHOLDER = "another";

/**
 * Where the first words stand among the arguments: where another word in their
 * place changes just that word. The parser alone knows which arguments are
 * values of options.
 */
function placesOfWords(
  args: readonly string[],
  words: readonly string[],
): number[] {
  const places: number[] = [];
  for (let at = 0; at < args.length && places.length < words.length; at++) {
    const word = words[places.length];
    if (args[at] !== word) continue;
    const other = `${PLACEHOLDER}-${word}`;
    const found = parseCommandLine(args.with(at, other), P2P).words;
    if (found[places.length] === other) places.push(at);
  }
  return places;
}

/** A command line that cannot be read goes to its program as it is. */
function unread(args: readonly string[]): Plan {
  const command = args.find((arg) => !arg.startsWith("-"));
  const rest = args.toSpliced(args.indexOf(command ?? ""), 1);
  const plan = (script: string, given: readonly string[]) => ({
    script,
    flags: VARIABLES,
    args: given,
  });
  if (command === "relay") return plan(RELAY.script, rest);
  if (command === "share") return plan(NODE.script, rest);
  if (command !== undefined && isOwnCommand(command)) {
    return plan(OWN_SCRIPT, args);
  }
  return plan(CLIENT.script, args);
}

/** Whether `p2p` itself answers. */
function isOwn(
  command: string | undefined,
  { isAsking, hasRelay }: { isAsking: boolean; hasRelay: boolean },
): boolean {
  if (command === undefined) return isAsking;
  if (command === "help" || command === "completions") return true;
  return isOwnCommand(command) ||
    !hasRelay && !isLink(command) && !commandNames(CLIENT).includes(command);
}

function planOwn(
  { command, words }: Typed,
  { args, around: { places, disk } }: {
    args: readonly string[];
    around: Surroundings;
  },
): Plan {
  if (command === undefined || !isOwnCommand(command)) {
    return { script: OWN_SCRIPT, flags: VARIABLES, args };
  }
  const line = parseCommandLine(args, P2P);
  const { needs } = OWN_COMMANDS[command] as OwnCommandSpec;
  const options = P2P.optionsOf!(command);
  const flags = permissionFlags(
    { line, options, ...needs(places, words) },
    disk,
  );
  return { script: OWN_SCRIPT, flags, args };
}

/** The line of a role with all that is set; as typed where that fails. */
async function lineOf(
  args: readonly string[],
  role: Role,
  { readSettings }: Surroundings,
): Promise<CommandLine> {
  const line = parseCommandLine(args, P2P);
  const config = line.value("config");
  if (config === undefined) return line;
  try {
    return parseCommandLine(args, P2P, await readSettings(config, role));
  } catch (error) {
    if (error instanceof Failure) return line; // the role reports it
    throw error;
  }
}

async function planRelay(typed: Typed, around: Surroundings): Promise<Plan> {
  const { relayWords, rest, words } = typed;
  if (relayWords.length > 0) {
    throw cannotStart("a relay has no relay", "usage: p2p relay [PORT]");
  }
  const given = withoutOption(rest, "no-announce");
  const line = await lineOf(given, "relay", around);
  const isAnnounced = given.length === rest.length &&
    !line.isOn("plaintext") && !line.typed.includes("announce") &&
    line.value("announce") === undefined;
  const isKept = line.value("state") !== undefined;
  const state = join(around.places.state, "relay");
  const { options } = RELAY;
  return {
    script: RELAY.script,
    flags: permissionFlags({
      ...{ line, options, net: true },
      paths: isKept ? [] : [{ path: state, use: "keep" }],
      sys: ["hostname", "networkInterfaces"],
    }, around.disk),
    args: [
      ...(isKept ? [] : ["--state", state]),
      ...(isAnnounced ? ["--announce"] : []),
      ...given,
      ...(words.length === 0 && !line.isOn("show-tokens") ? [RELAY_PORT] : []),
    ],
  };
}

async function planShare(typed: Typed, around: Surroundings): Promise<Plan> {
  const { disk, places } = around;
  // A relay in one word cannot be a folder; one in two words could be two.
  const isAfter = typed.relayWords.length === 0 &&
    countRelayWords(typed.words) === 1;
  const relayWords = isAfter ? typed.words.slice(0, 1) : typed.relayWords;
  const words = isAfter ? typed.words.slice(1) : typed.words;
  const isDoctor = words[0] === "doctor";
  const folders = (isDoctor ? words.slice(1) : words).map(parseShared);
  if (folders.length === 0) {
    throw cannotStart("the folder is missing", "usage: p2p share DIR...");
  }
  const given = without(typed.rest, [
    ...(isAfter ? relayWords : []),
    ...(isDoctor ? ["doctor"] : []),
  ]);
  const { port = "0", rest } = takePort(given);
  const line = await lineOf(rest, "node", around);
  const relay = relayFor(relayWords, { line, role: "node", around });
  const isKept = line.value("state") !== undefined;
  const state = join(places.state, "share", around.nameOf(folders));
  return {
    script: NODE.script,
    flags: permissionFlags({
      ...{ line, options: NODE.options, net: true },
      paths: [
        ...folders.map(({ path }) => ({ path, use: "read" as const })),
        ...(isKept ? [] : [{ path: state, use: "keep" as const }]),
        ...relay.paths,
      ],
      sys: ["hostname", ...(isDoctor ? ["statfs"] : [])],
    }, disk),
    args: [
      ...(isDoctor ? ["doctor"] : []),
      ...(isKept ? [] : ["--state", state]),
      ...relay.options,
      ...relay.words,
      port,
      ...rest,
    ],
  };
}

/** The node's port, which the script takes as a word. */
function takePort(
  args: readonly string[],
): { port?: string; rest: readonly string[] } {
  const port = parseCommandLine(args, P2P).value("port");
  if (port === undefined) return { rest: args };
  return { port, rest: withoutOption(args, "port") };
}

/** The arguments without an option of `p2p` itself. */
function withoutOption(
  args: readonly string[],
  name: "port" | "no-announce",
): readonly string[] {
  const isValued = P2P.options[name]?.value !== undefined;
  const end = args.indexOf("--");
  const rest: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!;
    const isIt = (end < 0 || at < end) &&
      (arg === `--${name}` || arg.startsWith(`--${name}=`));
    if (!isIt) rest.push(arg);
    else if (isValued && arg === `--${name}`) at++;
  }
  return rest;
}

function without(
  args: readonly string[],
  words: readonly string[],
): readonly string[] {
  const places = placesOfWords(args, words);
  return args.filter((_, index) => !places.includes(index));
}

async function planClient(
  { relayWords, command, rest, words }: Typed,
  { args, around }: { args: readonly string[]; around: Surroundings },
): Promise<Plan> {
  const isLinkAlone = command !== undefined && isLink(command);
  const name = (isLinkAlone ? "get" : command ?? "dialogue") as ClientCommand;
  const spec = CLIENT.commands[name];
  if (spec === undefined) {
    return { script: CLIENT.script, flags: VARIABLES, args };
  }
  const line = await lineOf(rest, "client", around);
  const needsNet = needsRelay(spec);
  const isByLink = isLinkAlone || name === "get" &&
      (words.some(isLink) || line.value("link-file") !== undefined);
  const relay = needsNet && !isByLink
    ? relayFor(relayWords, { line, role: "client", around })
    : { words: relayWords, options: [], paths: [] };
  const files = spec.operands === "files" ? words : [];
  const forNode = name === "send" && relayWords.length === 0
    ? nodeTokenFor(line, around)
    : [];
  return {
    script: CLIENT.script,
    flags: permissionFlags({
      ...{ line, options: optionsOfCommand(name), net: needsNet },
      paths: [
        ...files.map((path) => ({ path, use: "read" as const })),
        ...(spec.savesHere ? [{ path: ".", use: "save" as const }] : []),
        ...relay.paths,
        ...forNode.map((path) => ({ path, use: "read" as const })),
      ],
      ...(spec.sys === undefined ? {} : { sys: spec.sys }),
    }, around.disk),
    args: relayWords.length > 0 ? args : [
      ...relay.options,
      ...forNode.flatMap((path) => ["--node-token-file", path]),
      ...relay.words,
      ...args,
    ],
  };
}

/** The remembered node token, for a client that shares files itself. */
function nodeTokenFor(
  line: CommandLine,
  { remembered }: Surroundings,
): readonly string[] {
  const path = remembered()?.tokenFiles.node;
  return path === undefined || line.value("node-token-file") !== undefined
    ? []
    : [path];
}

/** A relay as the arguments of a script. */
interface RelayArguments {
  readonly words: readonly string[];
  readonly options: readonly string[];
  readonly paths: readonly UsedPath[];
}

/** The relay that was typed, or the remembered one with its token. */
function relayFor(
  relayWords: readonly string[],
  { line, role, around }: {
    line: CommandLine;
    role: "node" | "client";
    around: Surroundings;
  },
): RelayArguments {
  if (relayWords.length > 0) {
    return { words: relayWords, options: [], paths: [] };
  }
  const remembered = around.remembered();
  if (remembered === undefined) {
    throw cannotStart(
      "no relay is remembered",
      "name one with p2p use RELAY, or before the command",
    );
  }
  const path = remembered.tokenFiles[role];
  const isGiven = ["token", "token-file"].some((name) =>
    line.value(name) !== undefined
  );
  return {
    words: [remembered.relay],
    ...(path === undefined || isGiven
      ? { options: [], paths: [] }
      : { options: ["--token-file", path], paths: [{ path, use: "read" }] }),
  };
}

function cannotStart(why: string, remedy: string): Failure {
  return new Failure("usage", { what: "Cannot start", why, remedy });
}
