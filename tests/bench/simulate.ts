/**
 * A relay's index of names, simulated: nodes with names of which some are
 * common, nodes that leave and come, and look-ups by a Zipf law. In memory,
 * without a network.
 *
 *     deno task simulate [--nodes N] [--names N] [--hours N]
 *
 * The defaults are 10,000 nodes with 1,000 names each, and an hour, in which a
 * tenth of the nodes leaves and as many come. A name has two fingerprints, itself
 * and its last part, and each node 50 folders.
 */

import process from "node:process";
import { parseArgs } from "@std/cli/parse-args";
import { FINGERPRINT_BYTES } from "../../lib/content/fingerprints.ts";
import { LIMITS, limitsWith } from "../../lib/base/limits.ts";
import { NameIndex } from "../../lib/relay/name_index.ts";
import { seededRandom } from "../_random.ts";
import { verdict } from "./_figures.ts";
import { print } from "./_report.ts";

const FOLDERS = 50;
/** One name in so many is one of the common ones. */
const COMMON_PART = 10;
const COMMON_COUNT = 100_000;
const CHURN_PER_HOUR = 0.1;
const LOOKUPS = 200_000;
const P99_TARGET_US = 100;
const WRONG_TARGET = 1e-3;
const MEMORY_TARGET_MIB = 300;

interface Fleet {
  readonly index: NameIndex;
  /** The slot and the own names of each node, as numbers. */
  readonly slots: number[];
  readonly names: number;
  readonly random: () => number;
}

/** A fingerprint of a number: the same for the same one. */
function fingerprintOf(number: number): number {
  const random = seededRandom(number);
  return Math.floor(random() * 2 ** 32) * 256 + Math.floor(random() * 256);
}

/** A rank by a Zipf law with exponent 1, from 0: the first is the commonest. */
function zipfRank(count: number, random: () => number): number {
  return Math.floor(count ** random()) - 1;
}

/** Adds a node with all of its fingerprints. */
function join({ index, names, random }: Fleet, node: number): number {
  const slot = index.open(`${node}`);
  const fingerprints = new Float64Array(2 * names + FOLDERS);
  for (let n = 0; n < fingerprints.length; n++) {
    fingerprints[n] = n % COMMON_PART === 0
      ? fingerprintOf(zipfRank(COMMON_COUNT, random))
      : Math.floor(random() * 2 ** 32) * 256 + Math.floor(random() * 256);
  }
  for (const fingerprint of fingerprints.sort()) {
    const refusal = index.add(fingerprint, slot);
    if (refusal !== undefined) throw new Error(refusal);
  }
  return slot;
}

/** A tenth of the nodes leaves, and as many come; tidying goes on meanwhile. */
function churn(fleet: Fleet, count: number): number {
  const { index, slots, random } = fleet;
  let longestMs = 0;
  for (let n = 0; n < count; n++) {
    const at = Math.floor(random() * slots.length);
    index.close(slots[at]!);
    const startedAt = performance.now();
    index.tidy(LIMITS.indexTidyCount);
    longestMs = Math.max(longestMs, performance.now() - startedAt);
    slots[at] = join(fleet, slots.length + n);
  }
  return longestMs;
}

/** Microseconds of each look-up, sorted, and how many nodes they found. */
function lookUp(
  { index }: Fleet,
  next: () => number,
): { times: Float64Array; found: number } {
  const times = new Float64Array(LOOKUPS);
  let found = 0;
  for (let n = 0; n < LOOKUPS; n++) {
    const fingerprint = next();
    const startedAt = performance.now();
    let own = 0;
    index.visit(fingerprint, () => ++own <= LIMITS.indexAnswerCount);
    times[n] = (performance.now() - startedAt) * 1_000;
    found += own;
  }
  return { times: times.sort(), found };
}

/** Processor time of this process, user and system, in seconds. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Adds all nodes: also what a relay that restarts has to take. */
function fill(fleet: Fleet, nodes: number): void {
  const startedAt = cpuSeconds();
  for (let n = 0; n < nodes; n++) fleet.slots.push(join(fleet, n));
  const seconds = cpuSeconds() - startedAt;
  const { entryCount, bytes } = fleet.index;
  const mib = bytes / 2 ** 20;
  const each = (bytes / entryCount).toFixed(2);
  print(
    `  ${entryCount} fingerprints take ${mib.toFixed(0)} MiB, ${each} bytes ` +
      `each (target for the defaults: at most ${MEMORY_TARGET_MIB} MiB): ` +
      verdict(mib <= MEMORY_TARGET_MIB),
  );
  const eachUs = (seconds * 1e6 / entryCount).toFixed(2);
  print(
    `  a relay that restarts takes them all in ${seconds.toFixed(1)} s of ` +
      `processor time, ${eachUs} µs each, which includes making them`,
  );
}

function sayChurn(fleet: Fleet, hours: number): void {
  const count = Math.round(fleet.slots.length * CHURN_PER_HOUR * hours);
  const longestMs = churn(fleet, count).toFixed(1);
  const each = (fleet.index.bytes / fleet.index.entryCount).toFixed(2);
  print(
    `  ${count} nodes left and as many came: ${each} bytes each, the longest ` +
      `turn of tidying ${longestMs} ms`,
  );
}

function sayLookUps(fleet: Fleet): void {
  const { random } = fleet;
  const { times } = lookUp(
    fleet,
    () => fingerprintOf(zipfRank(COMMON_COUNT, random)),
  );
  const median = times[LOOKUPS / 2]!.toFixed(1);
  const p99 = times[Math.floor(LOOKUPS * 0.99)]!;
  print(
    `  look-ups by a Zipf law: median ${median} µs, 99th percentile ` +
      `${p99.toFixed(1)} µs (target: at most ${P99_TARGET_US}): ` +
      verdict(p99 <= P99_TARGET_US),
  );
  // No node has these: one that is found has another name with that number. Not
  // by `random`, whose state has 32 bits: a fingerprint of it would come again.
  const none = lookUp(fleet, () => {
    const bytes = crypto.getRandomValues(new Uint8Array(FINGERPRINT_BYTES));
    return Number(`0x${bytes.toHex()}`);
  });
  const wrong = none.found / LOOKUPS;
  print(
    `  ${wrong.toExponential(1)} wrong nodes a look-up (target: at most ` +
      `${WRONG_TARGET}): ${verdict(wrong <= WRONG_TARGET)}`,
  );
}

function main(args: string[]): number {
  const options = parseArgs(args, { string: ["nodes", "names", "hours"] });
  const nodes = Number(options["nodes"] ?? 10_000);
  const names = Number(options["names"] ?? 1_000);
  const hours = Number(options["hours"] ?? 1);
  if (![nodes, names, hours].every((n) => Number.isSafeInteger(n) && n > 0)) {
    print("wanted --nodes, --names and --hours, each a whole number above 0");
    return 2;
  }
  const index = new NameIndex(limitsWith({ indexEntryCount: 2 ** 31 }));
  const fleet = { index, slots: [], names, random: seededRandom(1) };
  print(`${nodes} nodes with ${names} names each`);
  fill(fleet, nodes);
  sayChurn(fleet, hours);
  sayLookUps(fleet);
  print(`  processor time in all: ${cpuSeconds().toFixed(1)} s`);
  return 0;
}

if (import.meta.main) Deno.exit(main(Deno.args));
