/**
 * What a gateway costs: a file by `curl` through it beside the command `cat`, in
 * turns; the first byte of a large file, and the first after a seek; and its
 * memory while many readers read at once. The node knows the hashes of both.
 *
 *     deno task bench:gateway [--runs N] [--size MIB] [--film MIB] [--readers N]
 */

import { parseArgs } from "@std/cli/parse-args";
import { join } from "@std/path";
import { randomBytes, seededRandom } from "../_random.ts";
import { statusFrom, WebClient } from "../http/_web_client.ts";
import { tempShare } from "../_temp_share.ts";
import {
  commandLine,
  type RoleProcess,
  spawnNode,
  spawnRelay,
  spawnRole,
} from "../e2e/_processes.ts";
import {
  cpuSecondsOf,
  median,
  peakBytesOf,
  resetPeakOf,
  timeProgram,
} from "./_measuring.ts";
import { print } from "./_report.ts";

const MIB = 1024 ** 2;
const NAME = "big.bin";
const FILM = "film.mkv";
/** What each of the readers reads. */
const READER_BYTES = 16 * MIB;
const SEEKS = 9;
const SLOW_READERS = 1_000;
const HONEST_REQUESTS = 100;

/** What the command line asks for. */
interface Plan {
  readonly runs: number;
  readonly bytes: number;
  readonly filmBytes: number;
  readonly readers: number;
}

function parsePlan(args: string[]): Plan | undefined {
  const names = ["runs", "size", "film", "readers"];
  const options = parseArgs(args, { string: names });
  const runs = Number(options["runs"] ?? 5);
  const bytes = Number(options["size"] ?? 1024) * MIB;
  const filmBytes = Number(options["film"] ?? 4096) * MIB;
  const readers = Number(options["readers"] ?? 50);
  const isValid = [runs, bytes, filmBytes, readers]
    .every((count) => Number.isSafeInteger(count) && count > 0);
  return isValid && options._.length === 0
    ? { runs, bytes, filmBytes, readers }
    : undefined;
}

async function writeFiles(
  folder: string,
  { bytes, filmBytes }: Plan,
): Promise<void> {
  const random = seededRandom(1);
  using file = await Deno.create(join(folder, NAME));
  for (let at = 0; at < bytes; at += MIB) {
    await file.write(randomBytes(MIB, random));
  }
  using film = await Deno.create(join(folder, FILM));
  await film.truncate(filmBytes); // takes no room
}

async function addressOf({ stderr }: RoleProcess): Promise<string> {
  const [, address] = await stderr.until(/^the gateway is at (\S+)$/);
  return address!;
}

/** Until the first byte from `start` on has arrived; then the reader leaves. */
async function firstByteSeconds(url: URL, start: number): Promise<number> {
  const from = performance.now();
  const answer = await fetch(url, { headers: { Range: `bytes=${start}-` } });
  const reader = answer.body!.getReader();
  await reader.read();
  const seconds = (performance.now() - from) / 1_000;
  await reader.cancel();
  return seconds;
}

/** Reads a part, and keeps nothing. */
async function readPart(url: URL, start: number): Promise<void> {
  const range = `bytes=${start}-${start + READER_BYTES - 1}`;
  const answer = await fetch(url, { headers: { Range: range } });
  let count = 0;
  for await (const part of answer.body!) count += part.length;
  if (count !== READER_BYTES) throw new Error(`${count} bytes came`);
}

/** One whole file after the other, through the gateway and by `cat`. */
async function compare(
  { runs, url, relay, gateway }: {
    readonly runs: number;
    readonly url: URL;
    readonly relay: string;
    readonly gateway: number;
  },
): Promise<void> {
  const curl = ["curl", "-sS", "-o", "/dev/null", url.href];
  const cat = commandLine("peer_client.ts", [relay, "cat", NAME]);
  const notes = await Deno.makeTempFile();
  const { signal } = new AbortController();
  const took = { curl: [] as number[], cat: [] as number[] };
  const cpu = { gateway: [] as number[], cat: [] as number[] };
  for (let run = 0; run < runs; run++) {
    const before = await cpuSecondsOf([gateway]);
    took.curl.push((await timeProgram(curl, { signal, notes })).seconds);
    cpu.gateway.push(await cpuSecondsOf([gateway]) - before);
    const { seconds, cpuSeconds } = await timeProgram(cat, { signal, notes });
    took.cat.push(seconds);
    cpu.cat.push(cpuSeconds ?? NaN);
  }
  await Deno.remove(notes);
  const ratio = median(took.curl.map((one, run) => one / took.cat[run]!));
  print(
    `curl through it: ${inSeconds(took.curl)}, processor of the gateway ${
      inSeconds(cpu.gateway)
    }`,
  );
  print(
    `cat:             ${inSeconds(took.cat)}, its processor ${
      inSeconds(cpu.cat)
    }`,
  );
  print(`curl takes ${ratio.toFixed(2)} times as long (wanted: 1.3)`);
}

