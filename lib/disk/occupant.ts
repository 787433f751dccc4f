/**
 * Looks at what is at the final path of a file.
 *
 * @module
 */

import { cannot } from "./disk_failure.ts";

/** What is already at the final path. */
export type Occupant = "none" | "same_size" | "other" | "folder";

/** Looks at what is at the final path. */
export async function occupantOf(
  path: string,
  size: number,
): Promise<Occupant> {
  try {
    return occupantIn(await Deno.lstat(path), size);
  } catch (error) {
    return noOccupant(path, error);
  }
}

/**
 * The same with a synchronous call, which takes a tenth of the time if there
 * are many files. Also says whether the file has only one name, and whose it
 * is.
 */
export function occupantAtOnce(
  path: string,
  size: number,
): { occupant: Occupant; hasOneName: boolean; info?: Deno.FileInfo } {
  try {
    const info = Deno.lstatSync(path);
    const hasOneName = info.nlink === 1;
    return { occupant: occupantIn(info, size), hasOneName, info };
  } catch (error) {
    return { occupant: noOccupant(path, error), hasOneName: true };
  }
}

/** Says why something at a path is not a file; `undefined` if it is one. */
export async function notFileWhy(path: string): Promise<string | undefined> {
  const info = await Deno.lstat(path).catch(() => undefined);
  if (info === undefined || info.isFile) return undefined;
  if (!info.isSymlink) return "something that is not a file is there";
  return await Deno.stat(path).then(
    () => "a symbolic link is there",
    (error) =>
      error instanceof Deno.errors.NotFound
        ? "a symbolic link to nothing is there"
        : "a symbolic link is there",
  );
}

function occupantIn(info: Deno.FileInfo, size: number): Occupant {
  if (info.isDirectory) return "folder";
  return info.isFile && info.size === size ? "same_size" : "other";
}

function noOccupant(path: string, error: unknown): "none" {
  if (error instanceof Deno.errors.NotFound) return "none";
  throw cannot("look at", path, error);
}
