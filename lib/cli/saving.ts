/**
 * Saves one file where a person at a terminal says: asks for the place, for the
 * permission to write there, and before anything is replaced.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { getFiles, type Selection } from "../client/get.ts";
import type { TransferOptions } from "../client/transfer_options.ts";
import { describeCause, Failure, localKindOf } from "../errors.ts";
import { show } from "../text.ts";
import { destination, Saved } from "./get.ts";
import type { Terminal } from "./terminal.ts";

/** How the person is talked to. */
export interface SavingOptions {
  readonly terminal: Terminal;
  /** Asks; `null` when the person wants out. */
  readonly ask: (words: string) => Promise<string | null>;
}

/**
 * Fetches a file to the disk, unless the person changes their mind.
 *
 * @throws {Failure} when it cannot be had or saved.
 */
export async function saveFile(
  name: string,
  options: TransferOptions,
  { terminal, ask }: SavingOptions,
): Promise<void> {
  const proposal = name.split("/").at(-1)!;
  const answer = await ask(
    `save it as (a file or a folder, ${show(proposal)} by default): `,
  );
  if (answer === null) return;
  const place = answer === "" ? proposal : answer;
  await requestPermissions(folderOf(place));
  const selection: Selection = { kind: "name", name };
  const path = (await destination(place, [selection]))(name, selection);
  const overwrite = await exists(path);
  if (overwrite) {
    const reply = await ask(`${show(path)} exists; replace it? (y or n): `);
    if (!/^y(es)?$/i.test(reply ?? "")) return terminal.note("not saved");
  }
  const saved = new Saved(terminal);
  try {
    const { failed } = await getFiles({
      ...options,
      selections: [selection],
      pathOf: () => path,
      overwrite,
      onEvent: (event) => {
        saved.note(event);
        options.onEvent?.(event);
      },
    });
    for (const failure of failed.values()) throw failure;
  } finally {
    terminal.status("");
  }
}

/** The folder that must be written to for `place`. */
function folderOf(place: string): string {
  return place.endsWith("/") ? place : dirname(place);
}

/**
 * Deno asks the person, where it may. Asked for while nobody else reads from
 * the terminal.
 */
async function requestPermissions(path: string): Promise<void> {
  for (const name of ["read", "write"] as const) {
    const { state } = await Deno.permissions.request({ name, path });
    if (state === "granted") continue;
    throw new Failure("not_allowed", {
      what: "Cannot save to",
      where: show(path),
      why: "this process was not given the permission",
      remedy: `grant it with --allow-${name}=${show(path)}`,
    });
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return false;
    throw new Failure(localKindOf(cause), {
      what: "Cannot save file",
      where: show(path),
      why: describeCause(cause),
      remedy: "choose another place",
      cause,
    });
  }
}
