/**
 * Locks files for moments, so that programs do not write to them at once.
 *
 * @module
 */

import { delay } from "@std/async/delay";

// A program holds such a lock for one write and one sync. A program that was
// stopped must not stop the others.
const LOCK_MS = 2_000;
const LOOK_MS = 20;

/**
 * Locks an open file until it is closed: to write it alone, or to read it while
 * nobody writes. If others hold it for 2 s, or the disk has no locks, as some
 * network disks have none, continues without.
 */
export async function lockBriefly(
  file: Deno.FsFile,
  { isAlone }: { isAlone: boolean },
): Promise<void> {
  try {
    for (let waitedMs = 0; waitedMs < LOCK_MS; waitedMs += LOOK_MS) {
      if (await file.tryLock(isAlone)) return;
      await delay(LOOK_MS);
    }
  } catch {
    // There are no locks here.
  }
}
