/**
 * Opens regular files at paths that may hold something else. Opening a pipe
 * waits until somebody writes to it, and a device may do anything.
 *
 * @module
 */

import { LIMITS } from "./limits.ts";
import { within } from "./waiting.ts";

/** The path leads to something other than a regular file. */
export class NotRegular extends Error {
  override readonly name = "NotRegular";

  constructor() {
    super("it is not a regular file");
  }
}

/** How to open a regular file. */
export interface OpenRegularOptions {
  /** Whether to write to it as well. */
  readonly write?: boolean;
  /** Whether to follow a link; true by default. */
  readonly follow?: boolean;
}

/**
 * Opens a file that exists. The caller closes it.
 *
 * @throws {NotRegular} if something else is there, or replaces it meanwhile.
 */
export async function openRegular(
  path: string,
  { write = false, follow = true }: OpenRegularOptions = {},
): Promise<Deno.FsFile> {
  const look = follow ? Deno.stat : Deno.lstat;
  const named = await look(path);
  if (!named.isFile) throw new NotRegular();
  const opening = Deno.open(path, { read: true, write });
  const file = await within(opening, LIMITS.regularOpenMs);
  if (file === undefined) {
    opening.then((late) => late.close(), () => {}); // opened too late
    throw new NotRegular();
  }
  try {
    const { isFile, ino, dev } = await file.stat();
    if (isFile && ino === named.ino && dev === named.dev) return file;
  } catch (error) {
    file.close();
    throw error;
  }
  file.close();
  throw new NotRegular();
}

/** The text of a regular file. */
export async function readRegularText(path: string): Promise<string> {
  using file = await openRegular(path);
  return await new Response(file.readable).text();
}
