/**
 * What it costs to come through the relay: a big file fetched directly, by a
 * tunnel, and through socat in the tunnel's place, with the same TLS between the
 * same programs; then a hundred tunnels at once.
 *
 *     deno task bench:tunnel [--runs N] [--size MIB] [fetch|many]…
 */

import { parseArgs } from "@std/cli/parse-args";
import { join } from "@std/path";
import { type Conn, type Endpoint, writeAll } from "../../lib/base/conn.ts";
import { createIdentity } from "../../lib/identity/identity.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { loadIdentity } from "../../lib/identity/identity_file.ts";
import { tempShare } from "../_temp_share.ts";
import {
  answerTo,
  attachNode,
  openTunnel,
  showKeyAt,
} from "../_tunnel_ends.ts";
import { commandLine, spawnNode, spawnRelay } from "../e2e/_processes.ts";
import { accessTo } from "../e2e/_transfer.ts";
import { compare, Inputs } from "./_inputs.ts";
import { runInMemory } from "./_memory.ts";
import {
  cpuSecondsOf,
  median,
  peakBytesOf,
  timeProgram,
} from "./_measuring.ts";
import { formatSeconds, print } from "./_report.ts";
import { findProgram } from "./_servers.ts";

const WORDS = ["fetch", "many"] as const;
const WAYS = ["direct", "tunnel", "socat"] as const;
type FolderPath = typeof WAYS[number];

const MIB = 1024 ** 2;
/** Of the speed of a direct fetch. */
const DIRECT_TARGET = 0.7;
const SOCAT_TARGET = 1;
const TUNNELS = 100;
const TUNNEL_BYTES = 20 * MIB;
const RELAY_TARGET_BYTES = 150 * MIB;

/** What the command line asks for. */
interface Plan {
  readonly runs: number;
  readonly sizeMib: number;
  readonly words: readonly string[];
}

function parsePlan(args: string[]): Plan | undefined {
  const options = parseArgs(args, { string: ["runs", "size"] });
  const runs = Number(options["runs"] ?? 5);
  const sizeMib = Number(options["size"] ?? 1024);
  const words = options._.map(String);
  const isValid = Number.isSafeInteger(runs) && runs > 0 &&
    Number.isSafeInteger(sizeMib) && sizeMib > 0 &&
    words.every((word) => WORDS.some((known) => known === word));
  if (!isValid) return undefined;
  return { runs, sizeMib, words: words.length > 0 ? words : WORDS };
}

/** A port that was free just now. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** socat between a port and another, with buffers as large as a tunnel's. */
function startSocat(from: number, to: string): AsyncDisposable {
  const child = new Deno.Command("socat", {
    args: [
      ...["-b", String(LIMITS.tunnelBufferBytes)],
      `TCP-LISTEN:${from},bind=127.0.0.1,reuseaddr,fork,nodelay`,
      `TCP:127.0.0.1:${to},nodelay`,
    ],
    stdin: "null",
  }).spawn();
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGTERM");
      await child.status;
    },
  };
}

interface Timed {
  readonly seconds: number;
  readonly relayCpuSeconds: number;
}

/** Starts a node for each way that can be used here. */
async function startWays(
  relayPort: string,
  directory: string,
  stack: AsyncDisposableStack,
): Promise<FolderPath[]> {
  const ways: FolderPath[] = [];
  for (const way of WAYS) {
    if (way === "socat" && findProgram("socat") === undefined) {
      print("left out, not installed: socat");
      continue;
    }
    const at = freePort();
    const elsewhere = ["--advertise", `127.0.0.1:${at}`];
    const node = stack.use(
      await spawnNode(relayPort, directory, [
        ...["--name", way],
        ...way === "direct" ? [] : elsewhere,
        ...way === "socat" ? ["--no-tunnel"] : [],
      ]),
    );
    if (way === "tunnel") await node.stderr.until(/connect through the relay$/);
    if (way === "socat") stack.use(startSocat(at, node.port));
    ways.push(way);
  }
  return ways;
}

/** Fetches by all ways in turn, and says how they compare. */
async function benchFetch({ runs, sizeMib }: Plan): Promise<void> {
  const { signal } = new AbortController();
  await using inputs = await Inputs.open(sizeMib, signal);
  const input = await inputs.get("big");
  await using relay = await spawnRelay();
  await using stack = new AsyncDisposableStack();
  const ways = await startWays(relay.port, input.directory, stack);
  const times = new Map<FolderPath, Timed[]>(ways.map((way) => [way, []]));
  // Round 0 does not count: it fills the caches, and compares what came.
  for (let round = 0; round <= runs; round++) {
    const line: string[] = [];
    for (const way of ways) {
      const output = await inputs.emptyOutput();
      const words = ["--node", way, "-o", `${output}/`];
      const args = [relay.address, "get", input.name, ...words];
      const options = accessTo({ path: output });
      const before = await cpuSecondsOf([relay.pid]);
      const { seconds } = await timeProgram(
        commandLine("peer_client.ts", args, options),
        { signal, notes: join(inputs.folder, "time") },
      );
      const relayCpuSeconds = await cpuSecondsOf([relay.pid]) - before;
      if (round === 0) await compare(input, output);
      else times.get(way)!.push({ seconds, relayCpuSeconds });
      line.push(`${way} ${formatSeconds(seconds)}`);
    }
    print(`${round === 0 ? "warm-up" : `run ${round}`}: ${line.join("; ")}`);
  }
  const peak = formatMib(await peakBytesOf([relay.pid]));
  sayComparison(times, { sizeMib, peak });
}

