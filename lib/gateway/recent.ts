/**
 * Counts what each address has done in the last minute. Pure: time is an
 * argument, in milliseconds on any monotonic clock.
 *
 * @module
 */

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
    const recent = this.#recent(source, now);
    this.#times.delete(source); // to the end of the order
    this.#times.set(source, [...recent, now]);
    const [oldest] = this.#times.keys();
    if (this.#times.size > MOST_SOURCES) this.#times.delete(oldest!);
  }

  #recent(source: string, now: number): number[] {
    return (this.#times.get(source) ?? []).filter((at) => now - at < WINDOW_MS);
  }
}
