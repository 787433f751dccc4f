/**
 * What a comparison has shown: tables on stdout.
 */

import type { Contender, ContenderName } from "./_contenders.ts";
import { type Cost, median } from "./_measuring.ts";

const MIB = 1024 ** 2;
/** Peak resident memory of our client and our node, at most. */
const MEMORY_TARGET_BYTES = 200 * MIB;

/** One line of the table: ours beside another's, or beside a rate. */
export interface Comparison {
  readonly word: string;
  readonly ours: ContenderName;
  readonly other: ContenderName | { readonly bytesPerSecond: number };
  /** Of the times, at most; of the rates, at least. None where none was set. */
  readonly target?: number;
  /** What is compared: wall time, or processor time of both ends together. */
  readonly by?: "wall" | "processor";
}

/** One timed run, with what our nodes used in it. */
export interface Run extends Cost {
  readonly nodeCpuSeconds: number;
}

/** How a contender did. */
export interface Result {
  readonly contender: Contender;
  readonly runs: Run[];
  nodePeakBytes: number;
  /** Why it is out. */
  failure?: string;
}

/** Prints a line. */
export function print(line = ""): void {
  Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));
}

/** Prints rows in columns, the first row as their head. */
export function printTable(
  rows: readonly (readonly string[])[],
  { left }: { left: readonly number[] },
): void {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]!.length))
  );
  for (const row of rows) {
    const cells = row.map((cell, column) => {
      const width = widths[column]!;
      return left.includes(column) ? cell.padEnd(width) : cell.padStart(width);
    });
    print(cells.join("  ").trimEnd());
  }
}

const verdictOf = (isReached: boolean) => isReached ? "reached" : "not reached";

const formatMib = (bytes: number) =>
  Number.isNaN(bytes) ? "?" : `${(bytes / MIB).toFixed(0)} MiB`;

/** Seconds, for a person; `?` where they are not known. */
export const formatSeconds = (seconds: number) =>
  Number.isNaN(seconds) ? "?" : seconds.toFixed(2);

/** What failed has no time, however fast it was before. */
function medianSecondsOf(
  result: Result | undefined,
  by: Comparison["by"] = "wall",
): number | undefined {
  if (result === undefined || result.failure !== undefined) return undefined;
  if (result.runs.length === 0) return undefined;
  return median(
    result.runs.map((run) =>
      by === "wall" ? run.seconds : (run.cpuSeconds ?? NaN) + run.nodeCpuSeconds
    ),
  );
}

/** Says how ours did beside others, as far as both have run. */
export function printComparisons(
  comparisons: readonly Comparison[],
  results: ReadonlyMap<ContenderName, Result>,
): void {
  const rows = [["what", "s", "beside", "s", "ratio", "target", ""]];
  for (const { ours, other, target, by = "wall" } of comparisons) {
    const mine = results.get(ours);
    const seconds = medianSecondsOf(mine, by);
    if (mine === undefined || seconds === undefined) continue;
    const what = by === "wall" ? "" : ", CPU of both ends";
    const row = [mine.contender.label + what, formatSeconds(seconds)];
    if (typeof other === "string") {
      const theirs = results.get(other);
      const otherSeconds = medianSecondsOf(theirs, by);
      if (theirs === undefined || otherSeconds === undefined) continue;
      const ratio = seconds / otherSeconds;
      row.push(theirs.contender.label, formatSeconds(otherSeconds));
      row.push(ratio.toFixed(2));
      if (target === undefined) row.push("", "");
      else row.push(`<= ${target.toFixed(2)}`, verdictOf(ratio <= target));
    } else {
      const rate = mine.contender.input.bytes / seconds;
      const ratio = rate / other.bytesPerSecond;
      const least = target ?? 0;
      row.push(`limits of ${other.bytesPerSecond / 1e6} MB/s together`, "");
      row.push(`${ratio.toFixed(3)} (${(rate / 1e6).toFixed(1)} MB/s)`);
      row.push(`>= ${least.toFixed(3)}`, verdictOf(ratio >= least));
    }
    rows.push(row);
  }
  if (rows.length > 1) printTable(rows, { left: [0, 2, 6] });
}

/** Says what each took, and whether ours kept to the memory it may take. */
export function printCosts(results: readonly Result[]): void {
  const rows = [[
    ...["program", "median s", "fastest", "slowest", "CPU s", "peak"],
    ...["server CPU s", "server peak"],
  ]];
  for (const { contender, runs, nodePeakBytes } of results) {
    if (runs.length === 0) continue;
    const seconds = runs.map((run) => run.seconds);
    const isKnown = contender.nodes.length > 0;
    rows.push([
      contender.label,
      formatSeconds(median(seconds)),
      formatSeconds(Math.min(...seconds)),
      formatSeconds(Math.max(...seconds)),
      formatSeconds(median(runs.map((run) => run.cpuSeconds ?? NaN))),
      formatMib(Math.max(...runs.map((run) => run.peakBytes ?? NaN))),
      isKnown
        ? formatSeconds(median(runs.map((run) => run.nodeCpuSeconds)))
        : "",
      isKnown ? formatMib(nodePeakBytes) : "",
    ]);
  }
  printTable(rows, { left: [0] });
  const ours = results.filter(({ contender, runs }) =>
    contender.isOurs === true && runs.length > 0
  );
  if (ours.length === 0) return;
  const most = Math.max(
    ...ours.flatMap(({ runs, nodePeakBytes }) => [
      nodePeakBytes,
      ...runs.map((run) => run.peakBytes ?? NaN),
    ]),
  );
  print();
  print(
    `memory of our client and node: at most ${formatMib(most)}, target <= ${
      formatMib(MEMORY_TARGET_BYTES)
    }: ${verdictOf(most <= MEMORY_TARGET_BYTES)}`,
  );
}
