/**
 * Follows changes below a folder, as the system reports them. Paths that come
 * together are reported together. It does not see the folder itself move: a
 * system watches the folder it was given, wherever that moves.
 *
 * @module
 */

/** Told what was seen. */
export interface WatchListener {
  /** Something changed at these paths; the next are told after this is over. */
  changed(paths: readonly string[]): Promise<void>;
  /** More changed than could be told. */
  overflowed(): void;
  /** The folder itself was moved, removed or unmounted. */
  moved(): void;
  /** Nothing more will be told. */
  lost(error: unknown): void;
}

// Changes that come together are looked at together.
const SETTLE_MS = 100;
// Of more, and some were probably dropped on the way, the whole is looked at.
const MOST_CHANGES = 10_000;

/**
 * Watches one folder; disposing ends that. Of two watches of one folder at the
 * same time the end of one would end the other: wait for it.
 */
export class FolderWatch implements AsyncDisposable {
  readonly #folder: string;
  readonly #watcher: Deno.FsWatcher;
  #listener: WatchListener | null = null;
  #changed = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #telling: Promise<void> | null = null;
  #reading: Promise<void> | null = null;
  #isClosed = false;

  /**
   * Watches `folder`, a real path, and all below it from now on.
   *
   * @throws {Error} where the system does not let us.
   */
  constructor(folder: string) {
    this.#folder = folder;
    this.#watcher = Deno.watchFs(folder, { recursive: true });
  }

  /** Tells what has changed since the watch began, and goes on. */
  follow(listener: WatchListener): void {
    this.#listener = listener;
    this.#reading = this.#read(listener).catch((error) => {
      if (!this.#isClosed) listener.lost(error);
    });
  }

  /** All that has been seen until now has been told when this is over. */
  async flush(): Promise<void> {
    await this.#telling;
    if (this.#changed.size > 0) await this.#tell();
  }

  async #read(listener: WatchListener): Promise<void> {
    for await (const event of this.#watcher) {
      if (event.kind === "access") continue;
      if (event.flag === "rescan") {
        listener.overflowed();
        continue;
      }
      for (const path of event.paths) {
        if (path === this.#folder) listener.moved();
        else this.#changed.add(path);
      }
      if (this.#changed.size > MOST_CHANGES) {
        this.#changed.clear();
        listener.overflowed();
      }
      if (this.#changed.size > 0) this.#tellSoon();
    }
  }

  #tellSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.flush();
    }, SETTLE_MS);
  }

  #tell(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const paths = [...this.#changed];
    this.#changed = new Set();
    const telling = this.#listener?.changed(paths) ?? Promise.resolve();
    return this.#telling = telling.finally(() => this.#telling = null);
  }

  /** Ends the watch at once; `asyncDispose` waits until the system has, too. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#changed.clear();
    try {
      this.#watcher.close();
    } catch {
      // It has ended by itself.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.#reading;
  }
}
