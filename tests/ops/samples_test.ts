/** The last hour of a role's metrics. */

import { assertEquals } from "@std/assert";
import { mock } from "node:test";
import { LIMITS } from "../../lib/base/limits.ts";
import { Counts, Histogram } from "../../lib/guard/counts.ts";
import {
  labelsIn,
  readingOf,
  Samples,
  valueIn,
} from "../../lib/ops/samples.ts";
import { startSampling } from "../../lib/ops/sampling.ts";

const NOTHING = new Map<string, number>();

function reading(value: number) {
  return new Map([["x", value]]);
}

Deno.test("readingOf takes every number but histograms, by name and label", () => {
  const counts = new Counts(["a", "b"]);
  counts.add("b", 4);
  const read = readingOf([
    { name: "x", help: "", type: "gauge", samples: [{ value: 3 }] },
    {
      name: "y",
      help: "",
      type: "counter",
      samples: Object.entries(counts.snapshot())
        .map(([how, value]) => ({ labels: { how }, value })),
    },
    {
      name: "z",
      help: "",
      type: "histogram",
      histogram: new Histogram([1]).snapshot(),
    },
  ]);
  assertEquals([...read], [["x", 3], ["y a", 0], ["y b", 4]]);
  assertEquals(labelsIn(read, "y"), ["a", "b"]);
  assertEquals([valueIn(read, "y"), valueIn(read, "none")], [4, 0]);
});

Deno.test("Samples keeps sampleCount readings, and drops the oldest", () => {
  const samples = new Samples(LIMITS.sampleCount);
  for (let at = 0; at < 1_000; at++) samples.add(NOTHING, at);
  const kept = samples.levels("x").map(({ at }) => at);
  assertEquals([kept.length, kept[0], kept.at(-1)], [361, 639, 999]);
  const hourMs = (LIMITS.sampleCount - 1) * LIMITS.sampleMs;
  assertEquals(hourMs, 3_600_000);
});

Deno.test("Samples reports how far a counter rose, and does not count a fall", () => {
  const samples = new Samples(4);
  assertEquals([samples.rises("x"), samples.rise("x")], [[], 0]);
  for (const [at, value] of [[0, 9], [10, 1], [20, 3], [30, 3], [40, 8]]) {
    samples.add(reading(value!), at!);
  }
  assertEquals(samples.rises("x"), [
    { at: 20, value: 2 },
    { at: 30, value: 0 },
    { at: 40, value: 5 },
  ]);
  assertEquals(samples.rise("x"), 7);
  samples.add(reading(2), 50);
  assertEquals(samples.rises("x").at(-1), { at: 50, value: 0 });
});

Deno.test("The status page is refreshed by readings sampleMs apart", () => {
  mock.timers.enable({ apis: ["setInterval"] });
  try {
    let value = 0;
    const sampling = startSampling(() => reading(++value), LIMITS);
    const values = () =>
      sampling.samples.levels("x").map((point) => point.value);
    assertEquals(values(), [1]);
    mock.timers.tick(9_999);
    assertEquals(values(), [1]);
    mock.timers.tick(1);
    assertEquals(values(), [1, 2]);
    sampling[Symbol.dispose]();
    mock.timers.tick(60_000);
    assertEquals(values(), [1, 2]);
  } finally {
    mock.timers.reset();
  }
});
