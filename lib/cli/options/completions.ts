/**
 * Completion scripts for shells, written from the tables of options and
 * commands.
 *
 * A command is found by its name at any position. The words before it may be a
 * relay of one word or two, and shells split a relay address at its colons.
 *
 * @module
 */

import {
  commandNames,
  type CommandSpec,
  type Shell,
  SHELLS,
} from "./command_table.ts";
import type { ClientCommand, OptionSpec, OptionTable } from "./option_spec.ts";
import { optionsOfCommand } from "./option_table.ts";

/** Options of {@linkcode formatCompletions}. */
export interface CompletionOptions {
  readonly shell: Shell;
  /** The name to complete: letters, digits, dots, dashes and underscores. */
  readonly name: string;
}

/** A program for the shell that completes words after `name`. */
export function formatCompletions(
  spec: CommandSpec,
  { shell, name }: CompletionOptions,
): string {
  const lines = FORMATS[shell](spec, name);
  return [
    // For zsh, which finds the script in a folder of `fpath`.
    ...(shell === "zsh" ? [`#compdef ${name}`] : []),
    `# Completes the words of ${name} in ${shell}.`,
    ...lines,
    "",
  ].join("\n");
}

const FORMATS: Readonly<
  Record<Shell, (spec: CommandSpec, name: string) => string[]>
> = { bash: formatBash, zsh: formatZsh, fish: formatFish };

/** The words that a command takes, other than options. */
type Operand = "file" | "folder" | readonly string[];

function operandOf(spec: CommandSpec, command: string): Operand {
  if (command === "help") return commandNames(spec);
  if (command === "completions") return SHELLS;
  const { operands } = spec.commands[command] ?? {};
  if (operands === "files") return "file";
  if (operands === "folders") return "folder";
  if (command === "doctor" && spec.role === "node") return "file";
  return [];
}

/** The words where no command is: the commands, and what a node shares. */
function firstOperand(spec: CommandSpec): "file" | undefined {
  return spec.role === "node" ? "file" : undefined;
}

function optionsAfter(spec: CommandSpec, command: string): OptionTable {
  if (spec.optionsOf !== undefined) return spec.optionsOf(command);
  return spec.role === "client"
    ? optionsOfCommand(command as ClientCommand)
    : spec.options;
}

/** Options by the kind of their values. */
function valueKinds(
  options: OptionTable,
): { flags: string[]; operand: Operand }[] {
  const kinds = new Map<string, { flags: string[]; operand: Operand }>();
  for (const [name, option] of Object.entries(options)) {
    if (option.value === undefined) continue;
    const operand = valueOf(option);
    const key = String(operand);
    const kind = kinds.get(key) ?? { flags: [], operand };
    kind.flags.push(...flagsOf(name, option));
    kinds.set(key, kind);
  }
  return [...kinds.values()];
}

function valueOf({ choices = [], names }: OptionSpec): Operand {
  return names ?? choices;
}

function flagsOf(name: string, { short }: OptionSpec): string[] {
  return [...(short === undefined ? [] : [`-${short}`]), `--${name}`];
}

function functionName(name: string): string {
  return `_relay_p2p_${name.replaceAll(/\W/g, "_")}`;
}

function formatBash(spec: CommandSpec, name: string): string[] {
  const own = functionName(name);
  const commands = commandNames(spec);
  const pick = (operand: Operand) =>
    typeof operand === "string"
      ? `${own}_paths ${operand === "folder" ? "-d" : "-f"}`
      : operand.length === 0
      ? ":"
      : `mapfile -t COMPREPLY < <(compgen -W "${
        operand.join(" ")
      }" -- "$current")`;
  const flags = (options: OptionTable) =>
    Object.entries(options).flatMap(([option, row]) => flagsOf(option, row))
      .join(" ");
  const first = firstOperand(spec);
  return [
    `${own}_paths() {`,
    `  compopt -o filenames 2>/dev/null`,
    `  mapfile -t COMPREPLY < <(compgen "$1" -- "$current")`,
    `}`,
    `${own}() {`,
    `  local current=\${COMP_WORDS[COMP_CWORD]} word command= options`,
    `  local previous=\${COMP_WORDS[COMP_CWORD-1]}`,
    `  COMPREPLY=()`,
    `  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do`,
    `    case $word in ${commands.join("|")}) command=$word; break ;; esac`,
    `  done`,
    `  case $previous in`,
    ...valueKinds(spec.options).map(({ flags, operand }) =>
      `    ${flags.join("|")}) ${pick(operand)}; return ;;`
    ),
    `  esac`,
    `  case $command in`,
    ...commands.map((command) =>
      `    ${command}) options="${flags(optionsAfter(spec, command))}" ;;`
    ),
    `    *) options="${flags(spec.options)}" ;;`,
    `  esac`,
    `  if [[ $current == -* ]]; then`,
    `    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")`,
    `    return`,
    `  fi`,
    `  case $command in`,
    ...commands.map((command) =>
      `    ${command}) ${pick(operandOf(spec, command))} ;;`
    ),
    `    *)`,
    ...(first === undefined ? [] : [`      ${pick(first)}`]),
    `      mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "${
      commands.join(" ")
    }" -- "$current")`,
    `      ;;`,
    `  esac`,
    `}`,
    `complete -F ${own} ${name}`,
  ];
}

