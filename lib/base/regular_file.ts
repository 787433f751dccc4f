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

/** The path is a link, and there is no file where it leads. */
export class LinkToNothing extends Error {
  override readonly name = "LinkToNothing";

  constructor() {
    super("it is a link to a file that does not exist");
  }
}

/**
 * The error of a path, or {@linkcode LinkToNothing} in place of `NotFound`. A
 * disk that is not mounted must not count as a file that was never made.
 */
export function errorAt(path: string, error: unknown): unknown {
  const isLink = error instanceof Deno.errors.NotFound && isLinkAt(path);
  return isLink ? new LinkToNothing() : error;
}

function isLinkAt(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSymlink;
  } catch {
    return false;
  }
}

/** How to open a regular file. */
export interface OpenRegularOptions {
  /** Whether to write to it as well. */
  readonly write?: boolean;
  /** Whether to follow a link; true by default. */
  readonly follow?: boolean;
  /** The file that was seen there: no other is opened. */
  readonly seen?: Inode | undefined;
}

/**
 * Opens a file that exists. The caller closes it.
 *
 * @throws {NotRegular} if something else is there, or replaces it meanwhile.
 */
export async function openRegular(
  path: string,
  { write = false, follow = true, seen }: OpenRegularOptions = {},
): Promise<Deno.FsFile> {
  const look = follow ? Deno.stat : Deno.lstat;
  const named = await look(path);
  if (!named.isFile || !isSame(seen ?? named, named)) throw new NotRegular();
  const opening = Deno.open(path, { read: true, write });
  const file = await within(opening, LIMITS.regularOpenMs);
  if (file === undefined) {
    opening.then((late) => late.close(), () => {}); // opened too late
    throw new NotRegular();
  }
  try {
    const opened = await file.stat();
    if (opened.isFile && isSame(opened, named)) return file;
  } catch (error) {
    file.close();
    throw error;
  }
  file.close();
  throw new NotRegular();
}

type Inode = Pick<Deno.FileInfo, "ino" | "dev">;

function isSame(one: Inode, other: Inode): boolean {
  return one.ino === other.ino && one.dev === other.dev;
}

/** The text of a regular file. */
export async function readRegularText(path: string): Promise<string> {
  using file = await openRegular(path);
  return await new Response(file.readable).text();
}
