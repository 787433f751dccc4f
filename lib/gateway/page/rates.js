// @ts-check
/** Bytes a second over time, from samples of the bytes sent. */

/** How far back a plot reaches. */
const MAX_SPAN_MS = 180_000;
/** How far back it reaches at first. */
const MIN_SPAN_MS = 30_000;

export class Rates {
  /** @type {Map<number, [at: number, sent: number][]>} */
  #samples = new Map();
  /** @type {[at: number, rate: number][]} */
  #totals = [];
  #now = 0;

  /**
   * Adds a sample.
   * @param {number} now
   * @param {readonly { id: number, sent: number }[]} transfers
   */
  add(now, transfers) {
    let total = 0;
    let isFirst = true;
    const ids = new Set(transfers.map(({ id }) => id));
    for (const id of this.#samples.keys()) {
      if (!ids.has(id)) this.#samples.delete(id);
    }
    for (const { id, sent } of transfers) {
      const samples = this.#samples.get(id) ?? [];
      this.#samples.set(id, samples);
      const before = samples.at(-1);
      if (before !== undefined && now > before[0]) {
        isFirst = false;
        total += rateBetween(before, [now, sent]);
      }
      samples.push([now, sent]);
      while ((samples[0]?.[0] ?? now) < now - MAX_SPAN_MS) samples.shift();
    }
    this.#now = now;
    if (isFirst && transfers.length > 0) return; // nothing to compare with
    this.#totals.push([now, total]);
    while ((this.#totals[0]?.[0] ?? now) < now - MAX_SPAN_MS) {
      this.#totals.shift();
    }
  }

  /** All transfers together, now. */
  now() {
    return this.#totals.at(-1)?.[1] ?? 0;
  }

  /** All transfers together, over time. */
  total() {
    return this.#pointsOf(this.#totals);
  }

  /**
   * One transfer over time.
   * @param {number} id
   */
  of(id) {
    const samples = this.#samples.get(id) ?? [];
    /** @type {[number, number][]} */
    const rates = samples.slice(1).map((sample, index) => [
      sample[0],
      rateBetween(samples[index] ?? sample, sample),
    ]);
    return { ...this.#pointsOf(rates), now: rates.at(-1)?.[1] ?? 0 };
  }

  /** How far back the plots reach, now. */
  get spanMs() {
    const [first] = this.#totals[0] ?? [this.#now];
    return Math.min(MAX_SPAN_MS, Math.max(MIN_SPAN_MS, this.#now - first));
  }

  /** @param {readonly [number, number][]} rates */
  #pointsOf(rates) {
    const span = this.spanMs;
    const from = this.#now - span;
    /** @type {[number, number][]} */
    const points = rates.filter(([at]) => at >= from)
      .map(([at, rate]) => [(at - from) / span, rate]);
    return { points, most: Math.max(0, ...rates.map(([, rate]) => rate)) };
  }
}

/**
 * @param {readonly [at: number, sent: number]} before
 * @param {readonly [at: number, sent: number]} after
 */
function rateBetween(before, after) {
  const ms = after[0] - before[0];
  return ms <= 0 ? 0 : Math.max(0, after[1] - before[1]) / ms * 1_000;
}
