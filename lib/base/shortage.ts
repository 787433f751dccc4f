/**
 * Waits while the process has no free file descriptor. The shortage ends when a
 * connection ends, and says nothing about any file.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { isShortage } from "./errors.ts";

/** Options of {@linkcode whenRoom}. */
export interface WhenRoomOptions {
  /** Pause before each further attempt. */
  readonly pauseMs: number;
  /** How long to wait in all; until `signal` is aborted by default. */
  readonly mostMs?: number;
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * What `open` gives, as soon as there is a file descriptor for it.
 *
 * @throws the error of the last attempt where the wait ended, and what `open`
 * throws for any other reason.
 */
export async function whenRoom<T>(
  open: () => T | Promise<T>,
  { pauseMs, mostMs = Infinity, signal }: WhenRoomOptions,
): Promise<T> {
  for (let waitedMs = 0;; waitedMs += pauseMs) {
    try {
      return await open();
    } catch (error) {
      const isOver = waitedMs >= mostMs || signal?.aborted === true;
      if (isOver || !isShortage(error)) throw error;
    }
    const options = signal === undefined ? {} : { signal };
    await delay(pauseMs, options).catch(() => {}); // aborted: one more attempt
  }
}
