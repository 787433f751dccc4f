/**
 * What is measured of somebody who keeps entries for very many peers.
 */

import { eachOf } from "../_each_of.ts";
import { cpuSecondsOf, median } from "./_measuring.ts";
import { print } from "./_report.ts";

/** Requests under way at once, each on a connection of its own. */
const AT_ONCE = 64;
/**
 * Connections that look up at once. A relay allows each 200 messages and 50 more
 * a second, so that as many send up to 59,000 a second for `LOOKUP_MS`.
 */
export const LOOKUP_CONNECTIONS = 512;
const LOOKUP_MS = 3_000;
const LATENCY_COUNT = 300;
const MIB = 1024 ** 2;
// As parts of what Redis does with `SET … EX` and `GET`.
const RENEWALS_TARGET = 0.3;
const LOOKUPS_TARGET = 0.5;

/** What somebody who keeps entries did, a second or in all. */
export interface Figures {
  readonly emptyBytes: number;
  /** Resident, with the connections alone. */
  readonly idleBytes: number;
  readonly heldBytes: number;
  readonly afterBytes: number;
  /** Entries made, on connections that are open. */
  readonly registrations: number;
  readonly renewals: number;
  /** Peers that connect, make their entry again and leave. */
  readonly arrivals: number;
  /** Milliseconds of the main thread for one of these. */
  readonly arrivalMs: number;
  /** Pages read, on connections that are open. */
  readonly lookups: number;
  /** Look-ups of names that all ask for, and of any name. */
  readonly hotNames: Cost;
  readonly anyNames: Cost;
  /** Milliseconds to connect and read a page, each time again, sorted. */
  readonly latencies: readonly number[];
}

/** How often a second something gets done, and what one of it takes. */
export interface Cost {
  readonly rate: number;
  /** Microseconds of the server's main thread. */
  readonly mainUs: number;
}

export async function residentBytes(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

/** Processor time of the first thread of a process, in milliseconds. */
export async function mainThreadMs(pid: number): Promise<number> {
  return 1000 * await cpuSecondsOf([`${pid}/task/${pid}`]);
}

/** How often a second `work` gets done for all items, some at once. */
export async function ratePerSecond<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
): Promise<number> {
  const startedAt = performance.now();
  await eachOf(items, AT_ONCE, work);
  return items.length / (performance.now() - startedAt) * 1000;
}

/** How often a second `work` gets done, by all items at once, for a while. */
export async function loopRate<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
): Promise<number> {
  const startedAt = performance.now();
  let count = 0;
  await Promise.all(items.map(async (item) => {
    while (performance.now() - startedAt < LOOKUP_MS) {
      await work(item);
      count++;
    }
  }));
  return count / (performance.now() - startedAt) * 1000;
}

/** The same, and what it costs the main thread of the server `pid`. */
export async function loopCost<Item>(
  pid: number,
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
): Promise<Cost> {
  const busyBefore = await mainThreadMs(pid);
  let count = 0;
  const rate = await loopRate(items, async (item) => {
    await work(item);
    count++;
  });
  const busyMs = await mainThreadMs(pid) - busyBefore;
  return { rate, mainUs: busyMs * 1_000 / count };
}

/** How many milliseconds `work` takes, each time, sorted. */
export async function latenciesOf(
  work: () => Promise<void>,
): Promise<number[]> {
  const found: number[] = [];
  for (let n = -20; n < LATENCY_COUNT; n++) {
    const startedAt = performance.now();
    await work();
    if (n >= 0) found.push(performance.now() - startedAt); // else warming up
  }
  return found.sort((a, b) => a - b);
}

export const verdict = (isReached: boolean) =>
  isReached ? "reached" : "not reached";

export function printFigures(figures: Figures, nodes: number): void {
  const { emptyBytes, idleBytes, heldBytes, afterBytes, latencies } = figures;
  const mib = (bytes: number) => `${(bytes / MIB).toFixed(0)} MiB`;
  const perConnection = (idleBytes - emptyBytes) / nodes / 1024;
  print(
    `  resident: empty ${mib(emptyBytes)}, ` +
      `${nodes} connections ${mib(idleBytes)} ` +
      `(${perConnection.toFixed(1)} KiB each), ` +
      `as many nodes on them ${mib(heldBytes)}, closed ${mib(afterBytes)}`,
  );
  print(
    `  connect and read a page: median ${median(latencies).toFixed(1)} ms, ` +
      `p99 ${p99(latencies).toFixed(1)} ms`,
  );
  const { hotNames, anyNames } = figures;
  print(
    `  a second: ${figures.registrations.toFixed(0)} registrations, ` +
      `${figures.renewals.toFixed(0)} renewals, ` +
      `${figures.lookups.toFixed(0)} pages read, look-ups of one name ` +
      `${hotNames.rate.toFixed(0)} (of 100) and ` +
      `${anyNames.rate.toFixed(0)} (of all)`,
  );
  print(
    `  a look-up of one name takes ${hotNames.mainUs.toFixed(0)} µs (of 100) ` +
      `and ${anyNames.mainUs.toFixed(0)} µs (of all) of the main thread`,
  );
  print(
    `  connect, renew and leave: ${figures.arrivals.toFixed(0)} a second, ` +
      `${figures.arrivalMs.toFixed(2)} ms of the main thread each`,
  );
}

export function p99(sorted: readonly number[]): number {
  return sorted[Math.floor(sorted.length * 0.99)] ?? NaN;
}

/** Ours beside Redis's, so that the figures mean something elsewhere. */
export function printRatio(
  what: string,
  { ours, theirs }: { ours: Figures; theirs: Figures },
): void {
  const ratio = (pick: (figures: Figures) => number) =>
    (pick(ours) / pick(theirs)).toFixed(2);
  const isReached = ours.renewals >= RENEWALS_TARGET * theirs.renewals &&
    ours.anyNames.rate >= LOOKUPS_TARGET * theirs.anyNames.rate;
  print(
    `${what} to Redis: registrations ${ratio((f) => f.registrations)}, ` +
      `renewals ${ratio((f) => f.renewals)} (target ${RENEWALS_TARGET}), ` +
      `look-ups of any name ${ratio((f) => f.anyNames.rate)} (target ` +
      `${LOOKUPS_TARGET}; of 100 names, ${ratio((f) => f.hotNames.rate)}): ` +
      `${verdict(isReached)}; connect, renew and leave ${
        ratio((f) => f.arrivals)
      }, ` +
      `pages ${ratio((f) => f.lookups)}, ` +
      `connect and read, median ${ratio((f) => median(f.latencies))}; ` +
      "Redis encrypts nothing and checks no signature",
  );
}
