/**
 * The form of a row in the table of options.
 *
 * @module
 */

import type { ValueParser } from "./values.ts";

/** The scripts. */
export type Role = "relay" | "node" | "client";

/** A command of the client; the dialogue has an empty name. */
export type ClientCommand =
  | "dialogue"
  | "nodes"
  | "ls"
  | "search"
  | "get"
  | "cat"
  | "link"
  | "send"
  | "sums"
  | "verify"
  | "gateway"
  | "web"
  | "doctor"
  | "help"
  | "completions";

/**
 * What a program does with a path. `read`: reads it. `keep`: keeps data there
 * between runs. `write`: makes a new file. `save`: saves files in that
 * folder, or one at that path.
 */
export type PathUse = "read" | "keep" | "write" | "save";

/** One option. */
export interface OptionSpec {
  /** The scripts with this option; by default all. */
  readonly roles?: readonly Role[];
  /** The client's commands with this option; by default all. */
  readonly commands?: readonly ClientCommand[];
  /** The placeholder for its value in the help; absent for a switch. */
  readonly value?: string;
  /** Parses its value; without this the value is the text. */
  readonly parse?: ValueParser<unknown>;
  /** The possible values, if they are few. */
  readonly choices?: readonly string[];
  /** Whether its value is the path of a file or folder. */
  readonly names?: "file" | "folder";
  /** What happens to that path; by default it is read. */
  readonly use?: PathUse;
  /**
   * Whether it can be given several times. Its value then has a line for each, as
   * in its variable; a configuration file may have a list.
   */
  readonly isRepeated?: true;
  /** A short form of one letter. */
  readonly short?: string;
  /** The default, if the help should mention it. */
  readonly default?: string;
  /** Whether only the command line can set it, and no variable or file. */
  readonly isTyped?: true;
  /** Whether its value is a secret, which no configuration file may hold. */
  readonly isSecret?: true;
  /** Whether its value may contain a password. */
  readonly holdsSecret?: true;
  /** One line for the help, at most 53 characters including its command. */
  readonly help: string;
}

/** Options by name, without dashes. */
export type OptionTable = Readonly<Record<string, OptionSpec>>;
