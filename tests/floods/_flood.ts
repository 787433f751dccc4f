/**
 * What a flood is: a victim that runs as a process, an attacker that runs as
 * another, and an honest peer in this one, which is timed meanwhile.
 */

import type { Endpoint } from "../../lib/base/conn.ts";
import { pause } from "./_attacker.ts";

/** What an attacker knows about its victim. Plain data, sent as JSON. */
export interface Target {
  readonly at: Endpoint;
  readonly plaintext: boolean;
  /** The id of the relay or node at `at`, where the attacker pins it. */
  readonly id?: string;
}

/** A victim, and an honest peer that uses it. */
export interface Scene extends AsyncDisposable {
  readonly target: Target;
  /** Processes whose memory is looked at. */
  readonly pids: readonly number[];
  /**
   * One request of the honest peer, in milliseconds. It throws where the answer
   * is not the right one.
   */
  ask(): Promise<number>;
}

/** Goes on until its signal is aborted. */
export type Attack = (target: Target, signal: AbortSignal) => Promise<void>;

/** One row of the table. */
export interface Flood {
  /** Names the row; also what `deno task flood WORD` looks through. */
  readonly name: string;
  /** Starts the victim. */
  open(): Promise<Scene>;
  /** What the attacker sets up in its process before it begins. */
  readonly prepare?: (target: Target) => Promise<AsyncDisposable>;
  /** Runs in a process of its own, so that it slows down nobody who is timed. */
  readonly attack: Attack;
  /** Half a second between two asks, say, where asks are slow. */
  readonly askEveryMs?: number;
  /** Where an ask takes longer than {@linkcode GIVE_UP_MS} by its nature. */
  readonly giveUpMs?: number;
  /** Where another bound than {@linkcode MOST_P95_MS} holds. */
  readonly mostP95Ms?: number;
  /** Nothing of ours is in the victim: its figures are for comparison. */
  readonly isFloor?: boolean;
}

/** The longest time of the honest request at the 95th percentile. */
export const MOST_P95_MS = 200;
/** The victim may have so much memory resident at any moment. */
export const MOST_RESIDENT_BYTES = 200e6;

const ASK_EVERY_MS = 100;
const SAMPLE_MS = 50;
const WARM_UP_COUNT = 10;
const GIVE_UP_MS = 15_000;

/** What one flood did. */
export interface Outcome {
  readonly name: string;
  /** Milliseconds of the honest requests, before the flood and during it. */
  readonly before: readonly number[];
  readonly during: readonly number[];
  /** Why honest requests failed during the flood. */
  readonly failures: readonly string[];
  readonly residentBefore: number;
  readonly residentMost: number;
  /** Processor seconds a second of the victim's processes, during the flood. */
  readonly load: number;
  /** Which bounds it went over; none where all hold. */
  readonly faults: readonly string[];
}

/** Runs one flood for so many milliseconds. */
export async function measure(flood: Flood, ms: number): Promise<Outcome> {
  await using scene = await flood.open();
  const before: number[] = [];
  // What every process needs once is not what a flood costs.
  for (let n = 0; n < WARM_UP_COUNT; n++) {
    before.push(await scene.ask());
    await pause(flood.askEveryMs ?? ASK_EVERY_MS);
  }
  const residentBefore = await residentBytes(scene);
  let residentMost = residentBefore;
  const during: number[] = [];
  const failures: string[] = [];
  let load = 0;
  const attacker = startAttacker(flood, scene.target);
  const sampler = setInterval(async () => {
    residentMost = Math.max(residentMost, await residentBytes(scene));
  }, SAMPLE_MS);
  try {
    await attacker.begun;
    const loadSince = await processorMeter(scene);
    for (const until = performance.now() + ms; performance.now() < until;) {
      await pause(flood.askEveryMs ?? ASK_EVERY_MS);
      try {
        during.push(await inTime(scene.ask(), flood.giveUpMs));
      } catch (error) {
        failures.push(String(error));
      }
    }
    load = await loadSince();
  } finally {
    clearInterval(sampler);
    await attacker.stop();
  }
  const found = {
    ...{ before, during, failures, load },
    ...{ residentBefore, residentMost },
  };
  return { name: flood.name, ...found, faults: faultsOf(flood, found) };
}

function faultsOf(
  { mostP95Ms = MOST_P95_MS, isFloor = false }: Flood,
  { during, failures, residentMost }: Omit<Outcome, "name" | "faults">,
): string[] {
  if (isFloor) return [];
  const p95 = percentile(during, 95);
  const faults: string[] = [];
  if (!(p95 <= mostP95Ms)) faults.push(`p95 over ${mostP95Ms} ms`);
  if (!(residentMost <= MOST_RESIDENT_BYTES)) {
    faults.push(`over ${MOST_RESIDENT_BYTES / 1e6} MB`);
  }
  if (failures.length > 0) faults.push(`failed: ${failures[0]}`);
  return faults;
}

/** The value below or at which `percent` of the values are; none is `NaN`. */
export function percentile(
  values: readonly number[],
  percent: number,
): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * percent / 100) - 1] ?? NaN;
}

async function residentBytes({ pids }: Scene): Promise<number> {
  let most = 0;
  for (const pid of pids) {
    const status = await Deno.readTextFile(`/proc/${pid}/status`)
      .catch(() => ""); // it has ended, which its honest peer notices
    const kib = Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0);
    most = Math.max(most, kib * 1024);
  }
  return most;
}

const TICKS_PER_SECOND = 100;

/** Begins to measure; the function it gives says how busy the victim was. */
async function processorMeter(
  { pids }: Scene,
): Promise<() => Promise<number>> {
  const seconds = async () => {
    let sum = 0;
    for (const pid of pids) {
      const stat = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => "");
      // Behind the name of the program, which may have spaces in it.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      sum += (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) /
        TICKS_PER_SECOND;
    }
    return sum;
  };
  const [startedAt, before] = [performance.now(), await seconds()];
  return async () =>
    (await seconds() - before) / (performance.now() - startedAt) * 1_000;
}

/**
 * The attack in another process, until it is stopped. `begun` resolves when
 * it attacks; `stop` may be called once.
 */
export function startAttacker(
  { name }: Pick<Flood, "name">,
  target: Target,
): { begun: Promise<void>; stop(): Promise<void> } {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "-A", "--no-check"],
      new URL("./attack.ts", import.meta.url).pathname,
      name,
      JSON.stringify(target),
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  // Its first word says that it attacks from now on.
  const begun = inTime(reader.read()).then(({ done }) => {
    if (done) throw new Error(`the attacker of "${name}" did not start`);
  });
  return {
    begun,
    stop: async () => {
      await child.stdin.close();
      const timer = setTimeout(() => child.kill("SIGKILL"), GIVE_UP_MS);
      await Promise.all([child.status, drain(reader)]);
      clearTimeout(timer);
    },
  };
}

async function drain(
  reader: ReadableStreamDefaultReader<Uint8Array>,
): Promise<void> {
  while (!(await reader.read()).done);
}

/** `promise`, or an error where it takes longer than that. */
async function inTime<T>(
  promise: Promise<T>,
  giveUpMs = GIVE_UP_MS,
): Promise<T> {
  const { promise: expired, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`no answer in ${giveUpMs / 1000} s`)),
    giveUpMs,
  );
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}
