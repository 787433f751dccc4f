/**
 * Starts to make a large file durable while it is still being received, so that
 * little is left to do at the end.
 *
 * @module
 */

import { LIMITS } from "../base/limits.ts";
import { cannot } from "./disk_failure.ts";

/** Syncs a file now and then, once at a time. */
export class EarlySync {
  readonly #file: Deno.FsFile;
  readonly #path: string;
  #bytes = 0;
  #isSyncing = false;

  /** Does nothing yet; `path` is for errors. */
  constructor(file: Deno.FsFile, path: string) {
    this.#file = file;
    this.#path = path;
  }

  /**
   * Notes that `bytes` were written. Returns the sync that this starts, if any.
   * Its error must not be ignored: the system tells a failed write only once.
   *
   * @throws {Failure} if the disk fails.
   */
  wrote(bytes: number): Promise<void> | undefined {
    this.#bytes += bytes;
    if (this.#isSyncing || this.#bytes < LIMITS.earlySyncBytes) {
      return undefined;
    }
    this.#bytes = 0;
    this.#isSyncing = true;
    return this.#sync();
  }

  async #sync(): Promise<void> {
    try {
      await this.#file.syncData();
    } catch (error) {
      throw cannot("save", this.#path, error);
    } finally {
      this.#isSyncing = false;
    }
  }
}
