/**
 * Takes apart what was typed after `p2p`. Pure.
 *
 * The first words decide, wherever options stand. A relay address, `HOST:PORT`,
 * or a host followed by a port of digits names the relay for once. The next word
 * is the command; it is never taken for a host, so a host with the name of a
 * command is written `HOST:PORT`. A relay address may also stand right after the
 * command.
 *
 * @module
 */

import { looksLikeRelayAddress } from "../../lib/base/address.ts";
import { Failure } from "../../lib/base/errors.ts";
import {
  type CommandLine,
  parseCommandLine,
} from "../../lib/cli/options/command_line.ts";
import {
  CLIENT,
  commandNames,
  type CommandSpec,
} from "../../lib/cli/options/command_table.ts";
import { OPTIONS } from "../../lib/cli/options/option_table.ts";
import { needsRelay } from "./permissions.ts";
import { P2P, SERVING } from "./tables.ts";

/** What was typed, taken apart. */
export interface Typed {
  /** The relay, as the scripts take it; empty if none was typed. */
  readonly relayWords: readonly string[];
  readonly command: string | undefined;
  /** Whether the node's doctor is wanted. */
  readonly isDoctor: boolean;
  /** The words after these. */
  readonly words: readonly string[];
  /** The arguments without the relay, the command, and its doctor. */
  readonly rest: readonly string[];
  /** Whether only help or the version was asked for. */
  readonly isAsking: boolean;
}

/**
 * Takes arguments apart.
 *
 * @throws {Failure} of kind `usage` if an option cannot be read, or belongs to
 * another command.
 */
export function readTyped(args: readonly string[]): Typed {
  const line = parsed(args);
  const { words } = line;
  const relayCount = countRelayWords(words);
  const command = words[relayCount];
  let taken = relayCount + (command === undefined ? 0 : 1);
  let relayWords = words.slice(0, relayCount);
  let isDoctor = false;
  for (;;) {
    const next = words[taken] ?? "";
    if (!isDoctor && command === "share" && next === "doctor") isDoctor = true;
    else if (relayWords.length === 0 && isRelayAfter(command, next)) {
      relayWords = [next];
    } else break;
    taken++;
  }
  refuseStrayOption(line, command);
  const places = placesOfWords(args, words.slice(0, taken));
  return {
    relayWords,
    command,
    isDoctor,
    words: words.slice(taken),
    rest: args.filter((_, index) => !places.includes(index)),
    isAsking: ["help", "version"].some((name) => line.typed.includes(name)),
  };
}

/** Whether a word is a link: a file's name after the relay's id. */
export function isLink(word: string): boolean {
  return /^\s*p2p:\/\/[^/]*\/[^/]+\/[^/]/i.test(word);
}

/** The arguments without an option of `p2p` itself. */
export function withoutOption(
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

/** How many of the first words name a relay. */
function countRelayWords(words: readonly string[]): 0 | 1 | 2 {
  const [first = "", second = ""] = words;
  if (isRelayAddress(first) || isEndpoint(first)) return 1;
  if (isLink(first) || isCommand(first)) return 0;
  return /^\d+$/.test(second) ? 2 : 0;
}

/**
 * Whether the word after a command names the relay. A file may have the name
 * `HOST:PORT`; a folder to share with that name is `./HOST:PORT`.
 */
function isRelayAfter(command: string | undefined, word: string): boolean {
  if (command === undefined) return false;
  if (SERVING[command] !== undefined) {
    return isRelayAddress(word) || command === "share" && isEndpoint(word);
  }
  const spec = CLIENT.commands[command];
  return spec !== undefined && needsRelay(spec) && isRelayAddress(word);
}

function isRelayAddress(word: string): boolean {
  return looksLikeRelayAddress(word) && !isLink(word);
}

function isEndpoint(word: string): boolean {
  return /^(\[.*\]|[^:/]+):\d+$/.test(word);
}

function isCommand(word: string): boolean {
  return commandNames(P2P).includes(word);
}

function parsed(args: readonly string[]): CommandLine {
  try {
    return parseCommandLine(args, P2P);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    // The command alone knows which option was meant.
    parseCommandLine(args, specOf(looseWords(args).find(isCommand)));
    throw error;
  }
}

/** The program of a command, with the options that can be typed there. */
function specOf(command: string | undefined): CommandSpec {
  const serving = SERVING[command ?? ""];
  const options = command === undefined ? {} : P2P.optionsOf!(command);
  return serving === undefined
    ? { ...P2P, options: { ...CLIENT.options, ...options } }
    : { ...serving, options };
}

/** The words among arguments that cannot be parsed, as far as that shows. */
function looseWords(args: readonly string[]): string[] {
  return args.filter((arg, at) => {
    const [, before = ""] = /^--([^=]+)$/.exec(args[at - 1] ?? "") ?? [];
    const isValue = P2P.options[before]?.value !== undefined;
    return !arg.startsWith("-") && !isValue;
  });
}

/** Refuses an option of `p2p` that goes with another command. */
function refuseStrayOption({ typed }: CommandLine, command = "dialogue"): void {
  const stray = typed.find((name) =>
    !Object.hasOwn(OPTIONS, name) &&
    !Object.hasOwn(P2P.optionsOf!(command), name)
  );
  if (stray === undefined) return;
  const owner = commandNames(P2P).find((name) =>
    Object.hasOwn(P2P.optionsOf!(name), stray)
  );
  throw new Failure("usage", {
    what: "Cannot use option",
    where: `--${stray}`,
    why: "this command has no such option",
    remedy: `use it with p2p ${owner}`,
  });
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