function formatZsh(spec: CommandSpec, name: string): string[] {
  const own = functionName(name);
  const commands = commandNames(spec);
  const pick = (operand: Operand) =>
    typeof operand === "string"
      ? operand === "folder" ? "_files -/" : "_files"
      : operand.length === 0
      ? "return 1"
      : `compadd -- ${operand.join(" ")}`;
  const rows = (words: readonly (readonly [string, string])[]) =>
    words.map(([word, help]) => quote(`${word}:${help}`)).join(" ");
  const flags = (options: OptionTable) =>
    rows(
      Object.entries(options).flatMap(([option, row]) =>
        flagsOf(option, row).map((flag) => [flag, row.help] as const)
      ),
    );
  const first = firstOperand(spec);
  return [
    `${own}() {`,
    `  local current=\${words[CURRENT]} previous=\${words[CURRENT-1]} word command=`,
    `  local -a options commands`,
    `  for word in \${words[2,CURRENT-1]}; do`,
    `    case $word in (${commands.join("|")}) command=$word; break ;; esac`,
    `  done`,
    `  case $previous in`,
    ...valueKinds(spec.options).map(({ flags, operand }) =>
      `    (${flags.join("|")}) ${pick(operand)}; return ;;`
    ),
    `  esac`,
    `  case $command in`,
    ...commands.map((command) =>
      `    (${command}) options=(${flags(optionsAfter(spec, command))}) ;;`
    ),
    `    (*) options=(${flags(spec.options)}) ;;`,
    `  esac`,
    `  if [[ $current == -* ]]; then`,
    `    _describe -o option options`,
    `    return`,
    `  fi`,
    `  commands=(${
      rows(commands.map((command) => [
        command,
        spec.commands[command]!.summary,
      ]))
    })`,
    `  case $command in`,
    ...commands.map((command) =>
      `    (${command}) ${pick(operandOf(spec, command))} ;;`
    ),
    `    (*) ${
      first === undefined ? "" : `${pick(first)}; `
    }_describe command commands ;;`,
    `  esac`,
    `}`,
    ...startZsh(own, name),
  ];
}

/** Loaded from a folder of `fpath` at the first Tab, or read by `source`. */
function startZsh(own: string, name: string): string[] {
  return [
    `if [[ \${zsh_eval_context[-1]} == loadautofunc ]]; then`,
    `  ${own} "$@"`,
    `else`,
    `  if (( ! \${+functions[compdef]} )); then`,
    `    autoload -Uz compinit && compinit -i`,
    `  fi`,
    `  compdef ${own} ${name}`,
    `fi`,
  ];
}

function formatFish(spec: CommandSpec, name: string): string[] {
  const commands = commandNames(spec);
  const complete = `complete -c ${name}`;
  const pick = (operand: Operand) =>
    operand === "file"
      ? "-r -F"
      : operand === "folder"
      ? "-x -a '(__fish_complete_directories)'"
      : operand.length === 0
      ? "-x"
      : `-x -a ${quote(operand.join(" "))}`;
  const unless = (words: readonly string[]) =>
    words.length === 0
      ? ""
      : ` -n 'not __fish_seen_subcommand_from ${words.join(" ")}'`;
  const first = firstOperand(spec);
  return [
    `${complete} -f`,
    ...(first === undefined ? [] : [`${complete}${unless(commands)} -F`]),
    ...commands.map((command) =>
      `${complete}${unless(commands)} -a ${command} -d ${
        quote(spec.commands[command]!.summary)
      }`
    ),
    ...commands.flatMap((command) => {
      const operand = operandOf(spec, command);
      if (operand.length === 0) return [];
      const given = operand === "file"
        ? "-F"
        : operand === "folder"
        ? "-a '(__fish_complete_directories)'"
        : `-a ${quote(operand.join(" "))}`;
      return [
        `${complete} -n '__fish_seen_subcommand_from ${command}' ${given}`,
      ];
    }),
    ...Object.entries(spec.options).map(([option, row]) => {
      const others = commands.filter((command) =>
        !Object.hasOwn(optionsAfter(spec, command), option)
      );
      const short = row.short === undefined ? "" : ` -s ${row.short}`;
      const value = row.value === undefined ? "" : ` ${pick(valueOf(row))}`;
      return `${complete}${unless(others)} -l ${option}${short}${value} -d ${
        quote(row.help)
      }`;
    }),
  ];
}

/** Text as one word for all three shells. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'"'"'`)}'`;
}
