/**
 * The texts of `--help`, all of them from the tables of options and commands.
 *
 * @module
 */

import {
  type Command,
  commandNames,
  type CommandSpec,
  type Described,
  type Example,
  EXIT_WORDS,
} from "./command_table.ts";
import type { ClientCommand, OptionTable } from "./option_spec.ts";
import {
  describeOption,
  formatOption,
  optionsOfCommand,
  variableOf,
} from "./option_table.ts";

/** The text of `help --all`. */
export function formatHelp(spec: CommandSpec): string {
  return formatPage({
    summary: spec.summary,
    usage: spec.usage.map((usage) => `${spec.script} ${usage}`),
    notes: spec.notes,
    sections: [
      ...section("Commands", formatCommands(spec)),
      ...section("Examples", formatExamples(spec.examples)),
      ...section("Options", formatOptions(spec.options, { isCommand: false })),
    ],
  });
}

/** The text of `help COMMAND --all`. */
export function formatCommandHelp(spec: CommandSpec, name: string): string {
  const command = spec.commands[name]!;
  const options = optionsOf(spec, name);
  return formatPage({
    summary: sentence(command.summary),
    usage: [usageOf(spec, command)],
    notes: command.notes,
    sections: [
      ...section("Examples", formatExamples(command.examples)),
      ...section("Options", formatOptions(options, { isCommand: true })),
    ],
  });
}

/** The text of `--help`: at most 24 lines of 80 columns. */
export function formatShortHelp(spec: CommandSpec): string {
  const names = commandNames(spec).join(", ");
  return formatScreen(spec, {
    summary: spec.summary,
    usage: `${spec.script} ${spec.usage[0]}`,
    commands: `${names}; help COMMAND explains one`,
    notes: [],
    options: spec.options,
    common: spec.common,
    examples: spec.examples,
    topic: "help",
  });
}

/** The text of `--help` for one command, of the same length. */
export function formatShortCommandHelp(
  spec: CommandSpec,
  name: string,
): string {
  const command = spec.commands[name]!;
  return formatScreen(spec, {
    ...command,
    summary: sentence(command.summary),
    usage: usageOf(spec, command),
    options: optionsOf(spec, name),
    topic: `help ${name}`,
  });
}

/** The parts of a page that fits one screen. */
interface Screen extends Omit<Described, "common"> {
  readonly usage: string;
  /** The names of commands, as a list. */
  readonly commands?: string;
  readonly options: OptionTable;
  /** The options that most users want. */
  readonly common?: readonly string[] | undefined;
  /** The help command that shows everything, without `--all`. */
  readonly topic: string;
}

const SCREEN_LINES = 24;
const SCREEN_COLUMNS = 80;
const MOST_OPTIONS = 5;
const MOST_EXAMPLES = 3;

function formatScreen({ script }: CommandSpec, screen: Screen): string {
  const { summary, usage, commands, notes, options, examples } = screen;
  const { common = Object.keys(options) } = screen;
  const shown = Object.fromEntries(
    common.filter((name) => Object.hasOwn(options, name))
      .slice(0, MOST_OPTIONS).map((name) => [name, options[name]!]),
  );
  const rest = [
    "",
    "Options:",
    ...formatOptions(shown, { isCommand: true, isShort: true }),
    "",
    ...(examples.length === 0 ? [] : ["Examples:"]),
    ...examples.slice(0, MOST_EXAMPLES).flatMap(({ what, line }) => [
      `  # ${what}`,
      ...wrap(line, { left: "  ", next: "    ", end: " \\" }),
    ]),
    `See ${allOf(script, screen.topic)} --all for all options and exit codes.`,
  ];
  const first = [
    summary,
    "",
    ...wrap(usage, { left: "Usage: ", next: "  ", end: "" }),
    ...(commands === undefined
      ? []
      : wrap(commands, { left: "Commands: ", next: "  ", end: "" })),
  ];
  const room = SCREEN_LINES - first.length - rest.length - 1;
  const below = notes.length > 0 && notes.length <= room ? ["", ...notes] : [];
  return [...first, ...below, ...rest, ""].join("\n");
}

