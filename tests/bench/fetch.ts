/**
 * How fast files are fetched, beside programs that do the same: whole processes
 * on loopback, from spawn to exit, taking turns in the same run, and every
 * output compared with its input. Says at the end what was reached.
 *
 *     deno task bench:fetch [--runs N] [--size MIB] [only…]
 *
 * What is not installed is left out, and named.
 */

import { parseArgs } from "@std/cli/parse-args";
import { join } from "@std/path";
import {
  type Contender,
  type ContenderName,
  CONTENDERS,
  type ContenderSpec,
  SLOW_NODE_RATE,
  SLOW_NODES,
  Stage,
} from "./_contenders.ts";
import { compare, Inputs } from "./_inputs.ts";
import { memoryFolder, runInMemory } from "./_memory.ts";
import { cpuSecondsOf, peakBytesOf, timeProgram } from "./_measuring.ts";
import {
  type Comparison,
  formatSeconds,
  print,
  printComparisons,
  printCosts,
  type Result,
  type Run,
} from "./_report.ts";

const COMPARISONS: readonly Comparison[] = [
  { word: "tls", ours: "oursTls", other: "curlHttps", target: 1 },
  { word: "tls", ours: "oursTls", other: "floorTls" },
  {
    word: "tls",
    ours: "oursTls",
    other: "floorTls",
    target: 1.25,
    by: "processor",
  },
  {
    word: "plaintext",
    ours: "oursPlaintext",
    other: "curlHttp",
    target: 1.1,
  },
  {
    word: "plaintext",
    ours: "oursPlaintext",
    other: "curlAndDigest",
    target: 0.6,
  },
  { word: "plaintext", ours: "oursPlaintext", other: "floorPlaintext" },
  {
    word: "plaintext",
    ours: "oursPlaintext",
    other: "floorPlaintext",
    by: "processor",
  },
  { word: "aria2", ours: "oursTls", other: "ariaHttps" },
  { word: "aria2", ours: "oursPlaintext", other: "ariaHttp" },
  {
    word: "libtorrent",
    ours: "oursPlaintext",
    other: "libtorrent",
    target: 1 / 2,
  },
  { word: "libtorrent", ours: "oursTls", other: "libtorrent" },
  { word: "rsync", ours: "oursMany", other: "rsync", target: 2 },
  { word: "again", ours: "oursAgain", other: "rsyncAgain", target: 2 },
  { word: "others", ours: "oursOfEight", other: "oursMany", target: 1.15 },
  {
    word: "limits",
    ours: "oursSlow",
    other: { bytesPerSecond: SLOW_NODES * SLOW_NODE_RATE },
    target: 0.95,
  },
];

const WORDS = [...new Set(COMPARISONS.map(({ word }) => word))];

/** What the command line asks for. */
interface Plan {
  readonly runs: number;
  readonly sizeMib: number;
  readonly comparisons: readonly Comparison[];
}

function parsePlan(args: string[]): Plan | undefined {
  const unknown: string[] = [];
  const options = parseArgs(args, {
    string: ["runs", "size"],
    unknown: (arg, key) => {
      if (key !== undefined) unknown.push(arg);
    },
  });
  const runs = Number(options["runs"] ?? 5);
  const sizeMib = Number(options["size"] ?? 1024);
  const only = options._.map(String);
  const isValid = unknown.length === 0 &&
    Number.isSafeInteger(runs) && runs > 0 &&
    Number.isSafeInteger(sizeMib) && sizeMib > 0 &&
    only.every((word) => WORDS.includes(word));
  if (!isValid) return undefined;
  const comparisons = COMPARISONS.filter(({ word }) =>
    only.length === 0 || only.includes(word)
  );
  return { runs, sizeMib, comparisons };
}

/** The contenders of some comparisons, in their order. */
function contendersOf(comparisons: readonly Comparison[]): ContenderName[] {
  const wanted = new Set(
    comparisons.flatMap(({ ours, other }) =>
      typeof other === "string" ? [ours, other] : [ours]
    ),
  );
  return (Object.keys(CONTENDERS) as ContenderName[])
    .filter((name) => wanted.has(name));
}

