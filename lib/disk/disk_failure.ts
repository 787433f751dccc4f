/**
 * The messages for a file that cannot be saved.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import {
  describeCause,
  Failure,
  type FailureParts,
  localKindOf,
  systemErrorCode,
} from "../base/errors.ts";
import { savingThereRemedy } from "../base/permission.ts";
import { show } from "../base/text.ts";

/** The failure of a file that cannot be saved at `path`. */
export function unsaved(
  path: string,
  parts: Omit<FailureParts, "what" | "where">,
): Failure {
  const what = "Cannot save file";
  const where = show(path);
  return new Failure(localKindOf(parts.cause), { what, where, ...parts });
}

/** The failure if received bytes cannot be made durable: they are lost. */
export function notSynced(path: string, error: unknown): Failure {
  return unsaved(path, {
    why: describeCause(error),
    remedy:
      "solve that and run the same command again: the file is fetched from the beginning",
    cause: error,
  });
}

/** A failure of the disk, with its remedy. */
export function cannot(verb: string, path: string, error: unknown): Failure {
  const remedy = error instanceof Deno.errors.NotCapable
    ? savingThereRemedy(dirname(path))
    : error instanceof Deno.errors.NotFound
    ? "create the folder, and run the same command again"
    : systemErrorCode(error) === "ENOSPC"
    ? "free some space and run the same command again: the received bytes are kept"
    : "solve that and run the same command again: the received bytes are kept";
  return new Failure(localKindOf(error), {
    what: `Cannot ${verb} file`,
    where: show(path),
    why: error instanceof Deno.errors.NotFound
      ? "its folder does not exist"
      : describeCause(error),
    ...(error instanceof Deno.errors.AlreadyExists
      ? { remedyCode: "replace_or_elsewhere" }
      : { remedy }),
    cause: error,
  });
}
