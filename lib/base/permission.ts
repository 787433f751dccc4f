/**
 * Checks what Deno lets this process do. At a terminal, Deno stops a program
 * that lacks a permission and asks a question. Roles therefore check each
 * permission here first, so that a missing one causes the same error as without
 * a terminal.
 *
 * Below `/dev`, `/proc` and `/sys` Deno answers `granted` and still requires
 * `--allow-all`. There the use itself throws `NotCapable`, without a question.
 *
 * @module
 */

import { dirname as posixDirname } from "@std/path/posix/dirname";
import { dirname as windowsDirname } from "@std/path/windows/dirname";
import { type Endpoint, formatEndpoint } from "./conn.ts";
import { show } from "./text.ts";

// `@std/path/dirname` asks Node's `process` for the system: 50 ms at each start.
const dirname = Deno.build.os === "windows" ? windowsDirname : posixDirname;

/** The kind of access to a file or folder. */
export type FileAccess = "read" | "write";

/** Whether a permission has been granted. */
export type IsGranted = (
  descriptor: Deno.PermissionDescriptor | { name: "sys"; kind?: "statfs" },
) => boolean;

export const isGranted: IsGranted = (descriptor) =>
  Deno.permissions.querySync(descriptor as Deno.PermissionDescriptor).state ===
    "granted";

/**
 * Throws unless this process may read, or write, `path` and everything below
 * it.
 *
 * @throws {Deno.errors.NotCapable} if it may not.
 */
export function requireAccess(path: string, ...wanted: FileAccess[]): void {
  for (const name of wanted) {
    if (isGranted({ name, path })) continue;
    throw new Deno.errors.NotCapable(`Requires ${name} access to ${path}`);
  }
}

/**
 * Throws unless this process may listen at or dial `endpoint`. Check before
 * `node:net` does: there a missing permission ends the process from inside a
 * callback.
 *
 * @throws {Deno.errors.NotCapable} if it may not.
 */
export function requireNet(endpoint: Endpoint): void {
  const host = formatEndpoint(endpoint);
  if (isGranted({ name: "net", host })) return;
  throw new Deno.errors.NotCapable(`Requires net access to ${host}`);
}

/**
 * The remedy where Deno refused `wanted` access to `paths`: flags to add to
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
    return "Deno opens files below /dev, /proc and /sys only with " +
      "--allow-all: choose another path, or grant that";
  }
  const unnamed = paths.find((path) => grantablePath(path) === undefined);
  if (unnamed !== undefined) {
    return "rename it: Deno cannot grant a path with a comma, and its parent folder is the root";
  }
  const flags = missing.map((name) => accessFlag(name, paths));
  return `grant it with ${flags.join(" ")}`;
}

/**
 * The remedy where Deno refused to save in a folder that this process may look
 * at. It may be a link: Deno then wants a grant for the folder that it leads to.
 */
export function savingThereRemedy(folder: string): string {
  return grantRemedy([folder, whereItLeads(folder)], "read", "write");
}

/** The folder itself, if this process may not resolve its path. */
function whereItLeads(path: string): string {
  if (!isGranted({ name: "read", path })) return path;
  try {
    return Deno.realPathSync(path);
  } catch {
    return path;
  }
}

/**
 * The flags to grant for saving at a place that this process cannot look at: a
 * folder, or a file, which needs the folder around it.
 */
export function savingRemedy(place: string): string {
  const asFolder = grantRemedy([place], "read", "write");
  if (/(^|[/\\])(\.{1,2})?$/.test(place)) return asFolder;
  const asFile = grantRemedy([dirname(place)], "read", "write");
  // A name like `up.txt` is probably a file.
  if (/[^/\\]\.[^/\\.]+$/.test(place)) return asFile;
  return asFolder === asFile
    ? asFolder
    : `${asFolder} where it is a folder, or else ${asFile}`;
}

/**
 * The flag that grants access to `paths`, as one word for a shell; to all paths
 * if no list can name them.
 */
export function accessFlag(
  access: FileAccess,
  paths: readonly string[],
): string {
  const list = paths.map(grantablePath);
  if (list.includes(undefined)) return `--allow-${access}`;
  const shown = new Set(list.map((path) => show(path!)));
  return shellWord(`--allow-${access}=${[...shown].join(",")}`);
}

/**
 * What a flag can name to grant `path`. Deno splits lists at commas and knows no
 * escape: for a path with a comma this is the nearest folder above the comma, or
 * `undefined` if that is the root.
 */
export function grantablePath(path: string): string | undefined {
  const comma = path.indexOf(",");
  if (comma < 0) return path;
  // A letter in place of the comma: also `x/,y` lies in `x`.
  const folder = dirname(`${path.slice(0, comma)}x`);
  return dirname(folder) === folder && folder !== "." ? undefined : folder;
}

/** `word` as one word for a shell. */
export function shellWord(word: string): string {
  return /^[\w./:=,@%+-]+$/.test(word)
    ? word
    : `'${word.replaceAll("'", `'\\''`)}'`;
}
