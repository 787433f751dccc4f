/**
 * A private relay with a state folder stays private: it leaves a mark there, and
 * does not start without a secret as long as the mark is there. Otherwise a
 * start with one option less would open it to everybody.
 *
 * @module
 */

import { join } from "@std/path/join";
import { syncNameOf, writeNewDurably } from "../../base/durable.ts";
import { describeCause, Failure, localKindOf } from "../../base/errors.ts";
import { show } from "../../base/text.ts";

const MARK_FILE = "private";
const MARK =
  "The relay with this state is private: without a secret it does not start.\n";

/**
 * Marks the relay with `state` as private, or checks that it may be open.
 *
 * @throws {Failure} of kind `usage` if it was private and has no secret now;
 * `local` if the mark can be neither read nor written.
 */
export async function keepPrivate(
  state: string,
  { isPrivate }: { isPrivate: boolean },
): Promise<void> {
  const path = join(state, MARK_FILE);
  const isMarked = await exists(path);
  if (isPrivate) {
    if (!isMarked) await leaveMark(path);
    return;
  }
  if (!isMarked) return;
  throw new Failure("usage", {
    what: "Cannot start the relay",
    where: show(state),
    why: "the relay with this state was private, and now it has no secret",
    remedy: `give --secret-file FILE; to open the relay to everybody, remove ${
      show(path)
    }`,
  });
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw cannotMark(path, error);
  }
}

async function leaveMark(path: string): Promise<void> {
  try {
    await writeNewDurably(path, MARK);
    await syncNameOf(path);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return;
    throw cannotMark(path, error);
  }
}

function cannotMark(path: string, error: unknown): Failure {
  return new Failure(localKindOf(error), {
    what: "Cannot mark the relay as private",
    where: show(path),
    why: describeCause(error),
    cause: error,
  });
}
