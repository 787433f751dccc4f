/**
 * Runs work with many peers, a few at a time. A slow peer soon gives up its
 * slot, so that a few slow peers do not delay the others.
 *
 * @module
 */

/** Options of {@linkcode PeerSlots}. */
export interface TurnsOptions {
  /** Slots for peers that are not slow. */
  readonly count: number;
  /** Slots for all peers, including slow ones. */
  readonly mostCount: number;
  /** A peer that takes longer is slow. */
  readonly patienceMs: number;
}

/** Gives slots, in the order of the requests. */
export class PeerSlots {
  readonly #options: TurnsOptions;
  #quick = 0;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /**
   * Runs `work` for every item, each in a slot. Rejects with the first failure
   * after all running work has ended; starts nothing after a failure.
   */
  async each<Item>(
    items: Iterable<Item>,
    work: (item: Item) => Promise<void>,
  ): Promise<void> {
    const running = new Set<Promise<void>>();
    const failures: unknown[] = [];
    for (const item of items) {
      await this.#room();
      if (failures.length > 0) {
        this.#leave({ isQuick: true });
        break;
      }
      const turn = this.#turn(item, work)
        .catch((error) => void failures.push(error))
        .finally(() => running.delete(turn));
      running.add(turn);
    }
    await Promise.all(running);
    if (failures.length > 0) throw failures[0];
  }

  async #turn<Item>(
    item: Item,
    work: (item: Item) => Promise<void>,
  ): Promise<void> {
    const state = { isQuick: true };
    const timer = setTimeout(() => {
      state.isQuick = false;
      this.#quick--;
      this.#wake();
    }, this.#options.patienceMs);
    try {
      await work(item);
    } finally {
      clearTimeout(timer);
      this.#leave(state);
    }
  }

  /** Waits for a slot, and takes it. */
  async #room(): Promise<void> {
    if (this.#waiting.length === 0 && this.#isFree) this.#enter();
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  get #isFree(): boolean {
    const { count, mostCount } = this.#options;
    return this.#quick < count && this.#running < mostCount;
  }

  #enter(): void {
    this.#quick++;
    this.#running++;
  }

  #leave({ isQuick }: { isQuick: boolean }): void {
    if (isQuick) this.#quick--;
    this.#running--;
    this.#wake();
  }

  #wake(): void {
    while (this.#isFree) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#enter();
      next();
    }
  }
}
