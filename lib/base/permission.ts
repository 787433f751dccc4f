/**
 * Checks what Deno lets this process do. At a terminal, Deno would stop the
 * program and ask a question if a permission is missing. Roles therefore check
 * each permission here first, and a missing one is the same error as without a
 * terminal.
 *
 * Below `/dev`, `/proc` and `/sys` Deno answers `granted` and still requires
 * `--allow-all`: there the use itself throws `NotCapable`, without a question.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { type Endpoint, formatEndpoint } from "./conn.ts";
import { show } from "./text.ts";

/** What is done with a file or folder. */
export type FileAccess = "read" | "write";

/** Whether a permission has been granted. */
export type IsGranted = (
  descriptor: Deno.PermissionDescriptor | { name: "sys"; kind?: "statfs" },
) => boolean;

/** What this process has been granted. */
export const isGranted: IsGranted = (descriptor) =>
  Deno.permissions.querySync(descriptor as Deno.PermissionDescriptor).state ===
    "granted";

/**
 * Makes sure that this process may read, or write, what is at `path` and below.
 *
 * @throws {Deno.errors.NotCapable} when it may not.
 */
export function requireAccess(path: string, ...wanted: FileAccess[]): void {
  for (const name of wanted) {
    if (isGranted({ name, path })) continue;
    throw new Deno.errors.NotCapable(`Requires ${name} access to ${path}`);
  }
}

/**
 * Makes sure that this process may listen at or dial `endpoint`. `node:net` is
 * not to find out: there a missing permission ends the process from inside a
 * callback.
 *
 * @throws {Deno.errors.NotCapable} when it may not.
 */
export function requireNet(endpoint: Endpoint): void {
  const host = formatEndpoint(endpoint);
  if (isGranted({ name: "net", host })) return;
  throw new Deno.errors.NotCapable(`Requires net access to ${host}`);
}

/**
 * What to do where Deno refused `wanted` access to `paths`. The flags go beside
 * those that the process was started with.
 */
export function grantRemedy(
  paths: readonly string[],
  ...wanted: FileAccess[]
): string {
  const missing = wanted.filter((name) =>
    paths.some((path) => !isGranted({ name, path }))
  );
  if (missing.length === 0) {
    return "Deno opens what is below /dev, /proc and /sys with --allow-all " +
      "alone: name another place, or grant that";
  }
  const flags = missing.map((name) => accessFlag(name, paths));
  return `grant it with ${flags.join(" ")}`;
}

/**
 * What to grant for saving at a place that cannot be looked at: a folder, or a
 * file, which needs the folder that it is in.
 */
export function savingRemedy(place: string): string {
  const asFolder = grantRemedy([place], "read", "write");
  if (/(^|[/\\])(\.{1,2})?$/.test(place)) return asFolder;
  const asFile = grantRemedy([dirname(place)], "read", "write");
  // A name like `up.txt` is a file's.
  if (/[^/\\]\.[^/\\.]+$/.test(place)) return asFile;
  return asFolder === asFile
    ? asFolder
    : `${asFolder} where it is a folder, or else ${asFile}`;
}

/** The flag that grants access to `paths`, as one word for a shell. */
export function accessFlag(
  access: FileAccess,
  paths: readonly string[],
): string {
  const list = [...new Set(paths)].map((path) =>
    show(path).replaceAll(",", ",,")
  );
  return shellWord(`--allow-${access}=${list.join(",")}`);
}

/** One word for a shell. */
export function shellWord(word: string): string {
  return /^[\w./:=,@%+-]+$/.test(word)
    ? word
    : `'${word.replaceAll("'", `'\\''`)}'`;
}
