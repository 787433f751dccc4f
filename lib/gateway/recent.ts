/**
 * Counts what each address has done in the last minute. Pure: time is an
 * argument, in milliseconds on any monotonic clock.
 *
 * @module
 */

import { putLast } from "../base/collections.ts";
const WINDOW_MS = 60_000;
// Addresses that are remembered.
const MOST_SOURCES = 4_096;

/** Actions of the last minute, by address. */
export class RecentCounts {
  /** The address that did it last is at the end. */
  readonly #times = new Map<string, number[]>();

  /** How often `source` did it. */
  countOf(source: string, now: number): number {
    return this.#recent(source, now).length;
  }

  /** Counts it once more. */
  note(source: string, now: number): void {
    const recent = [...this.#recent(source, now), now];
    putLast(this.#times, [source, recent], MOST_SOURCES);
  }

  #recent(source: string, now: number): number[] {
    return (this.#times.get(source) ?? []).filter((at) => now - at < WINDOW_MS);
  }
}
