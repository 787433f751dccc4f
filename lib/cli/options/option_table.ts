/**
 * The table of options: parsing, environment variables, keys of a configuration
 * file, help, completions and the table in docs/REFERENCE.md all come from here.
 *
 * @module
 */

import { ROWS } from "./option_rows.ts";
import type {
  ClientCommand,
  OptionSpec,
  OptionTable,
  Role,
} from "./option_spec.ts";
import type { ValueParser } from "./values.ts";

/** All options, in the order of the help. */
export const OPTIONS: OptionTable = ROWS;

type Rows = typeof ROWS;

/** The options with a value, and the type of each value. */
export type OptionValues = {
  [Name in keyof Rows as Rows[Name] extends { value: string } ? Name : never]:
    Rows[Name] extends { parse: ValueParser<infer Value> } ? Value
      : string;
};

/** The options of a role. */
export function optionsOfRole(role: Role): OptionTable {
  return Object.fromEntries(
    Object.entries(OPTIONS).filter(([, { roles }]) =>
      roles === undefined || roles.includes(role)
    ),
  );
}

/** The options of one of the client's commands. */
export function optionsOfCommand(command: ClientCommand): OptionTable {
  return Object.fromEntries(
    Object.entries(optionsOfRole("client")).filter(([, { commands }]) =>
      commands === undefined || commands.includes(command)
    ),
  );
}

/** The environment variable of an option. */
export function variableOf(option: string): string {
  return `RELAY_P2P_${option.toUpperCase().replaceAll("-", "_")}`;
}

/** An option as the user types it: `-o, --output PATH`. */
export function formatOption(name: string, option: OptionSpec): string {
  const short = option.short === undefined ? "" : `-${option.short}, `;
  const value = option.value === undefined ? "" : ` ${option.value}`;
  return `${short}--${name}${value}`;
}

/**
 * The description of an option, with the command that it belongs to, if only
 * one.
 */
export function describeOption(
  { roles, commands, help }: OptionSpec,
): string {
  const isOfCommand = commands?.length === 1 && roles?.length === 1;
  return isOfCommand ? `${commands[0]}: ${help}` : help;
}
