/**
 * Checks that a node's private files are not in its shared folder: the folder
 * of `--state`, the files of the token and the index key, the known relays. Resolves links.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import { Failure } from "../../base/errors.ts";
import { isGranted } from "../../base/permission.ts";
import { show } from "../../base/text.ts";
import { isBelow } from "../../share/shared_path.ts";
import type { CommandLine } from "../options/command_line.ts";

const PRIVATE_OPTIONS = [
  "state",
  "token-file",
  "index-key-file",
  "known-relays",
] as const;

/**
 * Refuses to share folders with files that the options of `line` name.
 *
 * @throws {Failure} of kind `usage`.
 */
export async function refusePrivateFiles(
  folders: readonly string[],
  line: CommandLine,
): Promise<void> {
  for (const folder of folders) {
    const shared = await placeOf(folder);
    for (const option of PRIVATE_OPTIONS) {
      const path = line.value(option);
      if (path === undefined) continue;
      if (!isBelow(await placeOf(path), shared)) continue;
      throw new Failure("usage", {
        what: "Cannot share folder",
        where: show(folder),
        why: `${show(path)} of --${option} lies in it and would be shared`,
        remedy: `choose another path with --${option}`,
      });
    }
  }
}

/**
 * The real path, also for a path whose end does not exist yet. The path as
 * given if this process may not look.
 */
async function placeOf(path: string): Promise<string> {
  if (isGranted({ name: "read", path })) {
    try {
      return await Deno.realPath(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) return path;
    }
  }
  const folder = dirname(path);
  if (folder === path) return path;
  return join(await placeOf(folder), path.slice(path.search(LAST_PART)));
}

const LAST_PART = /[^/\\]+[/\\]*$/;
