/**
 * Removes `p2p`: `p2p uninstall`, or `deno task uninstall` from a checkout.
 *
 * @module
 */

import { Failure } from "../../lib/base/errors.ts";
import { show } from "../../lib/base/text.ts";
import { expectNoMore } from "../../lib/cli/roles/role.ts";
import { lockUninstalling } from "./app_folders.ts";
import { commandPath, newCommandPath, type Places } from "./places.ts";
import type { OwnRun } from "./own_run.ts";
import { folderOfShim, isAppFolder, LOCK_FILE } from "./shim.ts";
import { join } from "@std/path/join";
import { OWN } from "./tables.ts";

/** Runs the command; resolves to the exit code. */
export async function runUninstall(
  { context: { line, terminal }, words, places }: OwnRun,
): Promise<number> {
  expectNoMore(words, OWN, OWN.commands["uninstall"]!.usage);
  {
    using _lock = await lockUninstalling(places.data);
    await removeCommand(commandPath(places));
    await removeFolder(newCommandPath(places));
    await removePrograms(places);
  }
  terminal.note(`removed ${show(commandPath(places))} and its program`);
  terminal.note(
    "a relay or node that runs goes on until you stop it; npm and Deno keep " +
      "their caches, on Linux in ~/.npm and ~/.cache/deno",
  );
  const kept = [places.state, places.config];
  if (line.isOn("all")) {
    for (const folder of kept) await removeFolder(folder);
    terminal.note("removed the identities, and forgot the relay");
  } else {
    terminal.note(
      `kept: identities in ${show(places.state)}, the relay in ${
        show(places.config)
      }`,
    );
  }
  return 0;
}

async function removeCommand(command: string): Promise<void> {
  let text: string;
  try {
    text = await Deno.readTextFile(command);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  if (folderOfShim(text) === undefined) {
    throw new Failure("local", {
      what: "Cannot uninstall",
      where: show(command),
      why: "another program is there",
      remedy: "move it away",
    });
  }
  await Deno.remove(command);
}

/** Removes what an installation has made, and nothing else. */
async function removePrograms({ data }: Places): Promise<void> {
  try {
    for await (const { name } of Deno.readDir(data)) {
      if (isAppFolder(name) || name === LOCK_FILE) {
        await removeFolder(join(data, name));
      }
    }
    await Deno.remove(data);
  } catch (error) {
    // Somebody else's files are in it, or it has gone.
    if (error instanceof Deno.errors.NotFound) return;
    if (!(error instanceof Error) || !/not empty/i.test(error.message)) {
      throw error;
    }
  }
}

async function removeFolder(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
