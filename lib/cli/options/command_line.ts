/**
 * Parses command lines by the table of options. The environment and a
 * configuration file supply the options that are not on the line.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { Failure } from "../../base/errors.ts";
import { isGranted } from "../../base/permission.ts";
import { show } from "../../base/text.ts";
import { type CommandSpec, SCRIPTS } from "./command_table.ts";
import { OPTIONS, type OptionValues, variableOf } from "./option_table.ts";
import { asTyped, usageAsTyped } from "./program_name.ts";
import { didYouMean } from "./suggestion.ts";

/** Options set by a configuration file, by name. */
export type Settings = ReadonlyMap<string, string | boolean>;

/** A parsed command line. */
export interface CommandLine {
  /** The words that are not options, in order. */
  readonly words: readonly string[];
  /** The options that were typed. */
  readonly typed: readonly string[];
  /**
   * The value of an option: typed, or otherwise from a variable, or otherwise
   * from the configuration file.
   */
  value(name: string): string | undefined;
  /**
   * The same, parsed by the row of the option.
   *
   * @throws {Failure} of kind `usage` for an invalid value.
   */
  get<Name extends keyof OptionValues>(
    name: Name,
  ): OptionValues[Name] | undefined;
  /**
   * Whether a switch is on, from the same sources in the same order.
   *
   * @throws {Failure} of kind `usage` for a variable that is neither on nor
   * off.
   */
  isOn(name: string): boolean;
  /** Whether any of these sources sets an option, even to off. */
  isSet(name: string): boolean;
}

/**
 * Parses a command line. Reads the environment only where Deno already permits
 * it, so that no question appears.
 *
 * @throws {Failure} of kind `usage` for an unknown option, a missing or
 * unexpected value, and text that is not UTF-8.
 */
export function parseCommandLine(
  args: readonly string[],
  spec: CommandSpec,
  settings: Settings = new Map(),
): CommandLine {
  const { words, typed } = parseTyped(args, spec);
  const found = (name: string) =>
    typed.get(name) ??
      (spec.options[name]?.isTyped ? undefined : readVariable(name)) ??
      settings.get(name);
  const valueOf = (name: string) => {
    const value = found(name);
    return typeof value === "string" ? value : undefined;
  };
  return {
    words,
    typed: [...typed.keys()],
    value: valueOf,
    get: <Name extends keyof OptionValues>(name: Name) => {
      const text = valueOf(name);
      if (text === undefined) return undefined;
      const { parse } = OPTIONS[name]!;
      const value = parse === undefined ? text : parse(text, name);
      return value as OptionValues[Name];
    },
    isSet: (name) => found(name) !== undefined,
    isOn: (name) => {
      const value = found(name) ?? false;
      return typeof value === "boolean" ? value : parseSwitch(name, value);
    },
  };
}

/** The words of a command line, and the options that were typed. */
function parseTyped(args: readonly string[], spec: CommandSpec): {
  readonly words: string[];
  readonly typed: Settings;
} {
  refuseOtherEncodings(args);
  const { options } = spec;
  const isValued = (name: string) => options[name]?.value !== undefined;
  const names = Object.keys(options);
  const parsed = parseArgs([...args], {
    string: ["_", ...names.filter(isValued)],
    boolean: names.filter((name) => !isValued(name)),
    collect: names.filter((name) => options[name]?.isRepeated),
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
  const off = switchedOff(args, spec);
  const typed = new Map<string, string | boolean>();
  for (const name of names) {
    const given = [parsed[name] ?? []].flat();
    if (isValued(name) && given.includes("")) {
      const wanted = `--${name} ${options[name]?.value}`;
      throw badOption(name, `it needs a value: ${wanted}`, spec);
    }
    if (given.includes(true)) typed.set(name, true);
    else if (off.has(name)) typed.set(name, false);
    else if (isValued(name) && given.length > 0) {
      typed.set(name, given.join("\n"));
    }
  }
  return { words: parsed._.map(String), typed };
}

/** The switches that end with `=false`; no other value may follow a switch. */
function switchedOff(
  args: readonly string[],
  spec: CommandSpec,
): ReadonlySet<string> {
  const off = new Set<string>();
  for (const arg of args) {
    if (arg === "--") break;
    const [, name, value] = /^--([^=]+)=(.*)$/s.exec(arg) ?? [];
    if (name === undefined || spec.options[name]?.value !== undefined) continue;
    if (!/^(true|false)$/.test(value!)) {
      throw badOption(name, "it takes no value", spec);
    }
    if (value === "false") off.add(name);
    else off.delete(name);
  }
  return off;
}

function readVariable(option: string): string | undefined {
  const variable = variableOf(option);
  if (!isGranted({ name: "env", variable })) return undefined;
  let value: string | undefined;
  try {
    value = Deno.env.get(variable);
  } catch (cause) {
    throw new Failure("usage", {
      what: `Cannot use ${variable}`,
      why: "it is not UTF-8",
      remedy: `set it in UTF-8, or give --${option}`,
      cause,
    });
  }
  return value === "" ? undefined : value;
}

/**
 * Deno replaces bytes that are not UTF-8 with U+FFFD, which would be another
 * name.
 */
function refuseOtherEncodings(args: readonly string[]): void {
  const wrong = args.find((arg) => arg.includes("\ufffd"));
  if (wrong === undefined) return;
  throw new Failure("usage", {
    what: "Cannot use argument",
    where: show(wrong),
    why: "it is not UTF-8",
    remedy: "give names in UTF-8; rename files whose names are not",
  });
}

/** The value of a switch's variable, in the usual words for on and off. */
function parseSwitch(option: string, text: string): boolean {
  if (/^(1|true|yes|on)$/i.test(text)) return true;
  if (/^(0|false|no|off)$/i.test(text)) return false;
  throw new Failure("usage", {
    what: `Cannot use ${variableOf(option)}`,
    where: show(text),
    why: "wanted 1 or 0",
  });
}

function unknownOption(arg: string, spec: CommandSpec): Failure {
  const [, name] = /^--([^=]+)/s.exec(arg) ?? [];
  return new Failure("usage", {
    what: "Cannot use option",
    where: show(arg),
    why: "there is no such option",
    remedy: adviceOn(name, spec),
  });
}

/** Advice about an unknown option, by its long name. */
function adviceOn(name: string | undefined, spec: CommandSpec): string {
  const see = `see ${asTyped(spec).script} --help`;
  if (name === undefined) {
    return spec.role === "client"
      ? `a name that begins with a dash goes after --; ${see}`
      : see;
  }
  const others = SCRIPTS.filter(({ options }) => Object.hasOwn(options, name));
  if (others.length > 0) {
    return `use it with ${
      others.map((other) => asTyped(other).script).join(" and ")
    }`;
  }
  return didYouMean(name, Object.keys(spec.options), "--") ?? see;
}

function badOption(name: string, why: string, spec: CommandSpec): Failure {
  return new Failure("usage", {
    what: "Cannot use option",
    where: `--${show(name)}`,
    why,
    remedy: `see ${asTyped(spec).script} --help`,
  });
}

/** A mistake in the words of a command line. */
export function usageFailure(
  spec: CommandSpec,
  why: string,
  usage = asTyped(spec).usage[0]!,
): Failure {
  return new Failure("usage", {
    what: "Cannot start",
    why,
    remedy: `usage: ${asTyped(spec).script} ${usageAsTyped(usage)}`,
  });
}
