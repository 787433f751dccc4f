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
import { isOwnCommand, OWN, type OwnCommand } from "./tables.ts";
import { runClean } from "./clean.ts";
import { runUninstall } from "./uninstall.ts";
import { runUpdate } from "./update.ts";
import { runUse } from "./use.ts";

/** Runs one command; resolves to the exit code. */
export function main(args: readonly string[]): Promise<number> {
  return runRole(args, OWN, async (context) => {
    const [command = "", ...words] = context.line.words;
    if (!isOwnCommand(command)) throw noSuchCommand(OWN, command);
    const code = await OWN_RUNS[command]({
      context,
      words,
      // Not every command may read the variables.
      get places() {
        return placesOf((name) => Deno.env.get(name));
      },
    });
    context.terminal.check();
    return code;
  });
}

const OWN_RUNS: Readonly<
  Record<OwnCommand, (run: OwnRun) => Promise<number>>
> = {
  use: runUse,
  clean: runClean,
  update: runUpdate,
  uninstall: runUninstall,
};

if (import.meta.main) Deno.exit(await main(Deno.args));
