/**
 * Makes small files survive a power failure. Writing and closing a file does not:
 * the system may write the name of a new file first, and its bytes later.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { systemErrorCode } from "./errors.ts";
import { isGranted } from "./permission.ts";

const FAILURES = new Set(["EIO", "ENOSPC", "EDQUOT", "EROFS"]);

/** Makes the names in a folder durable, if the system can. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    using opened = await Deno.open(folder, { read: true });
    await opened.sync();
  } catch (error) {
    // Some systems cannot open folders; a failed disk is an error.
    if (FAILURES.has(systemErrorCode(error) ?? "")) throw error;
  }
}

/**
 * Makes the name of a file durable, and that of its folder, which may be new:
 * as far as this process may read them.
 */
export async function syncNameOf(path: string): Promise<void> {
  const folder = dirname(path);
  for (const around of [folder, dirname(folder)]) {
    if (isGranted({ name: "read", path: around })) await syncFolder(around);
  }
}

/**
 * Writes a new file that only its owner may use, and makes its bytes durable, but
 * not its name.
 *
 * @throws {Deno.errors.AlreadyExists} if there is one.
 */
export async function writeNewDurably(
  path: string,
  text: string,
): Promise<void> {
  const options = { write: true, createNew: true, mode: 0o600 };
  using file = await Deno.open(path, options);
  await writeText(file, text);
  await file.sync();
}

/** Writes all of a text. */
export async function writeText(
  file: Deno.FsFile,
  text: string,
): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) {
    at += await file.write(bytes.subarray(at));
  }
}