/** The middle of some times, and all of them. */
function inSeconds(values: readonly number[]): string {
  const all = values.map((value) => value.toFixed(2)).join(" ");
  return `${median(values).toFixed(2)} s (${all})`;
}

function inMib(count: number): string {
  return `${(count / MIB).toFixed(0)} MiB`;
}

/**
 * Readers of one address that take nothing, and the requests of another address
 * meanwhile, and of their own.
 */
async function crowd(film: URL, gateway: number): Promise<void> {
  const at = { host: film.hostname, port: Number(film.port) };
  const head = `GET ${film.pathname} HTTP/1.1\r\nHost: ${film.host}`;
  const slow: WebClient[] = [];
  await resetPeakOf(gateway);
  for (let n = 0; n < SLOW_READERS; n++) {
    const client = await WebClient.to(at);
    slow.push(client);
    await client.send(`${head}\r\n\r\n`).catch(() => {}); // it was refused
  }
  for (
    const [whose, address] of [["another", "127.0.0.2"], ["their", "127.0.0.1"]]
  ) {
    const seconds: number[] = [];
    let served = 0;
    for (let n = 0; n < HONEST_REQUESTS; n++) {
      const from = performance.now();
      const range = `Range: bytes=${n * MIB}-${
        n * MIB + 9
      }\r\nConnection: close`;
      const status = await statusFrom(address!, at, `${head}\r\n${range}`);
      if (status === 206) served++;
      seconds.push((performance.now() - from) / 1_000);
    }
    seconds.sort((a, b) => a - b);
    const p95 = seconds[Math.floor(seconds.length * 0.95)]!;
    print(
      `beside ${SLOW_READERS} readers that take nothing, from ${whose} address: ${served} of ${HONEST_REQUESTS} requests served, 95 % within ${
        p95.toFixed(3)
      } s; peak memory ${inMib(await peakBytesOf([gateway]))}`,
    );
  }
  for (const client of slow) client[Symbol.dispose]();
}

async function main(): Promise<number> {
  const plan = parsePlan(Deno.args);
  if (plan === undefined) {
    print(
      "Usage: deno task bench:gateway [--runs N] [--size MIB] [--film MIB] \
[--readers N]",
    );
    return 2;
  }
  const { runs, bytes, filmBytes, readers } = plan;
  await using folder = await tempShare();
  await writeFiles(folder.path, plan);
  await using relay = await spawnRelay();
  await using _node = await spawnNode(relay.port, folder.path);
  for (const name of [NAME, FILM]) await learnHashes(relay.address, name);
  await using gateway = spawnRole("peer_client.ts", [
    ...[relay.address, "gateway", "0"],
  ]);
  const address = await addressOf(gateway);
  const url = new URL(`files/${NAME}`, address);
  const film = new URL(`files/${FILM}`, address);

  const first = await firstByteSeconds(film, 0);
  print(`first byte of ${inMib(filmBytes)}: ${first.toFixed(3)} s (wanted: 1)`);
  const seeks: number[] = [];
  for (let n = 1; n <= SEEKS; n++) {
    const start = Math.floor(filmBytes * ((n * 0.37) % 1));
    seeks.push(await firstByteSeconds(film, start));
  }
  print(`first byte after a seek: ${inSeconds(seeks)} (wanted: 0.5)`);

  const before = await peakBytesOf([gateway.pid]);
  await resetPeakOf(gateway.pid);
  const last = filmBytes - READER_BYTES;
  const starts = Array.from(
    { length: readers },
    (_, n) => Math.floor(last * n / readers),
  );
  await Promise.all(starts.map((start) => readPart(film, start)));
  const peak = await peakBytesOf([gateway.pid]);
  print(
    `peak memory: ${inMib(before)}, with ${readers} readers ${
      inMib(peak)
    } (wanted: 200 MiB)`,
  );

  await crowd(film, gateway.pid);

  print(`${inMib(bytes)}, in turns:`);
  await compare({ runs, url, relay: relay.address, gateway: gateway.pid });
  print(`peak memory in all: ${inMib(await peakBytesOf([gateway.pid]))}`);
  return 0;
}

/** Has the node hash a file, which it does when it is first asked for it. */
async function learnHashes(relay: string, name: string): Promise<void> {
  const [program, ...args] = commandLine("peer_client.ts", [
    ...[relay, "cat", name, "--range", "0-0"],
  ]);
  const { success } = await new Deno.Command(program!, {
    ...{ args, stdout: "null", stderr: "inherit" },
  }).output();
  if (!success) throw new Error(`cannot read ${name}`);
}

Deno.exit(await main());
