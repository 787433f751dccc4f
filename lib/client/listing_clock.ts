/**
 * Limits the time for a node's list of files: a fixed time at any rate, then
 * more only while the list arrives quickly enough, up to a maximum.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import type { ListedFile } from "../protocol/messages.ts";
import { counted } from "../base/text.ts";

/** A node's listing was stopped. */
export class Stopped extends Error {
  override readonly name = "Stopped";
}

/** The numbers of `limits.ts` that bound the time of a list. */
export type ListingClockLimits = Pick<
  Limits,
  "listingMs" | "listingBytesPerSecond" | "listingMostMs"
>;

// What is said of a file beside its name.
const LISTED_BYTES = 150;
// After its first time, the rate of a list is looked at so often.
const LOOK_MS = 1_000;

/** Stops a listing that comes too slowly. Disposing stops the clock. */
export class ListingClock implements Disposable {
  readonly #limits: ListingClockLimits;
  readonly #late = new AbortController();
  readonly #startedAt = performance.now();
  #timer: ReturnType<typeof setTimeout>;
  #bytes = 0;
  #files = 0;

  /** The time begins now. */
  constructor(limits: ListingClockLimits) {
    this.#limits = limits;
    this.#timer = setTimeout(() => this.#look(), limits.listingMs);
  }

  /** Aborted with {@linkcode Stopped} when the listing is to be stopped. */
  get signal(): AbortSignal {
    return this.#late.signal;
  }

  /** A page has come. */
  came(files: readonly Pick<ListedFile, "name">[]): void {
    this.#files += files.length;
    for (const { name } of files) this.#bytes += name.length + LISTED_BYTES;
  }

  #look(): void {
    const ms = performance.now() - this.#startedAt;
    const { listingMs, listingMostMs, listingBytesPerSecond } = this.#limits;
    const isSlow = this.#bytes < ms / 1000 * listingBytesPerSecond;
    if (!isSlow && ms < listingMostMs) {
      const nextMs = Math.min(listingMs, LOOK_MS, listingMostMs - ms);
      this.#timer = setTimeout(() => this.#look(), nextMs);
      return;
    }
    const seconds = Math.round(ms / 1000);
    this.#late.abort(
      new Stopped(
        `its list came too slowly, ${
          counted(this.#files, "file")
        } in ${seconds} s`,
      ),
    );
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