/** Runs a contender once and checks what it brought. */
async function runOnce(
  { contender: { command, input, nodes, label, keepsOutput } }: Result,
  inputs: Inputs,
  signal: AbortSignal,
): Promise<Run> {
  const output = keepsOutput
    ? await inputs.keptOutput(label)
    : await inputs.emptyOutput();
  const nodeCpuBefore = await cpuSecondsOf(nodes);
  const cost = await timeProgram(command(output), {
    signal,
    notes: join(inputs.folder, "time"),
  });
  const nodeCpuSeconds = await cpuSecondsOf(nodes) - nodeCpuBefore;
  await compare(input, output);
  return { ...cost, nodeCpuSeconds };
}

/** All rounds. What fails is out of those that follow. */
async function runAll(
  results: ReadonlyMap<ContenderName, Result>,
  { runs, sizeMib }: Plan,
  { inputs, signal }: { inputs: Inputs; signal: AbortSignal },
): Promise<void> {
  // Long enough for anything that is not stuck.
  const deadlineMs = 30_000 + 50 * sizeMib;
  // Round 0 does not count: it fills the caches of all alike.
  for (let round = 0; round <= runs; round++) {
    const line: string[] = [];
    for (const result of results.values()) {
      if (result.failure !== undefined) continue;
      const { label, nodes } = result.contender;
      const deadline = AbortSignal.timeout(deadlineMs);
      try {
        const run = await runOnce(
          result,
          inputs,
          AbortSignal.any([signal, deadline]),
        );
        if (round > 0) result.runs.push(run);
        result.nodePeakBytes = await peakBytesOf(nodes);
        line.push(`${label} ${formatSeconds(run.seconds)}`);
      } catch (error) {
        signal.throwIfAborted();
        result.failure = deadline.aborted
          ? `not done in ${deadlineMs / 1000} s`
          : error instanceof Error
          ? error.message
          : String(error);
        line.push(`${label} FAILED: ${result.failure}`);
      }
    }
    print(`${round === 0 ? "warm-up" : `run ${round}`}: ${line.join("; ")}`);
  }
}

/** Resolves to an exit code: 1 when anything failed or differed. */
async function bench(plan: Plan, signal: AbortSignal): Promise<number> {
  await using stack = new AsyncDisposableStack();
  const inputs = stack.use(await Inputs.open(plan.sizeMib, signal));
  const stage = new Stage(inputs, stack);
  const results = new Map<ContenderName, Result>();
  const absent: string[] = [];
  print(
    `big file of ${plan.sizeMib} MiB, ${plan.runs} timed runs after a warm-up, ` +
      `load before ${Deno.loadavg()[0]?.toFixed(2)}`,
  );
  if (memoryFolder() === undefined) {
    print(`no memory file system: the disk of ${inputs.folder} counts too`);
  }
  for (const name of contendersOf(plan.comparisons)) {
    signal.throwIfAborted();
    const spec: ContenderSpec = CONTENDERS[name];
    const missing = await spec.missing();
    if (missing.length > 0) {
      absent.push(`${spec.label} (${missing.join(", ")})`);
      continue;
    }
    const input = await inputs.get(spec.input);
    const contender: Contender = {
      label: spec.label,
      input,
      nodes: [],
      ...await spec.start(stage, input),
    };
    results.set(name, { contender, runs: [], nodePeakBytes: 0 });
  }
  await runAll(results, plan, { inputs, signal });
  print();
  printComparisons(plan.comparisons, results);
  print();
  printCosts([...results.values()]);
  if (absent.length > 0) {
    print(`\nleft out, not installed: ${absent.join("; ")}`);
  }
  const failed = [...results.values()].filter(({ failure }) => failure);
  for (const { contender, failure } of failed) {
    print(`\nFAILED: ${contender.label}: ${failure}`);
  }
  return failed.length > 0 ? 1 : 0;
}

async function main(args: string[]): Promise<number> {
  const plan = parsePlan(args);
  if (plan === undefined) {
    print(`usage: fetch.ts [--runs N] [--size MIB] [${WORDS.join("|")}]…`);
    return 2;
  }
  const code = await runInMemory(args);
  if (code !== undefined) return code;
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, interrupt);
  }
  try {
    return await bench(plan, interrupted.signal);
  } catch (error) {
    if (interrupted.signal.aborted) return 130;
    throw error;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
