/**
 * Checks whether a shared folder is still the one that was found: a path may
 * lead elsewhere after a move, a mount, or a new link.
 *
 * @module
 */

import { describeCause, isShortage } from "../base/errors.ts";
import { requireAccess } from "../base/permission.ts";

/** Which folder a path led to. */
export interface FolderIdentity {
  /** Its path without links. */
  readonly path: string;
  readonly device: number;
  readonly inode: number | null;
}

/** What a path leads to now. */
export type RootState =
  | { readonly kind: "there"; readonly identity: FolderIdentity }
  | { readonly kind: "gone"; readonly why: string }
  /** There is no file descriptor left to find out with. */
  | { readonly kind: "not_seen" };

/**
 * The folder that a path leads to.
 *
 * @throws {Deno.errors} unless it is one, and can be read.
 */
export async function folderIdentity(given: string): Promise<FolderIdentity> {
  requireAccess(given, "read");
  const path = await Deno.realPath(given);
  requireAccess(path, "read"); // elsewhere, where `given` is a link
  const info = await Deno.lstat(path);
  if (!info.isDirectory) throw new Deno.errors.NotADirectory(path);
  // Not by listing it, which Deno does to the last entry before the first.
  if (Deno.build.os !== "windows") (await Deno.open(path)).close();
  return { path, device: info.dev, inode: info.ino };
}

/** What a path leads to now. */
export async function lookAtRoot(given: string): Promise<RootState> {
  try {
    return { kind: "there", identity: await folderIdentity(given) };
  } catch (error) {
    if (isShortage(error)) return { kind: "not_seen" };
    return { kind: "gone", why: describeCause(error) };
  }
}

/** Whether it is the same folder at the same place. */
export function isSameFolder(
  one: FolderIdentity,
  other: FolderIdentity,
): boolean {
  return one.path === other.path && one.device === other.device &&
    one.inode === other.inode;
}
