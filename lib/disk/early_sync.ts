/**
 * Starts to make a large file durable while it is still being received, so that
 * little is left to do at the end.
 *
 * @module
 */

import { LIMITS } from "../base/limits.ts";

/** Syncs a file now and then, once at a time. */
export class EarlySync {
  readonly #sync: () => Promise<void>;
  #bytes = 0;
  #isSyncing = false;

  /** Does nothing yet. */
  constructor(sync: () => Promise<void>) {
    this.#sync = sync;
  }

  /**
   * Notes that `bytes` were written. Returns the sync that this starts, if any.
   * Its error must not be ignored: the system reports a failed write only once.
   */
  wrote(bytes: number): Promise<void> | undefined {
    this.#bytes += bytes;
    if (this.#isSyncing || this.#bytes < LIMITS.earlySyncBytes) {
      return undefined;
    }
    this.#bytes = 0;
    this.#isSyncing = true;
    return this.#sync().finally(() => this.#isSyncing = false);
  }
}
