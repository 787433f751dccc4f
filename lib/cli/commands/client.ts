/**
 * `peer_client.ts`. The commands are loaded only for a command line that needs
 * one: help and version come without them.
 *
 * @module
 */

import { CLIENT as SPEC } from "../options/command_table.ts";
import { runRole } from "../roles/role.ts";

/** Runs the client; resolves to the exit code. */
export function main(args: readonly string[]): Promise<number> {
  return runRole(args, SPEC, async (context) => {
    const { runClient } = await import("./run_client.ts");
    return await runClient(context);
  });
}
