/**
 * Limits the time for a list of files or nodes: a fixed time at any rate, and
 * then more time, up to a maximum, while the list arrives quickly enough.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import type { ListedFile } from "../protocol/messages.ts";
import { counted } from "../base/text.ts";

/** A list was stopped. */
export class Stopped extends Error {
  override readonly name = "Stopped";
}

// Bytes that count for a file in addition to its name.
const LISTED_BYTES = 150;
// How often the rate of a list is checked after the fixed time.
const LOOK_MS = 1_000;

/** Stops a listing that arrives too slowly. Disposing stops the clock. */
export class ListingClock implements Disposable {
  readonly #limits: Limits;
  readonly #noun: string;
  readonly #late = new AbortController();
  /** Aborted with {@linkcode Stopped} if the listing must stop. */
  readonly signal: AbortSignal = this.#late.signal;
  #startedAt = performance.now();
  /** When `hold` began to wait, while it does. */
  #heldFrom: number | undefined;
  #timer: ReturnType<typeof setTimeout>;
  /** The time from which its rate counts. */
  #countedFrom = this.#startedAt;
  /** How often the node reported that it is working, and got more time. */
  #workingCount = 0;
  /** Whether another node has listed its files: this one gets no more time. */
  #isHurried = false;
  #bytes = 0;
  #count = 0;

  /** Starts the clock of a list whose entries are called `noun`. */
  constructor(limits: Limits, noun = "file") {
    this.#limits = limits;
    this.#noun = noun;
    const { listingMs, listingMostMs } = limits;
    const firstMs = Math.min(listingMs, listingMostMs);
    this.#timer = setTimeout(() => this.#look(), firstMs);
  }

  /** Counts a page of files. */
  arrived(files: readonly Pick<ListedFile, "name">[]): void {
    for (const { name } of files) this.count(1, name.length + LISTED_BYTES);
  }

  /** Counts entries, and the bytes of all of them. */
  count(entries: number, bytes: number): void {
    this.#count += entries;
    this.#bytes += bytes;
  }

  /** The node says that it prepares its list, and gets more time for that. */
  works(): void {
    const { listingWorkingCount } = this.#limits;
    if (this.#count > 0 || this.#isHurried) return;
    if (this.#workingCount >= listingWorkingCount) return;
    this.#workingCount++;
    this.#countedFrom = performance.now();
  }

  /** Waits for work of this client. That time does not count. */
  async hold(work: Promise<void>): Promise<void> {
    const from = performance.now();
    this.#heldFrom = from;
    try {
      await work;
    } finally {
      const ms = performance.now() - from;
      this.#heldFrom = undefined;
      this.#countedFrom += ms;
      this.#startedAt += ms;
    }
  }

  /** Another node has listed: this one has at most `listingMs` to begin. */
  hurry(): void {
    this.#isHurried = true;
  }

  #look(): void {
    const now = this.#heldFrom ?? performance.now();
    const ms = now - this.#startedAt;
    const countedMs = now - this.#countedFrom;
    const { listingMs, listingMostMs, listingBytesPerSecond } = this.#limits;
    const isSlow = countedMs >= listingMs &&
      this.#bytes < countedMs / 1000 * listingBytesPerSecond;
    if (!isSlow && ms < listingMostMs) {
      const nextMs = Math.min(listingMs, LOOK_MS, listingMostMs - ms);
      this.#timer = setTimeout(() => this.#look(), nextMs);
      return;
    }
    const seconds = Math.round(ms / 1000);
    this.#late.abort(
      new Stopped(
        `its list arrived too slowly, ${
          counted(this.#count, this.#noun)
        } in ${seconds} s`,
      ),
    );
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
