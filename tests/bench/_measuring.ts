/**
 * What a program cost: wall time from spawn to exit, processor time, memory.
 * Linux only, as the numbers come from GNU time and `/proc`.
 */

import { hasTool } from "../_tools.ts";

const GNU_TIME = "/usr/bin/time";
const CLOCK_TICKS_PER_SECOND = 100; // sysconf(_SC_CLK_TCK), on every Linux

/** What one run of a program cost. */
export interface Cost {
  readonly seconds: number;
  /** User and system time; unknown without GNU time. */
  readonly cpuSeconds: number | undefined;
  /** Peak resident memory; unknown without GNU time. */
  readonly peakBytes: number | undefined;
}

/** Options of {@linkcode timeProgram}. */
export interface TimeOptions {
  /** Ends the program when aborted. */
  signal: AbortSignal;
  /** A file that may be written, for what GNU time says. */
  notes: string;
}

/**
 * Runs a program to its end.
 *
 * @throws when it does not exit with 0, or `signal` was aborted.
 */
export async function timeProgram(
  command: readonly string[],
  { signal, notes }: TimeOptions,
): Promise<Cost> {
  signal.throwIfAborted();
  const isMeasured = hasTool(GNU_TIME);
  const [program = "", ...args] = isMeasured
    ? [GNU_TIME, "-q", "-f", "%U %S %M", "-o", notes, ...command]
    : command;
  const startedAt = performance.now();
  const child = new Deno.Command(program, {
    args,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const end = () => void endProgram(child, isMeasured);
  signal.addEventListener("abort", end);
  try {
    const { code, stderr } = await child.output();
    const seconds = (performance.now() - startedAt) / 1000;
    signal.throwIfAborted();
    if (code !== 0) {
      const said = new TextDecoder().decode(stderr).trim();
      throw new Error(`exit code ${code}: ${said}`);
    }
    if (!isMeasured) {
      return { seconds, cpuSeconds: undefined, peakBytes: undefined };
    }
    const [user = NaN, system = NaN, kib = NaN] =
      (await Deno.readTextFile(notes)).trim().split(" ").map(Number);
    return { seconds, cpuSeconds: user + system, peakBytes: kib * 1024 };
  } finally {
    signal.removeEventListener("abort", end);
  }
}

/** Ends what runs under GNU time, which then ends too and leaves no orphan. */
async function endProgram(
  child: Deno.ChildProcess,
  isMeasured: boolean,
): Promise<void> {
  const { pid } = child;
  const pids = isMeasured
    ? (await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`)
      .catch(() => "")).trim().split(" ").filter(Boolean).map(Number)
    : [pid];
  for (const each of pids) {
    try {
      Deno.kill(each, "SIGKILL");
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // ended now
    }
  }
}

/** Processor time that processes have used since they started, in seconds. */
export async function cpuSecondsOf(
  pids: readonly (number | string)[],
): Promise<number> {
  let ticks = 0;
  for (const pid of pids) {
    const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
    // Counted from behind the name, which may hold spaces: see proc_pid_stat(5).
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / CLOCK_TICKS_PER_SECOND;
}

/** The most memory that any of the processes has had, since it started. */
export async function peakBytesOf(pids: readonly number[]): Promise<number> {
  let most = 0;
  for (const pid of pids) {
    const status = await Deno.readTextFile(`/proc/${pid}/status`);
    const kib = Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1]);
    most = Math.max(most, kib * 1024);
  }
  return most;
}

/** From here on, the peak of a process counts from here. */
export async function resetPeakOf(pid: number): Promise<void> {
  await Deno.writeTextFile(`/proc/${pid}/clear_refs`, "5");
}

/** The middle of some numbers. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? sorted[middle]!
    : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
