/**
 * Files that clients want hashed, in turns between the clients: however many
 * files one requests, another waits for at most one of them. Pure.
 *
 * @module
 */

/** What is told of a file by it. */
interface Queued {
  readonly version: string;
  readonly size: number;
}

/** Files in the order in which they are to be hashed. */
export class HashQueue<File extends Queued> {
  /** What each asks for, by version; the next asker first. */
  readonly #byAsker = new Map<unknown, Map<string, File>>();

  /** Whether nobody asks for any. */
  get isEmpty(): boolean {
    return this.#byAsker.size === 0;
  }

  /** `asker`, anything that tells it from others, asks for a file. */
  add(file: File, asker: unknown): void {
    const files = this.#byAsker.get(asker) ?? new Map<string, File>();
    files.set(file.version, file);
    this.#byAsker.set(asker, files);
  }

  /** Takes the next file that has fewer than `bytes`. */
  take(bytes = Infinity): File | undefined {
    for (const [asker, files] of this.#byAsker) {
      for (const file of files.values()) {
        if (file.size >= bytes) continue;
        files.delete(file.version);
        this.#byAsker.delete(asker);
        if (files.size > 0) this.#byAsker.set(asker, files); // the last now
        return file;
      }
    }
    return undefined;
  }
}
