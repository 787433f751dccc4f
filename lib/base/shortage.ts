/**
 * Waits while the process has no free file descriptor. A shortage ends when
 * some connection ends; the file that was to be opened is not the cause.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { isShortage } from "./errors.ts";

/** Options of {@linkcode whenRoom}. */
export interface WhenRoomOptions {
  /** Pause before each further attempt. */
  readonly pauseMs: number;
  /** How long to wait in all. By default there is no limit but `signal`. */
  readonly mostMs?: number;
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The result of `open`, as soon as a file descriptor is free.
 *
 * @throws the last error when the wait has ended, and any other error of `open`
 * at once.
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
