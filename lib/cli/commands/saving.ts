/**
 * Saves one file where the user at a terminal chooses, and asks before it
 * replaces anything.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { getFiles, type Selection } from "../../client/get.ts";
import type { TransferOptions } from "../../client/transfer_options.ts";
import { describeCause } from "../../base/errors.ts";
import { accessFlag, isGranted } from "../../base/permission.ts";
import { show } from "../../base/text.ts";
import { unsaved } from "../../disk/disk_failure.ts";
import { requireSaving } from "../options/text_file.ts";
import { destination } from "./get.ts";
import { Saved } from "./saved.ts";
import type { Terminal } from "../output/terminal.ts";

/** Options of {@linkcode saveFile}. */
export interface SaveCommandOptions {
  readonly terminal: Terminal;
  /** Asks the user; `null` if the user cancels. */
  readonly ask: (words: string) => Promise<string | null>;
}

/**
 * Fetches a file to the disk, unless the user cancels.
 *
 * @throws {Failure} if it cannot be fetched or saved.
 */
export async function saveFile(
  name: string,
  options: TransferOptions,
  { terminal, ask }: SaveCommandOptions,
): Promise<void> {
  const last = name.split("/").at(-1)!;
  const proposal = missingToSaveHere() === "" ? last : "";
  const usual = proposal === "" ? "" : `Enter takes ${show(proposal)}, `;
  const answer = await ask(
    `save it as (a file or a folder; ${usual}q goes back): `,
  );
  const place = answer || proposal;
  if (answer === null || answer === "q" || place === "") return;
  requireSaving(folderOf(place));
  const selection: Selection = { kind: "name", name };
  const { folder, pathOf } = await destination(place, [selection]);
  const path = pathOf(name, selection);
  const overwrite = await exists(path);
  if (overwrite) {
    const reply = await ask(
      `${show(path)} exists; replace it? (y replaces, Enter keeps it): `,
    );
    if (!/^y(es)?$/i.test(reply ?? "")) return terminal.note("not saved");
  }
  const saved = new Saved(terminal);
  try {
    const { failed } = await getFiles({
      ...options,
      selections: [selection],
      folder,
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

/** The missing flags for saving in the current folder; "" if none. */
export function missingToSaveHere(): string {
  return (["read", "write"] as const)
    .filter((name) => !isGranted({ name, path: "." }))
    .map((name) => accessFlag(name, ["."])).join(" ");
}

/** The folder that must be writable for `place`. */
function folderOf(place: string): string {
  return place.endsWith("/") ? place : dirname(place);
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return false;
    const why = describeCause(cause);
    throw unsaved(path, { why, remedy: "choose another path", cause });
  }
}
