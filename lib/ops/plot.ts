/**
 * Small plots as SVG, without script and without text: the page around them
 * writes their scale. Pure.
 *
 * @module
 */

import { type Markup, markup } from "../base/html.ts";
import type { Point } from "./samples.ts";

/** The time span of a plot, and its text for people who cannot see it. */
export interface PlotOptions {
  /** The moment at its left edge. */
  readonly from: number;
  /** The moment at its right edge. */
  readonly to: number;
  /** Its content in words. */
  readonly label: string;
}

/** Options of {@linkcode plotLevels}. */
export interface LevelsOptions extends PlotOptions {
  /** Points further apart than this are not joined. */
  readonly gapMs: number;
}

const WIDTH = 600;
const HEIGHT = 100;

/** A level over time: a line with a light area below it. */
export function plotLevels(
  points: readonly Point[],
  { from, to, gapMs, label }: LevelsOptions,
): Markup {
  const most = Math.max(0, ...points.map(({ value }) => value));
  const x = (at: number) => round((at - from) / (to - from) * WIDTH);
  const y = (value: number) => round(HEIGHT * (1 - share(value, most)));
  const shown = points.filter(({ at }) => at >= from && at <= to);
  const runs = runsOf(shown, gapMs);
  const line = runs.map((run) =>
    run.map(({ at, value }, index) =>
      `${index === 0 ? "M" : "L"}${x(at)} ${y(value)}`
    ).join("")
  );
  const area = runs.map((run, index) =>
    `${line[index]}L${x(run.at(-1)!.at)} ${HEIGHT}L${x(run[0]!.at)} ${HEIGHT}Z`
  );
  return picture(
    label,
    markup`
      <path class="area" d="${area.join("")}" />
      <path class="line" d="${line.join("")}" />
    `,
  );
}

/** Sums over equal spans of time, as bars. */
export function plotBars(
  values: readonly number[],
  { label }: Pick<PlotOptions, "label">,
): Markup {
  const most = Math.max(0, ...values);
  const width = WIDTH / values.length;
  const bars = values.map((value, index) => {
    if (value === 0) return "";
    // Small values stay visible beside large ones.
    const height = Math.max(2, HEIGHT * share(value, most));
    return `M${round(index * width + width / 8)} ${HEIGHT}v-${round(height)}h${
      round(width * 3 / 4)
    }v${round(height)}Z`;
  });
  return picture(
    label,
    markup`
      <path class="bars" d="${bars.join("")}" />
    `,
  );
}

/** The sum of the points in each of `count` equal spans between two moments. */
export function sumsOver(
  points: readonly Point[],
  { from, to, count }: { from: number; to: number; count: number },
): number[] {
  const sums = new Array<number>(count).fill(0);
  for (const { at, value } of points) {
    // A point belongs to the span that it ends.
    const index = Math.ceil((at - from) / (to - from) * count) - 1;
    if (index >= 0 && index < count) sums[index]! += value;
  }
  return sums;
}

function picture(label: string, content: Markup): Markup {
  return markup`
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img"
      aria-label="${label}">${content}</svg>
  `;
}

/** Parts of a line in which no two neighbours are too far apart. */
function runsOf(points: readonly Point[], gapMs: number): Point[][] {
  const runs: Point[][] = [];
  let before = -Infinity;
  for (const point of points) {
    if (point.at - before > gapMs) runs.push([]);
    runs.at(-1)!.push(point);
    before = point.at;
  }
  return runs;
}

function share(value: number, most: number): number {
  return most === 0 ? 0 : value / most;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
