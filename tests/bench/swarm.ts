/**
 * A swarm of real clients on the loopback: a relay and a seed in this process,
 * the clients by the library in others.
 *
 *     deno task bench:swarm [CLIENTS] [--processes N] [--mib N] [--rate BYTES] [--meet]
 *     deno task bench:swarm [CLIENTS] --scripts [--faults] [--mib N] [--rate BYTES]
 *     deno task bench:swarm --few [ROUNDS]
 *     deno task bench:swarm --folder [--rate BYTES]
 *     deno task bench:swarm [CLIENTS] --office [--mib N] [--rate BYTES]
 *
 * 50 clients in 5 processes by default, of which each gives at most 4 MB/s, as
 * the seed does; the time of one copy is what the seed alone needs for one client.
 * With `--meet` the time begins when all clients have begun, and know each other:
 * two cores take long to start 50 clients, where each has its own machine.
 * With `--scripts` each is `peer_client.ts` with the permissions of the README.
 * With `--faults` the first is killed -9 when it has a third, and two more processes
 * announce everything: one sends wrong bytes, and one sends nothing.
 * With `--few`, 4 and 1 without limits, with and without the swarm. With `--folder`
 * 4 fetch 10,000 small files and three images, with and without. All are at one
 * address, so limits that count connections by address are raised. With `--office`
 * they are behind a router, in network namespaces, and no limit is raised.
 */

import { parseArgs } from "@std/cli/parse-args";
import { parseRate } from "../../lib/base/rate.ts";
import { availableParallelism } from "node:os";
import { cpuUsage } from "node:process";
import { delay } from "@std/async/delay";
import { TextLineStream } from "@std/streams";
import type { RelayAddress } from "../../lib/base/address.ts";
import type { Limits } from "../../lib/base/limits.ts";
import type { ClientEvent } from "../../lib/client/events.ts";
import type { SwarmOptions } from "../../lib/client/swarming.ts";
import type { Office } from "../long/_office.ts";
import { startNode, startRelay, type TestRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { startEvil } from "./_evil_clients.ts";
import { verdict } from "./_figures.ts";
import { median } from "./_measuring.ts";
import { print } from "./_report.ts";

/** The parameters of a process of clients. */
export interface SwarmClients {
  readonly relay: RelayAddress;
  readonly count: number;
  readonly swarm?: SwarmOptions | undefined;
  readonly limits: Partial<Limits>;
  /** A folder to fetch in place of `big.iso`. */
  readonly directory?: string | undefined;
}

/** What a client says at its end. */
export interface Fetched {
  /** Seconds of processor time that its process used in all. */
  readonly cpuS: number;
  readonly n: number;
  /** Since it began. */
  readonly ms: number;
  /** The same by the wall clock. */
  readonly endedAt: number;
  readonly nodes: number;
  readonly clients: number;
  /** Of these, bytes of small files. */
  readonly smallClients?: number;
  /** Bytes that it gave to others. */
  readonly given?: number;
  readonly why?: string;
}

const MIB = 1024 ** 2;
// A piece takes a minute, so nobody has one to give.
const TRICKLE = 4_096;
const WANTED_COPIES = 1.5;
const WANTED_FAULTY_COPIES = 2;
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

/** The script, as a person types it, in a folder of its own. */
function startScript(
  relay: string,
  { rate, folder, n, killAt = Infinity }: {
    rate: number;
    folder: string;
    n: number;
    /** Bytes with which it is killed. */
    killAt?: number;
  },
) {
  const lines: Promise<Fetched[]>[] = [];
  const run = async () => {
    const cwd = `${folder}/${n}`;
    await Deno.mkdir(cwd);
    const startedAt = performance.now();
    const words = `get big.iso --swarm --limit-upload ${rate} --linger 30s`;
    const process = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--no-prompt", "--allow-net"],
        ...["--allow-read=.", "--allow-write=."],
        new URL("../../peer_client.ts", import.meta.url).pathname,
        ...[relay, ...words.split(" "), "--json"],
      ],
      cwd,
      stdin: "null",
      stdout: "piped",
    }).spawn();
    const all: Fetched[] = [];
    for await (const event of eventsOf(process.stdout)) {
      if (event.event === "progress" && event.received >= killAt) {
        process.kill("SIGKILL");
        break;
      }
      if (event.event !== "file_received") continue;
      const ms = performance.now() - startedAt;
      const sum = (wanted: boolean) =>
        event.from.filter(({ isHolder = false }) => isHolder === wanted)
          .reduce((sum, { bytes }) => sum + bytes, 0);
      const endedAt = Date.now();
      const [nodes, clients] = [sum(false), sum(true)];
      all.push({ n, ms, endedAt, nodes, clients, cpuS: 0 });
    }
    await process.status;
    return all;
  };
  return {
    begin: () => {
      lines.push(run());
      return Promise.resolve();
    },
    fetched: () => lines[0]!,
  };
}

/** Lines of `--json`. */
async function* eventsOf(
  stdout: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<ClientEvent> {
  const lines = stdout.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream());
  for await (const line of lines) yield JSON.parse(line);
}

