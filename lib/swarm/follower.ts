/**
 * Notifies one client of new pieces: many at once, in the order in which they
 * arrived, and never faster than the client reads.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import { runsOf } from "../content/piece_set.ts";
import type { AnnounceGained } from "../node/served.ts";

/** What a follower reads. */
export interface FollowedPieces {
  /** Pieces in the order in which they were gained; it only grows. */
  readonly gained: readonly number[];
  /** Whether no more will be. */
  readonly isComplete: boolean;
}

/** Follows one content for one client. */
export class Follower implements Disposable {
  readonly #pieces: FollowedPieces;
  readonly #announce: AnnounceGained;
  readonly #limits: Limits;
  /** How many of the gained pieces it has announced. */
  #announced: number;
  #isAnnouncing = false;
  #isEnded = false;
  #quiet: ReturnType<typeof setTimeout> | undefined;

  /** Reports pieces that are gained from now on. */
  constructor(
    pieces: FollowedPieces,
    announce: AnnounceGained,
    limits: Limits,
  ) {
    this.#pieces = pieces;
    this.#announce = announce;
    this.#limits = limits;
    this.#announced = pieces.gained.length;
    this.#rest();
  }

  /** There may be something to announce. */
  notice(): void {
    if (!this.#isAnnouncing && !this.#isEnded) void this.#announceAll();
  }

  async #announceAll(): Promise<void> {
    const { gained } = this.#pieces;
    this.#isAnnouncing = true;
    try {
      // As many runs as pieces at most.
      while (this.#announced < gained.length && !this.#isEnded) {
        const end = this.#announced + this.#limits.gainedRunCount;
        const next = gained.slice(this.#announced, end);
        this.#announced += next.length;
        await this.#announce(runsOf(next));
      }
      this.#isAnnouncing = false;
      this.#rest();
    } catch {
      this[Symbol.dispose](); // the conversation has broken off
    }
  }

  /** Reports after a while that this end is still there. */
  #rest(): void {
    clearTimeout(this.#quiet);
    if (this.#isEnded || this.#pieces.isComplete) return;
    this.#quiet = setTimeout(
      () => void this.#stay(),
      this.#limits.gainedQuietMs,
    );
  }

  async #stay(): Promise<void> {
    if (this.#isAnnouncing) return; // which comes here again
    this.#isAnnouncing = true;
    try {
      await this.#announce([]);
      this.#isAnnouncing = false;
      // Something may have been gained meanwhile.
      await this.#announceAll();
    } catch {
      this[Symbol.dispose]();
    }
  }

  [Symbol.dispose](): void {
    this.#isEnded = true;
    clearTimeout(this.#quiet);
  }
}
