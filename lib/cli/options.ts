/**
 * Command lines: one table of options per role, from which come parsing, the
 * environment variables and `--help`.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { Failure } from "../errors.ts";
import { show } from "../text.ts";

/** One option, as the table of its role describes it. */
export interface OptionSpec {
  /** What stands for its value in the help; absent for a switch. */
  readonly value?: string;
  /** One letter that stands for it. */
  readonly short?: string;
  /** One line for the help. */
  readonly help: string;
}

/** The options of a role by name, without dashes. */
export type OptionTable = Readonly<Record<string, OptionSpec>>;

/** A role's command line in words. */
export interface CommandSpec {
  /** The script, as it is started. */
  readonly script: string;
  /** What the role does, one sentence. */
  readonly summary: string;
  /** What follows the script's name. */
  readonly usage: readonly string[];
  /** Lines for the help between usage and options. */
  readonly notes: readonly string[];
  /** Its options, without those that every role has. */
  readonly options: OptionTable;
}

/** What was given on the command line. */
export interface CommandLine {
  /** The words that are no options, in order. */
  readonly words: readonly string[];
  /** Value of an option, from the command line or else the environment. */
  value(name: string): string | undefined;
  /** Whether a switch is on. */
  isOn(name: string): boolean;
}

const COMMON_OPTIONS: OptionTable = {
  plaintext: {
    help: "no encryption; must be given on both sides, and is dangerous",
  },
  json: { help: "events as one JSON object a line on stdout" },
  quiet: { short: "q", help: "nothing on stderr but errors" },
  debug: { help: "stack traces with errors" },
  help: { short: "h", help: "show this help" },
  version: { help: "show the version" },
};

/** All options of a role. */
export function optionsOf(spec: CommandSpec): OptionTable {
  return { ...spec.options, ...COMMON_OPTIONS };
}

/** The environment variable of an option. */
export function variableOf(option: string): string {
  return `RELAY_P2P_${option.toUpperCase().replaceAll("-", "_")}`;
}

/**
 * Parses a command line. The environment is read only where that is permitted
 * already; nobody is asked for it.
 *
 * @throws {Failure} of kind `usage` for options that do not exist, lack their
 * value, or have one that they do not take.
 */
export function parseCommandLine(
  args: readonly string[],
  spec: CommandSpec,
): CommandLine {
  const options = optionsOf(spec);
  const isValued = (name: string) => options[name]?.value !== undefined;
  const names = Object.keys(options);
  const parsed = parseArgs([...args], {
    string: ["_", ...names.filter(isValued)],
    boolean: names.filter((name) => !isValued(name)),
    alias: Object.fromEntries(
      names.flatMap((name) => {
        const short = options[name]?.short;
        return short === undefined ? [] : [[short, name]];
      }),
    ),
    unknown: (arg, key) => {
      if (key !== undefined) throw unknownOption(arg, spec);
    },
  });
  for (const arg of args) {
    if (arg === "--") break;
    const [, name, value] = /^--([^=]+)=(.*)$/s.exec(arg) ?? [];
    if (
      name !== undefined && !isValued(name) && !/^(true|false)$/.test(value!)
    ) {
      throw badOption(name, "it takes no value", spec);
    }
  }
  for (const name of names) {
    if (isValued(name) && parsed[name] === "") {
      throw badOption(
        name,
        `it needs a value: --${name} ${options[name]?.value}`,
        spec,
      );
    }
  }
  return {
    words: parsed._.map(String),
    value: (name) => {
      const given = parsed[name];
      return typeof given === "string" ? given : readVariable(name);
    },
    isOn: (name) =>
      parsed[name] === true ||
      /^(1|true|yes|on)$/i.test(readVariable(name) ?? ""),
  };
}

function readVariable(option: string): string | undefined {
  const variable = variableOf(option);
  const permission = { name: "env", variable } as const;
  if (Deno.permissions.querySync(permission).state !== "granted") {
    return undefined;
  }
  const value = Deno.env.get(variable);
  return value === "" ? undefined : value;
}

function unknownOption(arg: string, spec: CommandSpec): Failure {
  return new Failure("usage", {
    what: "Cannot use option",
    where: show(arg),
    why: "there is no such option",
    remedy: `see ${spec.script} --help`,
  });
}

function badOption(name: string, why: string, spec: CommandSpec): Failure {
  return new Failure("usage", {
    what: "Cannot use option",
    where: `--${show(name)}`,
    why,
    remedy: `see ${spec.script} --help`,
  });
}

/** A mistake in the words of a command line. */
export function usageFailure(spec: CommandSpec, why: string): Failure {
  return new Failure("usage", {
    what: "Cannot start",
    why,
    remedy: `usage: ${spec.script} ${spec.usage[0]}`,
  });
}

/** The text of `--help`. */
export function formatHelp(spec: CommandSpec): string {
  const rows = Object.entries(optionsOf(spec)).map(([name, option]) => ({
    left:
      `  ${option.short === undefined ? "" : `-${option.short}, `}--${name}` +
      (option.value === undefined ? "" : ` ${option.value}`),
    right: option.help,
  }));
  const width = Math.max(...rows.map((row) => row.left.length)) + 2;
  return [
    spec.summary,
    "",
    "Usage:",
    ...spec.usage.map((usage) => `  ${spec.script} ${usage}`),
    "",
    ...spec.notes,
    ...(spec.notes.length > 0 ? [""] : []),
    "Options:",
    ...rows.map((row) => row.left.padEnd(width) + row.right),
    "",
    `Every option can be set by a variable too, ${
      variableOf("json")
    }=1 for --json,`,
    "where the script is given --allow-env.",
    "",
    "Exit codes: 0 done, 2 usage, 3 relay unreachable or refused, 4 no node has the",
    "file, 5 nodes have it but none could deliver, 6 content failed verification,",
    "7 not allowed, 8 local file or disk error, 130 interrupted, 1 a bug.",
    "",
  ].join("\n");
}
