/**
 * Counts the entries of folders, however many they are, without keeping the rest
 * of the process from its turns. The system reads a part at a time in a thread.
 *
 * @module
 */

import { join } from "@std/path/join";
import { Turns } from "../base/turns.ts";

// Mostly the thread waits for the system: a turn in each `turnMs` would double
// the time of a large folder.
const TURNS_APART = 10;

/**
 * Whether there are more than `most` entries in a folder and below it. Reads no
 * further than that.
 */
export async function hasMoreEntries(
  folder: string,
  { most, turnMs }: { most: number; turnMs: number },
): Promise<boolean> {
  const turns = new Turns(TURNS_APART * turnMs);
  let count = 0;
  const waiting = [folder];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    try {
      for await (const entry of Deno.readDir(at)) {
        if (++count > most) return true;
        if (entry.isDirectory) waiting.push(join(at, entry.name));
        if (turns.isOver) await turns.give();
      }
    } catch {
      // It is gone, or cannot be read: the scan reports it.
    }
  }
  return false;
}
