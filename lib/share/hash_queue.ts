/**
 * Files that clients want to have hashed, with turns between the clients.
 * However many files one client requests, another waits for at most one of
 * them. Pure.
 *
 * @module
 */

/** The fields of a file that the queue uses. */
interface Queued {
  readonly version: string;
  readonly size: number;
}

/** Files in the order in which to hash them. */
export class HashQueue<File extends Queued> {
  /**
   * The files of each requester, by version; the next requester comes first.
   */
  readonly #byRequester = new Map<unknown, Map<string, File>>();

  get isEmpty(): boolean {
    return this.#byRequester.size === 0;
  }

  /**
   * Adds a file for `requester`, which is any value that identifies a client.
   */
  add(file: File, requester: unknown): void {
    const files = this.#byRequester.get(requester) ?? new Map<string, File>();
    files.set(file.version, file);
    this.#byRequester.set(requester, files);
  }

  /** Removes a version, for all requesters. */
  remove(version: string): void {
    for (const [requester, files] of this.#byRequester) {
      files.delete(version);
      if (files.size === 0) this.#byRequester.delete(requester);
    }
  }

  /** Removes and returns the next file with fewer than `bytes`. */
  take(bytes = Infinity): File | undefined {
    for (const [requester, files] of this.#byRequester) {
      for (const file of files.values()) {
        if (file.size >= bytes) continue;
        files.delete(file.version);
        this.#byRequester.delete(requester);
        // Moves the requester to the end.
        if (files.size > 0) this.#byRequester.set(requester, files);
        return file;
      }
    }
    return undefined;
  }
}
