/**
 * `p2p update`: which version is installed, and how to install another.
 *
 * @module
 */

import { show } from "../../lib/base/text.ts";
import { VERSION } from "../../lib/base/version.ts";
import { expectNoMore } from "../../lib/cli/roles/role.ts";
import type { OwnRun } from "./own_run.ts";
import { commandPath } from "./places.ts";
import { OWN } from "./tables.ts";

/** Runs the command; resolves to the exit code. */
export function runUpdate(
  { context: { terminal }, words, places }: OwnRun,
): Promise<number> {
  expectNoMore(words, OWN, OWN.commands["update"]!.usage);
  const deno = `npx -y deno@${Deno.version.deno}`;
  terminal.fact(
    `this is relay-p2p ${VERSION}, at ${show(commandPath(places))}`,
  );
  terminal.fact("to update, run this in a checkout of the later version:");
  terminal.fact(`  ${deno} task install`);
  terminal.fact(
    "or with Deno installed: deno task install; relays and nodes that are " +
      "running go on, and use it when you start them again",
  );
  return Promise.resolve(0);
}
