/**
 * Checks whether a shared folder is still the same one. After a move, a mount,
 * or a new link its path may lead elsewhere.
 *
 * @module
 */

import { describeCause, isShortage } from "../base/errors.ts";
import { requireAccess } from "../base/permission.ts";

/** Identifies the folder that a path leads to. */
export interface FolderIdentity {
  /** The path without links. */
  readonly path: string;
  readonly device: number;
  readonly inode: number | null;
}

/** The state of the folder at a path. */
export type RootState =
  | { readonly kind: "there"; readonly identity: FolderIdentity }
  | { readonly kind: "gone"; readonly why: string }
  /** No file descriptor is free for the check. */
  | { readonly kind: "not_seen" };

/**
 * Identifies the folder that a path leads to.
 *
 * @throws {Deno.errors} if it is not a folder, or cannot be read.
 */
export async function folderIdentity(given: string): Promise<FolderIdentity> {
  requireAccess(given, "read");
  const path = await Deno.realPath(given);
  requireAccess(path, "read"); // elsewhere if `given` is a link
  const info = await Deno.lstat(path);
  if (!info.isDirectory) throw new Deno.errors.NotADirectory(path);
  // Not by listing it, because Deno reads the whole list before it returns the
  // first entry.
  if (Deno.build.os !== "windows") (await Deno.open(path)).close();
  return { path, device: info.dev, inode: info.ino };
}

/** Checks the folder at a path. */
export async function lookAtRoot(given: string): Promise<RootState> {
  try {
    return { kind: "there", identity: await folderIdentity(given) };
  } catch (error) {
    if (isShortage(error)) return { kind: "not_seen" };
    return { kind: "gone", why: describeCause(error) };
  }
}

/** Whether two identities mean the same folder at the same place. */
export function isSameFolder(
  one: FolderIdentity,
  other: FolderIdentity,
): boolean {
  return one.path === other.path && one.device === other.device &&
    one.inode === other.inode;
}
