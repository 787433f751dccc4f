/**
 * Work that signals ask for: one run at a time.
 *
 * @module
 */

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
