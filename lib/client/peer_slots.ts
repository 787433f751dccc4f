/**
 * Runs work with many peers, a few at a time. A slow peer soon gives up its
 * slot, so a few slow peers do not hold up the others.
 *
 * @module
 */

/** Options of {@linkcode PeerSlots}. */
export interface TurnsOptions {
  /** Turns at once, of those that have not become slow. */
  readonly count: number;
  /** Turns at once, slow ones included. */
  readonly mostCount: number;
  /** A turn that takes longer is slow. */
  readonly patienceMs: number;
}

/** Gives turns, in the order in which they are asked for. */
export class PeerSlots {
  readonly #options: TurnsOptions;
  #quick = 0;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /**
   * Runs `work` for every item, each in a turn of its own. Rejects with the
   * first failure, once what runs has ended; nothing is begun after it.
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

  /** Resolves when a turn may begin, which then counts. */
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
