/**
 * The last hour of a role's metrics, one reading every few seconds. Pure: time
 * is an argument, in milliseconds on any monotonic clock. Memory is bounded by
 * the number of readings and of labels, which are words of this program.
 *
 * @module
 */

import type { MetricFamily } from "./exposition.ts";

/** All numbers of a role at one moment, by name and label. */
export type Reading = ReadonlyMap<string, number>;

/** A number at a moment. */
export interface Point {
  /** The moment. */
  readonly at: number;
  /** The number. */
  readonly value: number;
}

/** Flattens metrics. Histograms are left out. */
export function readingOf(families: readonly MetricFamily[]): Reading {
  const reading = new Map<string, number>();
  for (const family of families) {
    if (family.type === "histogram") continue;
    for (const { labels = {}, value } of family.samples) {
      const words = Object.values(labels).join(",");
      reading.set(
        words === "" ? family.name : `${family.name} ${words}`,
        value,
      );
    }
  }
  return reading;
}

/** The labels of a family in a reading, in its order. */
export function labelsIn(reading: Reading, name: string): string[] {
  return [...reading.keys()].filter((key) => key.startsWith(`${name} `))
    .map((key) => key.slice(name.length + 1));
}

/** A number of a reading: with a label, or all labels of its family together. */
export function valueIn(reading: Reading, name: string): number {
  const value = reading.get(name);
  if (value !== undefined) return value;
  return labelsIn(reading, name)
    .reduce((sum, label) => sum + reading.get(`${name} ${label}`)!, 0);
}

/** Keeps the latest readings. */
export class Samples {
  readonly #most: number;
  readonly #readings: { readonly at: number; readonly reading: Reading }[] = [];

  /** Keeps at most `most` readings. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Adds a reading; the oldest is evicted if there are too many. */
  add(reading: Reading, now: number): void {
    this.#readings.push({ at: now, reading });
    if (this.#readings.length > this.#most) this.#readings.shift();
  }

  /** A level at each reading, oldest first. */
  levels(name: string): Point[] {
    return this.#readings
      .map(({ at, reading }) => ({ at, value: valueIn(reading, name) }));
  }

  /**
   * By how much a counter has risen until each reading since the one before it,
   * oldest first. The first reading has nothing before it.
   */
  rises(name: string): Point[] {
    const levels = this.levels(name);
    return levels.slice(1).map(({ at, value }, index) => ({
      at,
      value: Math.max(0, value - levels[index]!.value),
    }));
  }

  /** By how much a counter has risen since the oldest reading. */
  rise(name: string): number {
    return this.rises(name).reduce((sum, { value }) => sum + value, 0);
  }
}
