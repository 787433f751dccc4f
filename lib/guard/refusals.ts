/**
 * Keeps a flood of refusals out of the log: now and then one line for each
 * reason and address, with the number of those left out. Pure.
 *
 * @module
 */

interface RefusalCount {
  reportedAt: number;
  unreported: number;
}

const PURGE_ABOVE = 4096;

/** Decides which refusals to report. */
export class RefusalLog {
  readonly #pauseMs: number;
  readonly #tallies = new Map<string, RefusalCount>();

  /** Reports each reason and source at most once in `pauseMs`. */
  constructor(pauseMs: number) {
    this.#pauseMs = pauseMs;
  }

  /**
   * Notes one refusal.
   *
   * @returns how many refusals to report now, this one included; 0 if it is too
   * soon.
   */
  note(reason: string, source: string, now: number): number {
    const key = `${reason} ${source}`;
    const tally = this.#tallies.get(key);
    if (tally === undefined) {
      this.#purge(now);
      this.#tallies.set(key, { reportedAt: now, unreported: 0 });
      return 1;
    }
    tally.unreported++;
    if (now - tally.reportedAt < this.#pauseMs) return 0;
    const count = tally.unreported;
    tally.reportedAt = now;
    tally.unreported = 0;
    return count;
  }

  #purge(now: number): void {
    if (this.#tallies.size < PURGE_ABOVE) return;
    for (const [key, tally] of this.#tallies) {
      if (now - tally.reportedAt >= this.#pauseMs) this.#tallies.delete(key);
    }
    // All of them are recent. Forgetting them only reports a little more often.
    if (this.#tallies.size >= PURGE_ABOVE) this.#tallies.clear();
  }
}
