/**
 * The texts of `--help`, all of them from the tables of options and commands.
 *
 * @module
 */

import {
  type Command,
  commandNames,
  type CommandSpec,
  type Example,
  EXIT_WORDS,
} from "./command_table.ts";
import {
  type ClientCommand,
  describeOption,
  formatOption,
  optionsOfCommand,
  type OptionTable,
  variableOf,
} from "./option_table.ts";

/** The text of `--help`. */
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

/** The text of `--help` for one command. */
export function formatCommandHelp(spec: CommandSpec, name: string): string {
  const command = spec.commands[name]!;
  const options = spec.optionsOf?.(name) ??
    (spec.role === "client"
      ? optionsOfCommand(name as ClientCommand)
      : spec.options);
  return formatPage({
    summary: `${command.summary[0]!.toUpperCase()}${command.summary.slice(1)}.`,
    usage: [usageOf(spec, command)],
    notes: command.notes,
    sections: [
      ...section("Examples", formatExamples(command.examples)),
      ...section("Options", formatOptions(options, { isCommand: true })),
    ],
  });
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
    "An option can be set by its variable, where the script is given --allow-env, or",
    "in the file of --config; what is typed wins over the variable, and that over the",
    "file. See docs/REFERENCE.md.",
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
  { isCommand }: { isCommand: boolean },
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
      ...(settings.length === 0
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
