/**
 * Reads small files that the user named, up to a limit.
 *
 * @module
 */

import { describeCause, Failure, localKindOf } from "../../base/errors.ts";
import {
  grantRemedy,
  isGranted,
  requireAccess,
} from "../../base/permission.ts";
import { show } from "../../base/text.ts";

/**
 * Checks the permission to save in `folder`. Files get temporary names first,
 * so permission for the whole folder is needed, not only for the final name.
 *
 * @throws {Failure} of kind `not_allowed`.
 */
export function requireSaving(
  folder: string,
  {
    what = "Cannot save to",
    where = folder,
    remedy = grantRemedy([folder], "read", "write"),
  } = {},
): void {
  try {
    requireAccess(folder, "read", "write");
  } catch (error) {
    throw new Failure("not_allowed", {
      what,
      where: show(where),
      why: describeCause(error),
      remedy,
      cause: error,
    });
  }
}

/**
 * Checks the permission to look into `folder`, for a dry run.
 *
 * @throws {Failure} of kind `not_allowed`.
 */
export function requireLooking(folder: string, { where = folder } = {}): void {
  if (isGranted({ name: "read", path: folder })) return;
  throw new Failure("not_allowed", {
    what: "Cannot look at",
    where: show(where),
    why: "Deno does not let this process read there",
    remedy: grantRemedy([folder], "read"),
  });
}

/**
 * The text of a file.
 *
 * @throws {Failure} if it is longer than `mostBytes`, not UTF-8, or cannot be
 * read; the message uses `what` and `remedy`.
 */
export async function readBounded(
  path: string,
  { what, mostBytes, remedy }: {
    what: string;
    mostBytes: number;
    remedy: string;
  },
): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    requireAccess(path, "read");
    using file = await Deno.open(path, { read: true });
    const buffer = new Uint8Array(64 * 1024);
    for (;;) {
      const count = await file.read(buffer);
      if (count === null) break;
      parts.push(buffer.slice(0, count));
      length += count;
      if (length > mostBytes) break;
    }
  } catch (error) {
    throw new Failure(localKindOf(error), {
      what,
      where: show(path),
      why: describeCause(error),
      remedy: error instanceof Deno.errors.NotCapable
        ? grantRemedy([path], "read")
        : remedy,
      cause: error,
    });
  }
  const refused = (why: string) =>
    new Failure("local", { what, where: show(path), why, remedy });
  if (length > mostBytes) {
    throw refused(`it must have at most ${mostBytes} bytes`);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(
      await new Blob(parts as BlobPart[]).bytes(),
    );
  } catch {
    throw refused("it is not text");
  }
}