function sayComparison(
  times: ReadonlyMap<FolderPath, readonly Timed[]>,
  { sizeMib, peak }: { sizeMib: number; peak: string },
): void {
  const secondsOf = (way: FolderPath) =>
    median(times.get(way)!.map(({ seconds }) => seconds));
  const through = times.get("tunnel")!;
  print(
    `${sizeMib} MiB by a tunnel: ${formatSeconds(secondsOf("tunnel"))} s, ` +
      `of the relay's processor ${
        formatSeconds(median(through.map((run) => run.relayCpuSeconds)))
      } s, its memory ${peak}`,
  );
  const printRatio = (way: FolderPath, target: number) => {
    const seconds = secondsOf(way);
    const ratio = seconds / secondsOf("tunnel");
    print(
      `beside ${way} with ${formatSeconds(seconds)} s: ` +
        `${ratio.toFixed(2)} of its speed, wanted >= ${target.toFixed(2)}: ` +
        verdict(ratio >= target),
    );
  };
  printRatio("direct", DIRECT_TARGET);
  if (times.has("socat")) printRatio("socat", SOCAT_TARGET);
}

const formatMib = (bytes: number) => `${(bytes / MIB).toFixed(0)} MiB`;
const verdict = (isReached: boolean) => isReached ? "reached" : "not reached";

/** A hundred tunnels that carry bytes at once, and what the relay takes for it. */
async function benchMany(): Promise<void> {
  for (const entrance of ["tunnel port", "relay's own port"] as const) {
    await using state = await tempShare();
    const identity = await loadIdentity(state.path);
    const tunnelPort = freePort();
    await using relay = await spawnRelay([
      ...["--state", state.path, "--tunnel-port", String(tunnelPort)],
      "0",
    ], accessTo(state));
    const address = { host: "127.0.0.1", port: Number(relay.port) };
    const at = entrance === "tunnel port"
      ? { ...address, port: tunnelPort }
      : address;
    await using stack = new AsyncDisposableStack();
    const ends: { client: Conn; node: Conn }[] = [];
    while (ends.length < TUNNELS) {
      const known = { server: { address }, identity };
      const node = stack.use(
        await attachNode(known, await createIdentity()),
      );
      const most = Math.min(LIMITS.tunnelsPerNodeCount, TUNNELS - ends.length);
      for (let n = 0; n < most; n++) {
        ends.push(await joinBoth(await openTunnel(known, node), at));
      }
    }
    const idleBytes = await peakBytesOf([relay.pid]);
    const startedAt = performance.now();
    await Promise.all(ends.map(carry));
    const seconds = (performance.now() - startedAt) / 1000;
    const peakBytes = await peakBytesOf([relay.pid]);
    const rate = TUNNELS * TUNNEL_BYTES / seconds / MIB;
    print(
      `${TUNNELS} tunnels at once by the ${entrance}: relay ` +
        `${formatMib(idleBytes)} idle, ${formatMib(peakBytes)} at most, ` +
        `wanted < ${formatMib(RELAY_TARGET_BYTES)}: ` +
        `${verdict(peakBytes < RELAY_TARGET_BYTES)}; ` +
        `${rate.toFixed(0)} MiB a second in all`,
    );
    for (const { client, node } of ends) {
      client.close();
      node.close();
    }
  }
}

async function joinBoth(
  keys: { client: string; node: string },
  at: Endpoint,
): Promise<{ client: Conn; node: Conn }> {
  const client = await showKeyAt(at, keys.client);
  const node = await showKeyAt(at, keys.node);
  for (const conn of [client, node]) {
    const answer = await answerTo(conn);
    if (answer !== "joined") throw new Error(answer);
  }
  return { client, node };
}

/** Sends so much from the node's end to the client's. */
async function carry(
  { client, node }: { client: Conn; node: Conn },
): Promise<void> {
  const sending = (async () => {
    const bytes = new Uint8Array(256 * 1024);
    for (let sent = 0; sent < TUNNEL_BYTES; sent += bytes.length) {
      await writeAll(node, bytes);
    }
  })();
  const buffer = new Uint8Array(256 * 1024);
  for (let got = 0; got < TUNNEL_BYTES;) {
    const count = await client.read(buffer);
    if (count === null) throw new Error(`ended at ${got} bytes`);
    got += count;
  }
  await sending;
}

async function main(args: string[]): Promise<number> {
  const plan = parsePlan(args);
  if (plan === undefined) {
    print(`usage: tunnel.ts [--runs N] [--size MIB] [${WORDS.join("|")}]…`);
    return 2;
  }
  const code = await runInMemory(args);
  if (code !== undefined) return code;
  print(`load before ${Deno.loadavg()[0]?.toFixed(2)}`);
  if (plan.words.includes("fetch")) await benchFetch(plan);
  if (plan.words.includes("many")) await benchMany();
  return 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
