/**
 * A swarm, simulated: the real plan and the real policy of links and readers in
 * fake time, with a seed and clients whose lines are simulated.
 *
 *     deno task simulate:swarm [CLIENTS] [--only WORDS]
 *
 * 50 clients by default; 10,000 take minutes of one core for each scenario. One
 * copy is the time in which the seed can send the file once: 8.4 s.
 */

import { parseArgs } from "@std/cli/parse-args";
import { type Outcome, type Scenario, simulate } from "../swarm/_simulation.ts";
import { verdict } from "./_figures.ts";
import { print } from "./_report.ts";

const SCENARIOS: Readonly<Record<string, Partial<Scenario>>> = {
  "even lines": {},
  "uneven lines": { isUneven: true },
  "churn: a tenth dies, as many come": { isUneven: true, churn: 0.1 },
  "the seed is offline for 20 s from 60 %": { seedDiesAt: 0.6 },
  "a tenth sends wrong pieces": { liars: 0.1 },
  "a tenth announces all, sends nothing": { idlers: 0.1 },
};
const WANTED_COPIES = 1.5;
const WANTED_SEED_COPIES = 3;

/** The row of a scenario; times in copies. */
function rowOf(name: string, outcome: Outcome): string {
  const { times, copyMs, seedCopies, wasted, ms, relayRequests } = outcome;
  const quantile = (part: number) => {
    const at = Math.min(times.length - 1, Math.floor(times.length * part));
    return ((times[at] ?? NaN) / copyMs).toFixed(2);
  };
  const perSecond = (relayRequests / ms * 1_000).toFixed(0);
  const cells = [
    name.padEnd(37),
    quantile(0.5),
    quantile(0.99),
    quantile(1),
    seedCopies.toFixed(2).padStart(5),
    `${(100 * wasted).toFixed(1)} %`.padStart(7),
    perSecond.padStart(6),
    String(outcome.busiestSecond).padStart(8),
    String(outcome.nowhere).padStart(8),
    String(outcome.unfinished).padStart(10),
  ];
  return `| ${cells.join(" | ")} |`;
}

function main(args: string[]): number {
  const { _: [count = 50], only = "" } = parseArgs(args, { string: ["only"] });
  if (!Number.isSafeInteger(count) || Number(count) < 1) {
    print("wanted the number of clients, a whole number above 0");
    return 2;
  }
  const clientCount = Number(count);
  print(`${clientCount} clients, 128 pieces of 256 KiB, the seed sends 4 MB/s`);
  print("");
  print(
    "| what                                  | p50  | p99  | max  | seed  | wasted  | relay/s | busiest | nowhere | unfinished |",
  );
  print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
  for (const [name, scenario] of Object.entries(SCENARIOS)) {
    if (!name.startsWith(String(only))) continue;
    const outcome = simulate({
      clientCount,
      stepMs: clientCount > 1_000 ? 20 : 10,
      ...scenario,
    });
    print(rowOf(name, outcome));
    if (Object.keys(scenario).length > 0) continue;
    const slowest = outcome.times.at(-1)! / outcome.copyMs;
    const { seedCopies } = outcome;
    print(
      `| … at most ${WANTED_COPIES} copies: ${
        verdict(slowest <= WANTED_COPIES)
      } |`,
    );
    print(
      `| … the seed at most ${WANTED_SEED_COPIES}: ${
        verdict(seedCopies <= WANTED_SEED_COPIES)
      } |`,
    );
  }
  return 0;
}

if (import.meta.main) Deno.exit(main(Deno.args));
