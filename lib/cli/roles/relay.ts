/**
 * `relay.ts`. The engine is loaded only for a command line that needs it: help and
 * version come without it.
 *
 * @module
 */

import { RELAY as SPEC } from "../options/command_table.ts";
import { runRole } from "./role.ts";

/** Runs the relay; resolves to the exit code. */
export function main(args: readonly string[]): Promise<number> {
  return runRole(args, SPEC, async (context) => {
    const { runRelay } = await import("./run_relay.ts");
    return await runRelay(context);
  });
}
