/**
 * Counters by label, and histograms. Pure. Memory is bounded by the number of
 * labels and of buckets.
 *
 * @module
 */

/** Counts by label. Labels come from this program, never from a peer. */
export class Counts {
  readonly #counts = new Map<string, number>();

  /**
   * Each of `labels` starts at 0; other labels appear with their first count.
   */
  constructor(labels: readonly string[] = []) {
    for (const label of labels) this.#counts.set(label, 0);
  }

  /** Counts `label` once, or `count` times. */
  add(label: string, count = 1): void {
    this.#counts.set(label, (this.#counts.get(label) ?? 0) + count);
  }

  snapshot(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}

/** A histogram at one moment. */
export interface HistogramSnapshot {
  /** Upper bounds of the buckets, inclusive and ascending. */
  readonly bounds: readonly number[];
  /** Measurements in each bucket; the last bucket is above all bounds. */
  readonly counts: readonly number[];
  /** Sum of all measurements. */
  readonly sum: number;
}

/** Counts measurements by bucket. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  /** `bounds` must be in ascending order. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = [...bounds.map(() => 0), 0];
  }

  /** Counts one measurement. */
  observe(value: number): void {
    const bucket = this.#bounds.findIndex((bound) => value <= bound);
    const index = bucket < 0 ? this.#bounds.length : bucket;
    this.#counts[index] = this.#counts[index]! + 1;
    this.#sum += value;
  }

  snapshot(): HistogramSnapshot {
    return {
      bounds: this.#bounds,
      counts: [...this.#counts],
      sum: this.#sum,
    };
  }
}

/** Buckets for handshakes, in seconds: from loopback to the deadline. */
export const HANDSHAKE_SECONDS: readonly number[] = [
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
];
