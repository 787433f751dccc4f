/**
 * What grows with the number of files and of nodes: seconds and memory of a
 * first `get` of all files, of a second one that finds all of them, and of the
 * largest node. Whole processes on loopback, over TLS, one run a cell.
 *
 *     deno task bench:growth [--files N,N…] [--nodes N,N…]
 */

import { parseArgs } from "@std/cli/parse-args";
import { join } from "@std/path";
import { commandLine, spawnRelay, spawnRole } from "../e2e/_processes.ts";
import { compare, type Input } from "./_inputs.ts";
import { type Cost, peakBytesOf, timeProgram } from "./_measuring.ts";
import { memoryFolder, runInMemory } from "./_memory.ts";
import { print, printTable } from "./_report.ts";

const FILE_BYTES = 4096;
/** Files in one folder. */
const FOLDER_FILES = 1000;
const MIB = 1024 ** 2;
/** For each step: long enough that only stuck processes are ended. */
const MOST_MS = 600_000;

/** What the command line asks for. */
interface Plan {
  readonly files: readonly number[];
  readonly nodes: readonly number[];
}

function parsePlan(args: string[]): Plan | undefined {
  const unknown: string[] = [];
  const options = parseArgs(args, {
    string: ["files", "nodes"],
    unknown: (arg) => void unknown.push(arg),
  });
  const numbers = (text: string) => text.split(",").map(Number);
  const files = numbers(String(options["files"] ?? "1000,10000,100000"));
  const nodes = numbers(String(options["nodes"] ?? "1,8,32"));
  const isValid = unknown.length === 0 &&
    [...files, ...nodes].every((n) => Number.isSafeInteger(n) && n > 0);
  return isValid ? { files, nodes } : undefined;
}

/** A folder of `count` different files of 4 KiB. */
async function makeFiles(folder: string, count: number): Promise<Input> {
  const name = `f${count}/`;
  const bytes = crypto.getRandomValues(new Uint8Array(FILE_BYTES));
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < count; at++) {
    const place = join(folder, name, `d${Math.floor(at / FOLDER_FILES)}`);
    if (at % FOLDER_FILES === 0) await Deno.mkdir(place, { recursive: true });
    view.setUint32(0, at);
    await Deno.writeFile(join(place, `${at % FOLDER_FILES}.bin`), bytes);
  }
  return { directory: folder, name, bytes: count * FILE_BYTES };
}

/** What one number of nodes with one number of files has cost. */
interface Cell {
  readonly first: Cost;
  readonly second: Cost;
  readonly nodePeakBytes: number;
}

/** All of `count` nodes share the same files, and a client gets them twice. */
async function measure(
  input: Input,
  { count, folder, signal }: {
    count: number;
    folder: string;
    signal: AbortSignal;
  },
): Promise<Cell> {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await spawnRelay(["0"]));
  const directory = join(input.directory, input.name);
  const nodes = Array.from({ length: count }, (_, n) =>
    stack.use(
      spawnRole("peer_node.ts", [
        ...["--json", "--host", "127.0.0.1", "--name", `node${n}`],
        ...[relay.address, "0", directory],
      ], { permissions: [`--allow-read=${directory}`] }),
    ));
  for (const node of nodes) {
    await node.stdout.until(/"event":"hashed"/, MOST_MS);
  }
  const output = join(folder, "output");
  const place = join(output, input.name);
  await Deno.mkdir(place, { recursive: true });
  const command = commandLine("peer_client.ts", [
    ...[relay.address, "get", "**", "-o", place],
  ], { permissions: [`--allow-read=${output}`, `--allow-write=${output}`] });
  try {
    const time = () =>
      timeProgram(command, {
        signal: AbortSignal.any([signal, AbortSignal.timeout(MOST_MS)]),
        notes: join(folder, "time"),
      });
    const first = await time();
    await compare(input, output);
    const second = await time();
    const pids = nodes.map(({ pid }) => pid);
    return { first, second, nodePeakBytes: await peakBytesOf(pids) };
  } finally {
    await Deno.remove(output, { recursive: true });
  }
}

const HEAD = [
  "files",
  "nodes",
  "first get",
  "CPU",
  "a file",
  "memory",
  "second get",
  "CPU",
  "memory",
  "node's memory",
];

function rowOf(
  { files, nodes }: { files: number; nodes: number },
  { first, second, nodePeakBytes }: Cell,
): string[] {
  const seconds = (value = NaN) => `${value.toFixed(2)} s`;
  const memory = (bytes = NaN) => `${(bytes / MIB).toFixed(0)} MiB`;
  return [
    ...[String(files), String(nodes)],
    ...[seconds(first.seconds), seconds(first.cpuSeconds)],
    `${(first.seconds / files * 1e6).toFixed(0)} µs`,
    memory(first.peakBytes),
    ...[seconds(second.seconds), seconds(second.cpuSeconds)],
    ...[memory(second.peakBytes), memory(nodePeakBytes)],
  ];
}

async function bench(plan: Plan, signal: AbortSignal): Promise<void> {
  const dir = memoryFolder();
  const folder = await Deno.realPath(
    await Deno.makeTempDir({ ...dir && { dir }, prefix: "relay-p2p-bench-" }),
  );
  print(`load before ${Deno.loadavg()[0]?.toFixed(2)}, files of 4 KiB, TLS`);
  if (dir === undefined) print(`no memory file system: the disk counts too`);
  const rows: string[][] = [HEAD];
  try {
    for (const files of plan.files) {
      const share = join(folder, `share${files}`);
      const input = await makeFiles(share, files);
      for (const nodes of plan.nodes) {
        const options = { count: nodes, folder, signal };
        const cell = await measure(input, options);
        const row = rowOf({ files, nodes }, cell);
        print(row.map((text, at) => `${HEAD[at]} ${text}`).join(", "));
        rows.push(row);
      }
      await Deno.remove(share, { recursive: true });
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  print();
  printTable(rows, { left: [] });
}

async function main(args: string[]): Promise<number> {
  const plan = parsePlan(args);
  if (plan === undefined) {
    print("usage: growth.ts [--files N,N…] [--nodes N,N…]");
    return 2;
  }
  const code = await runInMemory(args);
  if (code !== undefined) return code;
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => interrupted.abort());
  }
  try {
    await bench(plan, interrupted.signal);
    return 0;
  } catch (error) {
    if (interrupted.signal.aborted) return 130;
    throw error;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
