/**
 * `peer_node.ts`. The engine is loaded only for a command line that needs it:
 * `--help` and `--version` do not.
 *
 * @module
 */

import { NODE as SPEC } from "../options/command_table.ts";
import { runRole } from "./role.ts";

/** Runs the node; resolves to the exit code. */
export function main(args: readonly string[]): Promise<number> {
  return runRole(args, SPEC, async (context) => {
    const { runNode } = await import("./run_node.ts");
    return await runNode(context);
  });
}
