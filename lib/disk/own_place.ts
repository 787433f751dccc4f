/**
 * Recognizes that a folder is still the one that was judged: others may put a
 * link in its place while files are saved.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import type { Failure } from "../base/errors.ts";
import { cannot, unsaved } from "./disk_failure.ts";
import { isInode, type JudgedInode } from "./leftover_file.ts";

/**
 * Makes sure that the folder of a file is the one that was judged, and no link
 * to it unless that was there from the start.
 *
 * @throws {Failure} of kind `local` if it is another, or gone.
 */
export function requirePlace(
  path: string,
  judged: JudgedInode | undefined,
): void {
  if (judged === undefined) return;
  const look = judged.mayBeLinked ? Deno.statSync : Deno.lstatSync;
  let found: Deno.FileInfo;
  try {
    found = look(dirname(path));
  } catch (error) {
    throw cannot("save", path, error);
  }
  if (!isInode(found, judged)) throw replaced(path);
}

/** The failure if the folder of a file is another one than before. */
export function replaced(path: string): Failure {
  return unsaved(path, {
    why: "its folder was replaced in the meantime",
    remedy: "save to a folder that nobody else changes",
  });
}
