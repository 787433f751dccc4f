/**
 * Reports why the launcher cannot start a program, as the programs report their
 * own failures.
 *
 * @module
 */

import { Failure } from "../../lib/base/errors.ts";
import { Terminal } from "../../lib/cli/output/terminal.ts";

/** Prints `error`; returns the exit code. */
export function printError(error: unknown, args: readonly string[]): number {
  const isTyped = (option: string) => args.includes(option);
  const terminal = new Terminal({
    json: isTyped("--json"),
    quiet: isTyped("--quiet"),
    debug: isTyped("--debug"),
  });
  terminal.error(error);
  return error instanceof Failure ? error.exitCode : 1;
}
