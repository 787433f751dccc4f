/**
 * The commands of `p2p` that start no role. The launcher gives each the
 * permissions that it needs.
 *
 * @module
 */

import { noSuchCommand } from "../../lib/cli/roles/about.ts";
import { runRole } from "../../lib/cli/roles/role.ts";
import type { OwnRun } from "./own_run.ts";
import { placesOf } from "./places.ts";
import { isOwnCommand, OWN } from "./tables.ts";
import { runUse } from "./use.ts";

/** Runs one command; resolves to the exit code. */
export function main(args: readonly string[]): Promise<number> {
  return runRole(args, OWN, async (context) => {
    const [command = "", ...words] = context.line.words;
    if (!isOwnCommand(command)) throw noSuchCommand(OWN, command);
    const places = placesOf((name) => Deno.env.get(name));
    const code = await runCommand(command, { context, words, places: places! });
    context.terminal.check();
    return code;
  });
}

function runCommand(
  command: keyof typeof OWN_RUNS,
  run: OwnRun,
): Promise<number> {
  return OWN_RUNS[command](run);
}

const OWN_RUNS = { use: runUse };

if (import.meta.main) Deno.exit(await main(Deno.args));
