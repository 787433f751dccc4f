/**
 * A swarm of real clients on the loopback: a relay and a seed in this process,
 * the clients by the library in others.
 *
 *     deno task bench:swarm [CLIENTS] [--processes N] [--mib N] [--rate BYTES]
 *     deno task bench:swarm --few [ROUNDS]
 *
 * 50 clients in 5 processes by default, of which each gives at most 4 MB/s, as
 * the seed does; the time of one copy is what the seed alone needs for one client.
 * With `--few`, 4 and 1 without limits, with and without the swarm. All are at one
 * address, so limits that count connections by address are raised.
 */

import { parseArgs } from "@std/cli/parse-args";
import { parseRate } from "../../lib/base/rate.ts";
import { availableParallelism } from "node:os";
import { cpuUsage } from "node:process";
import { TextLineStream } from "@std/streams";
import type { RelayAddress } from "../../lib/base/address.ts";
import type { Limits } from "../../lib/base/limits.ts";
import type { SwarmOptions } from "../../lib/client/swarming.ts";
import { startNode, startRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { verdict } from "./_figures.ts";
import { median } from "./_measuring.ts";
import { say } from "./_report.ts";

/** What a process of clients is told. */
export interface SwarmClients {
  readonly relay: RelayAddress;
  readonly count: number;
  readonly swarm?: SwarmOptions | undefined;
  readonly limits: Partial<Limits>;
}

interface Fetched {
  /** Seconds of processor time that its process used in all. */
  readonly cpuS: number;
  readonly n: number;
  readonly ms: number;
  readonly nodes: number;
  readonly clients: number;
  readonly why?: string;
}

const MIB = 1024 ** 2;
const WANTED_COPIES = 1.5;
const WANTED_SEED_COPIES = 3;
const WANTED_SLOWER = 1.05;
const LIMITS: Partial<Limits> = {
  connectBurstCount: 10_000,
  relayConnectionsPerAddressCount: 10_000,
  nodeConnectionsPerAddressCount: 10_000,
  handshakesPerAddressCount: 10_000,
};

/** A process of clients that have begun when `begin` is called. */
function startProcess(clients: SwarmClients, folder: string) {
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      Deno.env.get("CLIENTS") ??
        new URL("_swarm_clients.ts", import.meta.url).pathname,
      JSON.stringify(clients),
      folder,
    ],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  return {
    begin: async () => {
      const writer = process.stdin.getWriter();
      await writer.write(new Uint8Array(1));
      await writer.close();
    },
    fetched: async () => {
      const lines = process.stdout.pipeThrough(new TextDecoderStream())
        .pipeThrough(new TextLineStream());
      const all: Fetched[] = [];
      for await (const line of lines) all.push(JSON.parse(line));
      await process.status;
      return all;
    },
  };
}

/** So many clients fetch the file together. */
async function fetchAll(
  { count, processes, rate, isSwarm, lingerMs = 0, bytes }: {
    count: number;
    bytes: number;
    processes: number;
    rate?: number;
    isSwarm: boolean;
    lingerMs?: number;
  },
): Promise<Fetched[]> {
  await using relay = await startRelay({ limits: LIMITS });
  const files = { "big.iso": randomBytes(bytes, seededRandom(1)) };
  const limitRate = rate === undefined ? {} : { limitRate: rate };
  await using _seed = await startNode(relay, files, {
    ...limitRate,
    limits: LIMITS,
  });
  const folder = await Deno.makeTempDir();
  const { host, port } = relay.server.address;
  const limitUpload = rate === undefined ? {} : { limitUpload: rate };
  const started = Array.from({ length: processes }, (_, n) =>
    startProcess({
      relay: { host, port, id: relay.identity.id },
      count: Math.floor((count + n) / processes),
      swarm: isSwarm ? { ...limitUpload, lingerMs } : undefined,
      limits: LIMITS,
    }, folder));
  try {
    await Promise.all(started.map(({ begin }) => begin()));
    const all = await Promise.all(started.map(({ fetched }) => fetched()));
    return all.flat();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Many with limited lines; whether it is as quick as wanted. */
async function many(
  { count, processes, rate, bytes }: {
    count: number;
    processes: number;
    rate: number;
    bytes: number;
  },
): Promise<boolean> {
  const before = cpuS();
  const fetched = await fetchAll({
    ...{ count, processes, rate, bytes, isSwarm: true, lingerMs: 10_000 },
  });
  const own = cpuS() - before;
  for (const { why } of fetched) if (why !== undefined) say(why);
  const times = fetched.map(({ ms }) => ms / 1_000).toSorted((a, b) => a - b);
  const copyS = bytes / rate;
  const lastS = times.at(-1)!;
  const copies = lastS / copyS;
  const seedCopies = fetched.reduce((sum, { nodes }) => sum + nodes, 0) / bytes;
  const isReached = fetched.length === count && copies <= WANTED_COPIES &&
    seedCopies <= WANTED_SEED_COPIES;
  const theirs = fetched.reduce((sum, { n, cpuS }) => sum + (n ? 0 : cpuS), 0);
  const coresS = availableParallelism() * lastS;
  say(
    `${count} clients in ${processes} processes, ${bytes / MIB} MiB at ` +
      `${rate / 1e6} MB/s: median ${median(times).toFixed(1)} s, last ` +
      `${lastS.toFixed(1)} s = ${copies.toFixed(2)} copies; ` +
      `${seedCopies.toFixed(2)} copies came from the seed: ` +
      verdict(isReached),
  );
  say(
    `processor time: ${theirs.toFixed(1)} s of the clients, ` +
      `${own.toFixed(1)} s of the seed and the relay: ` +
      `${(100 * (theirs + own) / coresS).toFixed(0)} % of the cores`,
  );
  return isReached;
}

/** Seconds of processor time that this process has used. */
function cpuS(): number {
  const { user, system } = cpuUsage();
  return (user + system) / 1e6;
}

/** A few without limits, with the swarm and without, in turn. */
async function few(count: number, rounds: number): Promise<boolean> {
  const times: Record<"with" | "without", number[]> = { with: [], without: [] };
  for (let round = 0; round < rounds; round++) {
    for (const which of ["without", "with"] as const) {
      const isSwarm = which === "with";
      const bytes = 32 * MIB;
      const fetched = await fetchAll({
        ...{ count, processes: count, isSwarm, bytes },
      });
      times[which].push(Math.max(...fetched.map(({ ms }) => ms)));
    }
  }
  const [without, within] = [median(times.without), median(times.with)];
  const isReached = within <= WANTED_SLOWER * without;
  say(
    `${count} without limits, until the last is done: ` +
      `${without.toFixed(0)} ms without a swarm, ${within.toFixed(0)} ms ` +
      `with: ${(within / without).toFixed(2)} x: ${verdict(isReached)}`,
  );
  return isReached;
}

async function main(args: string[]): Promise<number> {
  const options = parseArgs(args, {
    string: ["processes", "rate", "mib", "few"],
  });
  const { _: [count = 50], processes = "5", rate = "4M", mib = "32" } = options;
  if (options.few !== undefined) {
    const rounds = Number(options.few || 5);
    const areQuick = [await few(1, rounds), await few(4, rounds)];
    return areQuick.every((is) => is) ? 0 : 1;
  }
  const isQuick = await many({
    count: Number(count),
    processes: Number(processes),
    rate: parseRate(String(rate))!,
    bytes: Number(mib) * MIB,
  });
  return isQuick ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
