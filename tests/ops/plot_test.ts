/** Plots as SVG, by their paths. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { plotBars, plotLevels, sumsOver } from "../../lib/ops/plot.ts";

/** The `d` of each path of a class. */
function pathOf(svg: string, name: string): string | undefined {
  return new RegExp(`<path class="${name}" d="([^"]*)"`).exec(svg)?.[1];
}

const AXIS = { from: 0, to: 600, gapMs: 100, label: "x" };

Deno.test("plotLevels joins neighbours, leaves a gap open, and scales to the largest", () => {
  const points = [[0, 1], [100, 2], [400, 4], [450, 0]] as const;
  const svg =
    plotLevels(points.map(([at, value]) => ({ at, value })), AXIS).text;
  assertEquals(pathOf(svg, "line"), "M0 75L100 50M400 0L450 100");
  assertEquals(
    pathOf(svg, "area"),
    "M0 75L100 50L100 100L0 100ZM400 0L450 100L450 100L400 100Z",
  );
});

Deno.test("plotLevels draws the points between its edges, and zeros at the bottom", () => {
  const points = [[-1, 9], [300, 0], [601, 9]] as const;
  const svg =
    plotLevels(points.map(([at, value]) => ({ at, value })), AXIS).text;
  assertEquals(pathOf(svg, "line"), "M300 100");
  assertEquals(pathOf(plotLevels([], AXIS).text, "line"), "");
  const zero = plotLevels([{ at: 0, value: 0 }], AXIS).text;
  assertEquals(pathOf(zero, "line"), "M0 100");
});

Deno.test("plotBars draws a bar for each sum, the smallest visible", () => {
  const svg = plotBars([0, 1000, 1], { label: `"<b>` }).text;
  assertEquals(
    pathOf(svg, "bars"),
    "M225 100v-100h150v100ZM425 100v-2h150v2Z",
  );
  assertStringIncludes(svg, `aria-label="&quot;&lt;b&gt;"`);
  assertEquals(pathOf(plotBars([0, 0], { label: "" }).text, "bars"), "");
});

Deno.test("sumsOver adds each point to the span that it ends", () => {
  const points = [0, 1, 10, 11, 20, 30, 31].map((at) => ({ at, value: 1 }));
  assertEquals(sumsOver(points, { from: 0, to: 30, count: 3 }), [2, 2, 1]);
});