/** Clients that fetch together, and what. */
interface Fleet {
  readonly count: number;
  readonly processes: number;
  readonly rate?: number;
  readonly isSwarm: boolean;
  readonly lingerMs?: number;
  /** Bytes of `big.iso`. */
  readonly bytes: number;
  /** Files of the folder that is fetched in its place. */
  readonly set?: Readonly<Record<string, string | Uint8Array>>;
  /** Whether each is the script. */
  readonly areScripts?: boolean;
  /** Whether one of them is killed, and two others do harm. */
  readonly hasFaults?: boolean;
  /** Whether the seed sends next to nothing until all know each other. */
  readonly meets?: boolean;
}

/** So many clients fetch the file together. */
async function fetchAll(
  fleet: Fleet,
): Promise<Fetched[]> {
  const { count, processes, rate, isSwarm, lingerMs = 0 } = fleet;
  const { bytes, set, areScripts, meets = false, hasFaults = false } = fleet;
  await using relay = await startRelay({ limits: LIMITS });
  const files = set ??
    { "big.iso": randomBytes(bytes, seededRandom(1)) };
  const limitRate = rate === undefined
    ? {}
    : { limitRate: meets ? TRICKLE : rate };
  await using seed = await startNode(relay, files, {
    ...limitRate,
    limits: LIMITS,
  });
  // Which contents files have is known once they are hashed.
  const all = Object.keys(files).length;
  await seed.log.until("hashed", ({ files }) => files === all);
  const folder = await Deno.makeTempDir();
  await using _evil = hasFaults
    ? await startEvil(relay.server.relayAddress, `${seed.directory}/big.iso`)
    : undefined;
  const { host, port } = relay.server.address;
  const limitUpload = rate === undefined ? {} : { limitUpload: rate };
  const started = Array.from(
    { length: processes },
    (_, n) =>
      areScripts
        ? startScript(relay.server.relayAddress, {
          ...{ rate: rate!, folder, n },
          ...hasFaults && n === 0 ? { killAt: bytes / 3 } : {},
        })
        : startProcess({
          relay: { host, port, id: relay.identity.id },
          count: Math.floor((count + n) / processes),
          swarm: isSwarm ? { ...limitUpload, lingerMs } : undefined,
          limits: LIMITS,
          directory: set && "set",
        }, folder),
  );
  try {
    await Promise.all(started.map(({ begin }) => begin()));
    const metAt = meets ? await allMet(relay, count) : undefined;
    if (meets) await seed.server.change({ limitRate: rate! });
    const all = await Promise.all(started.map(({ fetched }) => fetched()));
    return all.flat().map((one) =>
      metAt === undefined ? one : { ...one, ms: one.endedAt - metAt }
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** When all clients were listed, and had asked for each other twice more. */
async function allMet(
  { server }: TestRelay,
  count: number,
): Promise<number> {
  while (server.stats().holderCount < count) await delay(50);
  const enough = server.stats().holderLookups + 2 * count;
  while (server.stats().holderLookups < enough) await delay(50);
  return Date.now();
}

/** Many with limited lines; whether it is as quick as wanted. */
async function many(
  fleet: Omit<Fleet, "isSwarm"> & { readonly rate: number },
): Promise<boolean> {
  const { count, processes, rate, bytes, areScripts = false, meets } = fleet;
  const { hasFaults = false } = fleet;
  const before = cpuS();
  const fetched = await fetchAll({
    ...fleet,
    ...{ isSwarm: true, lingerMs: 10_000 },
  });
  const own = cpuS() - before;
  for (const { why } of fetched) if (why !== undefined) print(why);
  const times = fetched.map(({ ms }) => ms / 1_000).toSorted((a, b) => a - b);
  const copyS = bytes / rate;
  const lastS = times.at(-1)!;
  const copies = lastS / copyS;
  const seedCopies = fetched.reduce((sum, { nodes }) => sum + nodes, 0) / bytes;
  const wantedCount = hasFaults ? count - 1 : count;
  const wantedCopies = hasFaults ? WANTED_FAULTY_COPIES : WANTED_COPIES;
  const isReached = fetched.length === wantedCount &&
    copies <= wantedCopies && seedCopies <= WANTED_SEED_COPIES;
  const theirs = fetched.reduce((sum, { n, cpuS }) => sum + (n ? 0 : cpuS), 0);
  const coresS = availableParallelism() * lastS;
  print(
    `${count} clients in ${processes} processes, ${bytes / MIB} MiB at ` +
      `${rate / 1e6} MB/s${meets ? ", once all have met" : ""}${
        hasFaults ? ", one killed, a liar and an idler" : ""
      }: median ${median(times).toFixed(1)} s, last ` +
      `${lastS.toFixed(1)} s = ${copies.toFixed(2)} copies; ` +
      `${seedCopies.toFixed(2)} copies came from the seed: ` +
      verdict(isReached),
  );
  if (areScripts) return isReached;
  print(
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
  const cpus: typeof times = { with: [], without: [] };
  for (let round = 0; round < rounds; round++) {
    for (const which of ["without", "with"] as const) {
      const isSwarm = which === "with";
      const bytes = 32 * MIB;
      const fetched = await fetchAll({
        ...{ count, processes: count, isSwarm, bytes },
      });
      times[which].push(Math.max(...fetched.map(({ ms }) => ms)));
      cpus[which].push(fetched.reduce((sum, { cpuS }) => sum + cpuS, 0));
    }
  }
  const [without, within] = [median(times.without), median(times.with)];
  const isReached = within <= WANTED_SLOWER * without;
  print(
    `${count} without limits, until the last is done: ` +
      `${without.toFixed(0)} ms without a swarm, ${within.toFixed(0)} ms ` +
      `with: ${(within / without).toFixed(2)} x: ${verdict(isReached)}; ` +
      `processor time of the clients ${median(cpus.without).toFixed(2)} s ` +
      `and ${median(cpus.with).toFixed(2)} s`,
  );
  return isReached;
}

/** A folder with small files and images, with the swarm and without. */
async function folder(rate: number): Promise<boolean> {
  const random = seededRandom(1);
  const images = Array.from(
    { length: 3 },
    (_, n) => [`set/${n}.iso`, randomBytes(16 * MIB, random)] as const,
  );
  const small = Array.from(
    { length: 10_000 },
    (_, n) => [`set/${n % 100}/${n}.txt`, `text ${n}`] as const,
  );
  const set = Object.fromEntries([...images, ...small]);
  let isReached = true;
  for (const isSwarm of [false, true]) {
    const fetched = await fetchAll({
      ...{ count: 4, processes: 4, rate, bytes: 0, set, isSwarm },
    });
    for (const { why } of fetched) if (why !== undefined) print(why);
    const sum = (of: (one: Fetched) => number) =>
      fetched.reduce((sum, one) => sum + of(one), 0);
    const nodes = sum(({ nodes }) => nodes);
    const clients = sum(({ clients }) => clients);
    const smallClients = sum(({ smallClients = 0 }) => smallClients);
    const lastS = Math.max(...fetched.map(({ ms }) => ms)) / 1_000;
    isReached &&= smallClients === 0 && clients > 0 === isSwarm;
    print(
      `4 clients, 10,000 small files and 3 images of 16 MiB at ` +
        `${rate / 1e6} MB/s, ${isSwarm ? "with" : "without"} the swarm: ` +
        `${lastS.toFixed(1)} s; ${
          (nodes / MIB).toFixed(0)
        } MiB from the seed, ` +
        `${(clients / MIB).toFixed(0)} MiB from others, of small files ` +
        `${smallClients} bytes`,
    );
  }
  print(verdict(isReached));
  return isReached;
}

/** Many behind one address; whether all take part. */
async function office(office: Office): Promise<boolean> {
  const { fetchInOffice } = await import("../long/_office.ts");
  const { count, rate, bytes } = office;
  const fetched = await fetchInOffice(office);
  for (const { why } of fetched) if (why !== undefined) print(why);
  const copyS = bytes / rate;
  const lastS = Math.max(...fetched.map(({ ms }) => ms)) / 1_000;
  const seed = fetched.reduce((sum, { nodes }) => sum + nodes, 0) / bytes;
  const got = fetched.filter(({ clients }) => clients > 0).length;
  const gave = fetched.filter(({ given = 0 }) => given > 0).length;
  const isReached = fetched.length === count && got === count;
  print(
    `${count} clients behind one address, ${bytes / MIB} MiB at ` +
      `${rate / 1e6} MB/s: ${got} got pieces from others, ${gave} gave some; ` +
      `last ${lastS.toFixed(1)} s = ${(lastS / copyS).toFixed(2)} copies, ` +
      `${seed.toFixed(2)} copies came from the seed: ${verdict(isReached)}`,
  );
  return isReached;
}

async function main(args: string[]): Promise<number> {
  const options = parseArgs(args, {
    string: ["processes", "rate", "mib", "few"],
    boolean: ["scripts", "faults", "folder", "meet", "office"],
  });
  const areScripts = options.scripts === true;
  const { _: [count = areScripts ? 10 : 50] } = options;
  const { processes = areScripts ? count : 5, rate = "4M", mib = "32" } =
    options;
  if (options.few !== undefined) {
    const rounds = Number(options.few || 5);
    const areQuick = [await few(1, rounds), await few(4, rounds)];
    return areQuick.every((is) => is) ? 0 : 1;
  }
  if (options.folder) return await folder(parseRate(String(rate))!) ? 0 : 1;
  const bytes = Number(mib) * MIB;
  if (options.office) {
    const fleet = { count: Number(count), processes: Number(processes), bytes };
    return await office({ ...fleet, rate: parseRate(String(rate))! }) ? 0 : 1;
  }
  const isQuick = await many({
    ...{ count: Number(count), areScripts, meets: options.meet === true },
    hasFaults: options.faults === true,
    processes: Number(processes),
    rate: parseRate(String(rate))!,
    bytes,
  });
  return isQuick ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
