/**
 * Work that signals ask for: one run at a time.
 *
 * @module
 */

import { describeCause, Failure, localKindOf } from "../../base/errors.ts";

/**
 * Returns a function that starts `work`. Calls during a run lead to one more
 * run after it, so that the last run sees what was there at the last call.
 */
export function oneAtATime(work: () => Promise<void>): () => Promise<void> {
  let isWanted = false;
  let running: Promise<void> | undefined;
  const run = async () => {
    try {
      while (isWanted) {
        isWanted = false;
        await work();
      }
    } finally {
      running = undefined; // in the same turn as the last look at isWanted
    }
  };
  return () => {
    isWanted = true;
    return running ??= run();
  };
}

/**
 * The same for work that reads settings again. An error of any kind goes to
 * `failed`, and never ends the process.
 */
export function rereading(
  work: () => Promise<void>,
  failed: (failure: Failure) => void,
): () => Promise<void> {
  return oneAtATime(async () => {
    try {
      await work();
    } catch (error) {
      failed(error instanceof Failure ? error : cannotReread(error));
    }
  });
}

function cannotReread(error: unknown): Failure {
  return new Failure(localKindOf(error), {
    what: "Cannot read settings again",
    why: describeCause(error),
    cause: error,
  });
}
