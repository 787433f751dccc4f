/**
 * Formats metrics as text: the Prometheus exposition format, version 0.0.4.
 * Pure.
 *
 * @module
 */

import type { HistogramSnapshot } from "../guard/counts.ts";

/** One number of a family. */
export interface Sample {
  /** Distinguishes it from others of its family. */
  readonly labels?: Readonly<Record<string, string>>;
  /** The number. */
  readonly value: number;
}

/** All metrics with one name. */
export type MetricFamily =
  & {
    /**
     * Its name, `[a-zA-Z_:][a-zA-Z0-9_:]*`; the name of a counter ends in
     * `_total`.
     */
    readonly name: string;
    /** One sentence about its meaning, with the unit. */
    readonly help: string;
  }
  & (
    | {
      readonly type: "counter" | "gauge";
      readonly samples: readonly Sample[];
    }
    | { readonly type: "histogram"; readonly histogram: HistogramSnapshot }
  );

/** The content type of {@linkcode formatExposition}. */
export const EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/**
 * Formats all families.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formatExposition } from "./exposition.ts";
 *
 * const text = formatExposition([{
 *   name: "leases",
 *   help: "Nodes that hold a lease.",
 *   type: "gauge",
 *   samples: [{ value: 3 }],
 * }]);
 * assertEquals(
 *   text,
 *   "# HELP leases Nodes that hold a lease.\n# TYPE leases gauge\nleases 3\n",
 * );
 * ```
 */
export function formatExposition(families: readonly MetricFamily[]): string {
  return families.map(formatFamily).join("");
}

function formatFamily(family: MetricFamily): string {
  const { name, help, type } = family;
  const lines = type === "histogram"
    ? histogramLines(name, family.histogram)
    : family.samples.map((sample) => sampleLine(name, sample));
  return [
    `# HELP ${name} ${escapeHelp(help)}`,
    `# TYPE ${name} ${type}`,
    ...lines,
    "",
  ].join("\n");
}

function histogramLines(
  name: string,
  { bounds, counts, sum }: HistogramSnapshot,
): string[] {
  let below = 0;
  const buckets = counts.map((count, index) => {
    below += count;
    const le = formatNumber(bounds[index] ?? Infinity);
    return sampleLine(`${name}_bucket`, { labels: { le }, value: below });
  });
  return [
    ...buckets,
    sampleLine(`${name}_sum`, { value: sum }),
    sampleLine(`${name}_count`, { value: below }),
  ];
}

function sampleLine(name: string, { labels = {}, value }: Sample): string {
  const pairs = Object.entries(labels)
    .map(([label, text]) => `${label}="${escapeLabel(text)}"`);
  const braces = pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
  return `${name}${braces} ${formatNumber(value)}`;
}

function formatNumber(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
