/**
 * Watches a folder for changes, as the system reports them. Paths that arrive
 * together are reported together. A move of the folder itself is not reported,
 * because a system watches the folder and not the path.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import type { WatchSource } from "./watch_source.ts";

/** Gets the reports of a watch. */
export interface WatchListener {
  /**
   * Something changed at these paths. The next report comes when this one has
   * been handled.
   */
  changed(paths: readonly string[]): Promise<void>;
  /** There were too many changes to report. */
  overflowed(): void;
  /** The folder itself was moved, removed or unmounted. */
  moved(): void;
  /** The watch has ended by itself. */
  lost(error: unknown): void;
}

// Changes within this time are reported together.
const SETTLE_MS = 100;

/**
 * Watches one folder. Disposing stops it. If there are two watches of one
 * folder, stopping one stops the other too, so wait for the end of the first.
 */
export class FolderWatch implements AsyncDisposable {
  readonly #folder: string;
  readonly #source: WatchSource;
  readonly #limits: Limits;
  #listener: WatchListener | null = null;
  #changed = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #notifying: Promise<void> | null = null;
  #reading: Promise<void> | null = null;
  #isClosed = false;
  #isReady = false;

  /** Watches `folder`, a real path, and everything below it, by `source`. */
  constructor(
    folder: string,
    source: WatchSource,
    limits: Limits,
  ) {
    this.#folder = folder;
    this.#source = source;
    this.#limits = limits;
    source.ready.then(() => this.#isReady = true, () => {});
  }

  /** Resolves when no later change is missed; rejects if the system refuses. */
  get ready(): Promise<void> {
    return this.#source.ready;
  }

  /** Whether no change is missed any more. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** Reports the changes since the watch began, and continues. */
  follow(listener: WatchListener): void {
    this.#listener = listener;
    this.#reading = this.#read(listener).catch((error) => {
      if (!this.#isClosed) listener.lost(error);
    });
  }

  /** Resolves when all changes seen so far have been reported. */
  async flush(): Promise<void> {
    await this.#notifying;
    if (this.#changed.size > 0) await this.#notify();
  }

  async #read(listener: WatchListener): Promise<void> {
    for await (const event of this.#source) {
      if (event.kind === "access") continue;
      if (event.flag === "rescan") {
        listener.overflowed();
        continue;
      }
      for (const path of event.paths) {
        if (path === this.#folder) listener.moved();
        else this.#changed.add(path);
      }
      if (this.#changed.size > this.#limits.reportedChangeCount) {
        this.#changed.clear();
        listener.overflowed();
      }
      if (this.#changed.size > 0) this.#notifySoon();
    }
  }

  #notifySoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.flush();
    }, SETTLE_MS);
  }

  #notify(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const paths = [...this.#changed];
    this.#changed = new Set();
    const notifying = this.#listener?.changed(paths) ?? Promise.resolve();
    return this.#notifying = notifying.finally(() => this.#notifying = null);
  }

  /** Stops at once. `asyncDispose` also waits until the system has stopped. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#changed.clear();
    try {
      this.#source.close();
    } catch {
      // It has already ended by itself.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.#reading;
  }
}