/** `peer_node.ts help`, and `p2p help share` where the script is `p2p share`. */
function allOf(script: string, topic: string): string {
  const [program, ...command] = script.split(" ");
  return [program, topic, ...command].join(" ");
}

/** Breaks a text into lines; `end` marks a line that continues. */
function wrap(
  text: string,
  { left, next, end }: { left: string; next: string; end: string },
): string[] {
  const lines: string[] = [];
  let line = left;
  for (const [at, word] of text.split(" ").entries()) {
    const longer = at === 0 ? line + word : `${line} ${word}`;
    if (at === 0 || longer.length + end.length <= SCREEN_COLUMNS) line = longer;
    else {
      lines.push(line + end);
      line = next + word;
    }
  }
  return [...lines, line];
}

function optionsOf(spec: CommandSpec, name: string): OptionTable {
  return spec.optionsOf?.(name) ??
    (spec.role === "client"
      ? optionsOfCommand(name as ClientCommand)
      : spec.options);
}

function sentence(summary: string): string {
  return `${summary[0]!.toUpperCase()}${summary.slice(1)}.`;
}

/** A command line as the user types it. */
function usageOf(spec: CommandSpec, { usage }: Command): string {
  return `${spec.script} [options] ${usage}`;
}

function formatPage({ summary, usage, notes, sections }: {
  summary: string;
  usage: readonly string[];
  notes: readonly string[];
  sections: readonly string[];
}): string {
  return [
    summary,
    "",
    "Usage:",
    ...usage.map((line) => `  ${line}`),
    "",
    ...notes,
    ...(notes.length > 0 ? [""] : []),
    ...sections,
    "You can also set an option with its variable, if the script has --allow-env, or",
    "in the file of --config. The command line overrides the variable, and the",
    "variable overrides the file. See docs/REFERENCE.md.",
    "",
    "Exit codes:",
    ...alignRows(Object.entries(EXIT_WORDS)),
    "",
  ].join("\n");
}

function section(title: string, rows: readonly string[]): string[] {
  return rows.length === 0 ? [] : [`${title}:`, ...rows, ""];
}

function formatCommands(spec: CommandSpec): string[] {
  const dialogue = spec.commands["dialogue"];
  return alignRows([
    ...(dialogue === undefined ? [] : [["(none)", dialogue.summary] as const]),
    ...commandNames(spec).map((name) => {
      const { usage, summary } = spec.commands[name]!;
      return [usage.replace(/^RELAY /, ""), summary] as const;
    }),
  ]);
}

function formatExamples(examples: readonly Example[]): string[] {
  return examples.flatMap(({ what, line }) => [`  # ${what}`, `  ${line}`]);
}

function formatOptions(
  options: OptionTable,
  { isCommand, isShort = false }: { isCommand: boolean; isShort?: boolean },
): string[] {
  return Object.entries(options).flatMap(([name, option]) => {
    const help = isCommand ? option.help : describeOption(option);
    const settings = [
      ...(option.default === undefined ? [] : [`default ${option.default}`]),
      ...(option.isTyped ? [] : [variableOf(name)]),
    ];
    const left = `  ${formatOption(name, option)}`;
    return [
      ...(left.length < OPTION_COLUMNS
        ? [left.padEnd(OPTION_COLUMNS) + help]
        : [left, " ".repeat(OPTION_COLUMNS) + help]),
      ...(settings.length === 0 || isShort
        ? []
        : [`${" ".repeat(OPTION_COLUMNS)}[${settings.join(", ")}]`]),
    ];
  });
}

// Leaves 53 columns for the description. A longer option gets a line of its
// own.
const OPTION_COLUMNS = 27;

function alignRows(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(0, ...rows.map(([left]) => left.length)) + 2;
  return rows.map(([left, right]) => `  ${left.padEnd(width)}${right}`);
}
