/**
 * Measures what an honest peer notices of each flood: `deno task flood SECONDS
 * WORD…`, with the floods whose names have all the words in them. Ends with 1
 * where one goes over a bound. Linux only: attackers bind addresses of their own
 * in 127.0.0.0/8.
 */

import { FLOODS } from "./_all.ts";
import { print } from "./_attacker.ts";
import { measure, type Outcome, percentile } from "./_flood.ts";

const DEFAULT_SECONDS = 5;
const NAME_WIDTH = Math.max(...FLOODS.map(({ name }) => name.length));

function printRow(cells: readonly string[]): void {
  const [name = "", ...figures] = cells;
  const line = [
    name.padEnd(NAME_WIDTH),
    ...figures.map((figure) => figure.padStart(8)),
  ];
  const bytes = new TextEncoder().encode(line.join(" ").trimEnd() + "\n");
  Deno.stdout.writeSync(bytes);
}

function row({ name, before, during, ...outcome }: Outcome): string[] {
  const ms = (values: readonly number[], percent: number) =>
    percentile(values, percent).toFixed(1);
  const { failures, load, residentBefore, residentMost, faults } = outcome;
  const asked = during.length + failures.length;
  return [
    name,
    ms(before, 50),
    ms(during, 50),
    ms(during, 95),
    `${during.length}/${asked}`,
    `${(load * 100).toFixed(0)} %`,
    (residentBefore / 1e6).toFixed(0),
    (residentMost / 1e6).toFixed(0),
    `  ${faults.length === 0 ? "holds" : faults.join("; ")}`,
  ];
}

/** Runs what was asked for; resolves to the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const [first = "", ...rest] = args;
  const given = Number(first);
  const seconds = given > 0 ? given : DEFAULT_SECONDS;
  const words = given > 0 || first === "" ? rest : args;
  const chosen = FLOODS.filter(({ name }) =>
    words.every((word) => name.includes(word))
  );
  if (chosen.length === 0) {
    print(`no flood has ${words.join(" ")} in its name; there are:`);
    for (const { name } of FLOODS) print(`  ${name}`);
    return 2;
  }
  printRow([
    "flood",
    "idle ms",
    "median",
    "p95",
    "served",
    "busy",
    "MB",
    "most MB",
  ]);
  let isWell = true;
  for (const flood of chosen) {
    const outcome = await measure(flood, 1_000 * seconds);
    printRow(row(outcome));
    isWell &&= outcome.faults.length === 0;
  }
  return isWell ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
