/**
 * A swarm of real clients on the loopback: a relay and a seed in this process,
 * the clients by the library in others.
 *
 *     deno task bench:swarm [CLIENTS] [--processes N]
 *
 * 50 clients in 5 processes by default, of which each gives at most 4 MB/s, as
 * the seed does; then 4 and 1 without limits, with and without the swarm. All are
 * at one address, so limits that count connections by address are raised.
 */

import { parseArgs } from "@std/cli/parse-args";
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
  readonly ms: number;
  readonly nodes: number;
  readonly clients: number;
  readonly why?: string;
}

const MIB = 1024 ** 2;
const BYTES = 32 * MIB;
const RATE = 4_000_000;
const WANTED_COPIES = 1.5;
const WANTED_SEED_COPIES = 3;
const WANTED_SLOWER = 1.05;
const ROUNDS = 5;
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
  { count, processes, rate, isSwarm, lingerMs = 0 }: {
    count: number;
    processes: number;
    rate?: number;
    isSwarm: boolean;
    lingerMs?: number;
  },
): Promise<Fetched[]> {
  await using relay = await startRelay({ limits: LIMITS });
  const files = { "big.iso": randomBytes(BYTES, seededRandom(1)) };
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
async function many(count: number, processes: number): Promise<boolean> {
  const fetched = await fetchAll({
    ...{ count, processes, rate: RATE, isSwarm: true, lingerMs: 10_000 },
  });
  for (const { why } of fetched) if (why !== undefined) say(why);
  const times = fetched.map(({ ms }) => ms / 1_000).toSorted((a, b) => a - b);
  const copyS = BYTES / RATE;
  const copies = times.at(-1)! / copyS;
  const seedCopies = fetched.reduce((sum, { nodes }) => sum + nodes, 0) / BYTES;
  const isReached = fetched.length === count && copies <= WANTED_COPIES &&
    seedCopies <= WANTED_SEED_COPIES;
  say(
    `${count} clients in ${processes} processes, 4 MB/s each: median ` +
      `${median(times).toFixed(1)} s, last ${times.at(-1)!.toFixed(1)} s = ` +
      `${copies.toFixed(2)} copies; ${
        seedCopies.toFixed(2)
      } copies came from ` +
      `the seed: ${verdict(isReached)}`,
  );
  return isReached;
}

/** A few without limits, with the swarm and without, in turn. */
async function few(count: number): Promise<boolean> {
  const times: Record<"with" | "without", number[]> = { with: [], without: [] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const which of ["without", "with"] as const) {
      const isSwarm = which === "with";
      const fetched = await fetchAll({ count, processes: count, isSwarm });
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
  const { _: [count = 50], processes = "5" } = parseArgs(args, {
    string: ["processes"],
  });
  const isQuick = await many(Number(count), Number(processes));
  const areFewQuick = [await few(1), await few(4)];
  return isQuick && areFewQuick.every((is) => is) ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
