/**
 * Metrics as text, read back by a strict reader; and the reader itself, which
 * must take nothing else.
 */

import { assertEquals, assertThrows } from "@std/assert";
import { Counts, Histogram } from "../../lib/guard/counts.ts";
import { formatExposition } from "../../lib/ops/exposition.ts";
import { readExposition, valueOf } from "../_exposition.ts";

Deno.test("formatExposition escapes characters that would end a label or a line", () => {
  const hostile = 'a"b\\c\nd{e="f",} 1';
  const families = readExposition(formatExposition([{
    name: "x_total",
    help: 'Two\nlines \\ and a "quote".',
    type: "counter",
    samples: [{ labels: { why: hostile, how: "" }, value: 7 }],
  }]));
  assertEquals([...families.keys()], ["x_total"]);
  assertEquals(
    families.get("x_total")!.help,
    'Two\nlines \\ and a "quote".',
  );
  assertEquals(valueOf(families, "x_total", { why: hostile, how: "" }), 7);
});

Deno.test("formatExposition writes numbers that every reader accepts", () => {
  const values = [0, 1.5, 1e21, 1e-7, -3, Infinity, -Infinity, NaN, 2 ** 53];
  const families = readExposition(formatExposition([{
    name: "x",
    help: "Numbers.",
    type: "gauge",
    samples: values.map((value, index) => ({
      labels: { index: String(index) },
      value,
    })),
  }]));
  assertEquals(families.get("x")!.samples.map(({ value }) => value), values);
});

Deno.test("Histogram counts a measurement in the bucket of its bound, and the text adds them up", () => {
  const histogram = new Histogram([0.1, 1]);
  for (const value of [0.1, 0.10001, 1, 1.5, 0]) histogram.observe(value);
  const text = formatExposition([{
    name: "h",
    help: "Measured.",
    type: "histogram",
    histogram: histogram.snapshot(),
  }]);
  const families = readExposition(text);
  const below = (le: string) => valueOf(families, "h_bucket", { le });
  assertEquals([below("0.1"), below("1"), below("+Inf")], [2, 4, 5]);
  assertEquals(valueOf(families, "h_count"), 5);
  assertEquals(valueOf(families, "h_sum").toFixed(5), "2.70001");
});

Deno.test("Counts begins at 0 for labels known before, and snapshots do not change", () => {
  const counts = new Counts(["a"]);
  const before = counts.snapshot();
  counts.add("a");
  counts.add("__proto__", 3);
  assertEquals(before, { a: 0 });
  assertEquals(Object.entries(counts.snapshot()), [["a", 1], ["__proto__", 3]]);
});

const FAMILY = "# HELP x_total X.\n# TYPE x_total counter\n";
const HISTOGRAM = "# HELP h H.\n# TYPE h histogram\n";

for (
  const [what, text] of [
    ["an unfinished line", `${FAMILY}x_total 1`],
    ["a sample without TYPE", "x_total 1\n"],
    ["TYPE before HELP", "# TYPE x_total counter\n# HELP x_total X.\n"],
    ["a family twice", `${FAMILY}x_total 1\n${FAMILY}`],
    ["a series twice", `${FAMILY}x_total 1\nx_total 2\n`],
    [
      "a series twice, labels in another order",
      `${FAMILY}x_total{a="1",b="2"} 1\nx_total{b="2",a="1"} 1\n`,
    ],
    ["a sample of another family", `${FAMILY}y_total 1\n`],
    ["a counter below 0", `${FAMILY}x_total -1\n`],
    ["a counter without _total", "# HELP x X.\n# TYPE x counter\nx 1\n"],
    ["a quotation mark that is not escaped", `${FAMILY}x_total{a="b"c"} 1\n`],
    ["an unknown escape", `${FAMILY}x_total{a="\\t"} 1\n`],
    ["a name with a dash", `# HELP x-y X.\n# TYPE x-y gauge\nx-y 1\n`],
    ["a number in words", `${FAMILY}x_total one\n`],
    ["a hexadecimal number", `${FAMILY}x_total 0x10\n`],
    ["two spaces", `${FAMILY}x_total  1\n`],
    [
      "buckets that are not cumulative",
      `${HISTOGRAM}h_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n`,
    ],
    [
      "no bucket +Inf",
      `${HISTOGRAM}h_bucket{le="1"} 2\nh_sum 1\nh_count 2\n`,
    ],
    [
      "bounds that do not rise",
      `${HISTOGRAM}h_bucket{le="2"} 1\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n`,
    ],
    [
      "a count that is not that of +Inf",
      `${HISTOGRAM}h_bucket{le="+Inf"} 1\nh_sum 1\nh_count 2\n`,
    ],
  ] as const
) {
  Deno.test(`The strict reader refuses ${what}`, () => {
    assertThrows(() => readExposition(text));
  });
}
