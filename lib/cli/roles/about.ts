/**
 * Answers that need no relay: help, version, completions.
 *
 * @module
 */

import { Failure } from "../../base/errors.ts";
import { show } from "../../base/text.ts";
import { PROTOCOL_VERSION, VERSION } from "../../base/version.ts";
import {
  commandNames,
  type CommandSpec,
  type Shell,
  SHELLS,
} from "../options/command_table.ts";
import { OPTIONS } from "../options/option_table.ts";
import { type CommandLine, usageFailure } from "../options/command_line.ts";
import { asTyped } from "../options/program_name.ts";
import { didYouMean, nearest } from "../options/suggestion.ts";
import type { Terminal } from "../output/terminal.ts";

/**
 * Answers if the command line asks about the script itself.
 *
 * @returns whether it did.
 * @throws {Failure} of kind `usage` for unknown commands and shells.
 */
export async function answerAboutItself(
  line: CommandLine,
  spec: CommandSpec,
  terminal: Terminal,
): Promise<boolean> {
  const [command, ...words] = wordsWithoutRelay(line.words, spec);
  if (spec.role === "relay") refuseMistyped(spec, command);
  if (line.isOn("help")) {
    const topic = line.words.find((word) => isCommand(spec, word));
    await printHelp(spec, terminal, { topic, isAll: line.isOn("all") });
  } else if (line.isOn("version")) {
    terminal.fact(`relay-p2p ${VERSION}, protocol ${PROTOCOL_VERSION}`);
    terminal.event({
      event: "version",
      program: "relay-p2p",
      version: VERSION,
      protocol: PROTOCOL_VERSION,
    });
  } else if (command === "help") {
    const [topic, ...more] = words;
    if (more.length > 0) throw tooMany(spec, command);
    if (topic !== undefined && !isCommand(spec, topic)) {
      throw noSuchCommand(spec, topic);
    }
    await printHelp(spec, terminal, { topic, isAll: line.isOn("all") });
  } else if (command === "completions") {
    const [shell, name = spec.script, ...more] = words;
    if (more.length > 0) throw tooMany(spec, command);
    await printCompletions(spec, terminal, {
      shell: parseShell(spec, shell),
      name,
    });
  } else {
    refuseAll(line, spec);
    return false;
  }
  terminal.check();
  return true;
}

const ASKS_NOBODY: ReadonlySet<string> = new Set([
  "help",
  "completions",
  "verify",
]);

/**
 * The words of a client's command that needs no relay, without a relay before
 * it: a shell function may always put one there.
 */
export function wordsWithoutRelay(
  words: readonly string[],
  spec: CommandSpec,
): readonly string[] {
  const [first = "", second = ""] = words;
  if (spec.role !== "client" || isCommand(spec, first)) return words;
  const rest = words.slice(/^\d+$/.test(second) ? 2 : 1);
  return ASKS_NOBODY.has(rest[0] ?? "") ? rest : words;
}

/** Refuses a word near a command's name where only a host or a port can be. */
export function refuseMistyped(
  spec: CommandSpec,
  word: string | undefined,
): void {
  if (word === undefined || isCommand(spec, word)) return;
  if (suggestCommand(spec, word) !== undefined) throw noSuchCommand(spec, word);
}

/** Whether `word` is a command of the script. */
export function isCommand(spec: CommandSpec, word: string): boolean {
  return commandNames(spec).includes(word);
}

/** Refuses `--all` without help; `p2p` has another option of that name. */
function refuseAll(line: CommandLine, spec: CommandSpec): void {
  if (!line.isOn("all") || spec.options["all"] !== OPTIONS["all"]) return;
  throw new Failure("usage", {
    what: "Cannot use option",
    where: "--all",
    why: "it only sets how much help is shown",
    remedy: "use it with help",
  });
}

async function printHelp(
  spec: CommandSpec,
  terminal: Terminal,
  { topic, isAll }: { topic: string | undefined; isAll: boolean },
): Promise<void> {
  const {
    formatCommandHelp,
    formatHelp,
    formatShortCommandHelp,
    formatShortHelp,
  } = await import("../options/help.ts");
  const typed = asTyped(spec);
  const [all, one] = isAll
    ? [formatHelp, formatCommandHelp]
    : [formatShortHelp, formatShortCommandHelp];
  const text = topic === undefined ? all(typed) : one(typed, topic);
  const { fold } = await import("../output/fold.ts");
  terminal.fact(fold(text.trimEnd(), terminal.resultColumns));
  terminal.event({ event: "help", text });
}

async function printCompletions(
  spec: CommandSpec,
  terminal: Terminal,
  { shell, name }: { shell: Shell; name: string },
): Promise<void> {
  // The name becomes part of a program.
  if (!/^[\w.][\w.-]*$/.test(name)) {
    throw new Failure("usage", {
      what: "Cannot complete words for",
      where: show(name),
      why: "wanted a name of letters, digits, dots, dashes and underscores",
    });
  }
  const { formatCompletions } = await import("../options/completions.ts");
  const script = formatCompletions(spec, { shell, name });
  terminal.fact(script.trimEnd());
  terminal.event({ event: "completions", shell, name, script });
}

function parseShell(spec: CommandSpec, text: string | undefined): Shell {
  const shell = SHELLS.find((known) => known === text);
  if (shell !== undefined) return shell;
  const { usage } = spec.commands["completions"]!;
  throw usageFailure(
    spec,
    text === undefined
      ? "completions needs the name of a shell"
      : `there are no completions for ${show(text)}`,
    usage,
  );
}

function tooMany(spec: CommandSpec, command: string): Failure {
  return usageFailure(
    spec,
    "too many arguments",
    spec.commands[command]!.usage,
  );
}

/** The failure for an unknown command. */
export function noSuchCommand(spec: CommandSpec, word: string): Failure {
  return new Failure("usage", {
    what: "Cannot start",
    why: `there is no command ${show(word)}`,
    remedy: suggestCommand(spec, word) ?? `see ${asTyped(spec).script} help`,
  });
}

/** Suggests a command, in words. */
function suggestCommand(spec: CommandSpec, word: string): string | undefined {
  const names = commandNames(spec);
  const near = didYouMean(word, names);
  if (near !== undefined) return near;
  const meant = names.find((name) =>
    nearest(word, spec.commands[name]!.alsoCalled) !== undefined
  );
  return meant === undefined ? undefined : `did you mean ${meant}?`;
}
