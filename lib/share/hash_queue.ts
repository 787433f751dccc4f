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
  /** The files of each asker, by version; the next asker comes first. */
  readonly #byAsker = new Map<unknown, Map<string, File>>();

  get isEmpty(): boolean {
    return this.#byAsker.size === 0;
  }

  /** Adds a file for `asker`, which is any value that identifies a client. */
  add(file: File, asker: unknown): void {
    const files = this.#byAsker.get(asker) ?? new Map<string, File>();
    files.set(file.version, file);
    this.#byAsker.set(asker, files);
  }

  /** Removes a version, for all askers. */
  remove(version: string): void {
    for (const [asker, files] of this.#byAsker) {
      files.delete(version);
      if (files.size === 0) this.#byAsker.delete(asker);
    }
  }

  /** Removes and returns the next file with fewer than `bytes`. */
  take(bytes = Infinity): File | undefined {
    for (const [asker, files] of this.#byAsker) {
      for (const file of files.values()) {
        if (file.size >= bytes) continue;
        files.delete(file.version);
        this.#byAsker.delete(asker);
        if (files.size > 0) this.#byAsker.set(asker, files); // moves the asker to the end
        return file;
      }
    }
    return undefined;
  }
}
