/**
 * What surrounds a command line of `p2p`, and the plan that comes of both.
 *
 * @module
 */

import { Failure } from "../../lib/base/errors.ts";
import {
  type CommandLine,
  parseCommandLine,
  type Settings,
} from "../../lib/cli/options/command_line.ts";
import type { Role } from "../../lib/cli/options/option_spec.ts";
import type { SharedPath } from "../../lib/share/shared_path.ts";
import type { Disk } from "./permissions.ts";
import type { Places } from "./places.ts";
import type { Remembered } from "./remembered.ts";
import { P2P } from "./tables.ts";

/** The world around a command line. */
export interface Surroundings {
  readonly places: Places;
  /** The remembered relays; read only when they are needed. */
  remembered(): readonly Remembered[];
  readonly disk: Disk;
  /** Whether a person may be there to answer questions. */
  readonly isTerminal: boolean;
  /** The options in the file of `--config`. */
  readSettings(path: string, role: Role): Promise<Settings>;
  /** The files with tokens that a list of relays names. */
  tokensIn(path: string): Promise<readonly string[]>;
  /** A short name for shared folders, the same wherever it is asked for. */
  nameOf(folders: readonly SharedPath[]): Promise<string>;
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

/** The flags of a program that reads its options, and nothing else. */
export const VARIABLES = ["--allow-env=RELAY_P2P_*"];

/** The line of a role with all that is set; as typed where that fails. */
export async function lineOf(
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

/** A mistake in what was typed. */
export function cannotStart(why: string, remedy: string): Failure {
  return new Failure("usage", { what: "Cannot start", why, remedy });
}
