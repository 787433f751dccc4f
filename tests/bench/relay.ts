/**
 * What a relay carries: very many registered nodes on connections that are held,
 * and lookups meanwhile; beside Redis with as many keys and connections, asked
 * by the same client. And the registry alone, with a million leases.
 *
 *     deno task bench:relay [--nodes N] [--leases N] [tls|plaintext|redis|leases]…
 *
 * The relay has its default limits. Everything runs on this one machine: the
 * client's work is in all rates, ours and theirs.
 */

import { parseArgs } from "@std/cli/parse-args";
import { eachOf } from "../../lib/client/asking.ts";
import type { Conn, Endpoint } from "../../lib/conn.ts";
import { createIdentity, type Identity } from "../../lib/identity.ts";
import { LIMITS } from "../../lib/limits.ts";
import { encodeMessage } from "../../lib/messages.ts";
import { Packing } from "../../lib/packing.ts";
import { signRegistration } from "../../lib/registration.ts";
import { type Registration, Registry } from "../../lib/registry.ts";
import { RelayLink } from "../../lib/relay_link.ts";
import { spawnRelay } from "../e2e/_processes.ts";
import { seededRandom } from "../_random.ts";
import {
  dialFrom,
  Exchange,
  greetFrom,
  hostOf,
  identityMaker,
  messageIn,
  type Target,
} from "./_big_relay.ts";
import { median } from "./_measuring.ts";
import { say } from "./_report.ts";
import { findProgram } from "./_servers.ts";

const WORDS = ["tls", "plaintext", "redis", "leases"] as const;
type Word = typeof WORDS[number];

/** Peers from one address: as many as may connect at once. */
const PEERS_PER_HOST = 10;
/** Requests under way at once, each on a connection of its own. */
const AT_ONCE = 64;
const LOOKUP_CONNECTIONS = 128;
const LOOKUP_MS = 3_000;
const LATENCY_COUNT = 300;

const P99_TARGET_MS = 100;
const LEASE_TARGET_BYTES = 1024;
const MIB = 1024 ** 2;

/** What the command line asks for. */
interface Plan {
  readonly nodes: number;
  readonly leases: number;
  readonly words: readonly Word[];
}

function parsePlan(args: string[]): Plan | undefined {
  const unknown: string[] = [];
  const options = parseArgs(args, {
    string: ["nodes", "leases"],
    unknown: (arg, key) => {
      if (key !== undefined) unknown.push(arg);
    },
  });
  const nodes = Number(options["nodes"] ?? 10_000);
  const leases = Number(options["leases"] ?? 1_000_000);
  const words = options._.map(String) as Word[];
  const isValid = unknown.length === 0 &&
    [nodes, leases].every((n) => Number.isSafeInteger(n) && n > 0) &&
    words.every((word) => WORDS.includes(word));
  if (!isValid) return undefined;
  return { nodes, leases, words: words.length === 0 ? WORDS : words };
}

/** What somebody who keeps entries did, a second or in all. */
interface Figures {
  readonly emptyBytes: number;
  /** Resident, with the connections alone. */
  readonly idleBytes: number;
  readonly heldBytes: number;
  readonly afterBytes: number;
  /** Entries made, on connections that are open. */
  readonly registrations: number;
  readonly renewals: number;
  /** Pages read, on connections that are open. */
  readonly lookups: number;
  /** Milliseconds to connect and read a page, each time anew, sorted. */
  readonly latencies: readonly number[];
}

async function residentBytes(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

/** How often a second `work` gets done for all items, some at once. */
async function ratePerSecond<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
): Promise<number> {
  const startedAt = performance.now();
  await eachOf(items, AT_ONCE, work);
  return items.length / (performance.now() - startedAt) * 1000;
}

/** How often a second `work` gets done, by all items at once, for a while. */
async function loopRate<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
): Promise<number> {
  const startedAt = performance.now();
  let count = 0;
  await Promise.all(items.map(async (item) => {
    while (performance.now() - startedAt < LOOKUP_MS) {
      await work(item);
      count++;
    }
  }));
  return count / (performance.now() - startedAt) * 1000;
}

/** How many milliseconds `work` takes, each time, sorted. */
async function latenciesOf(work: () => Promise<void>): Promise<number[]> {
  const found: number[] = [];
  for (let n = -20; n < LATENCY_COUNT; n++) {
    const startedAt = performance.now();
    await work();
    if (n >= 0) found.push(performance.now() - startedAt); // else warming up
  }
  return found.sort((a, b) => a - b);
}

/** A node that keeps its connection, and what it will say. */
interface HeldNode {
  readonly exchange: Exchange;
  readonly registration: Uint8Array;
  readonly renewal: Uint8Array;
}

async function openNode(
  n: number,
  target: Target,
  identity: Identity,
): Promise<HeldNode> {
  const host = hostOf(n, PEERS_PER_HOST);
  const { exchange, hello } = await greetFrom(host, target, "node");
  const instance = crypto.getRandomValues(new Uint8Array(12)).toBase64();
  const sign = async (later: number) =>
    encodeMessage({
      kind: "register",
      ...await signRegistration({
        purpose: "register",
        relay: hello.id ?? "",
        nonce: hello.nonce ?? "",
        instance,
        sequence: Date.now() + later,
        name: `node-${n}`,
        addresses: [
          { host: "192.168.1.17", port: 1024 + n % 60_000 },
          { host: "10.0.0.5", port: 1024 + n % 60_000 },
        ],
      }, identity),
    });
  return { exchange, registration: await sign(0), renewal: await sign(1) };
}

async function benchRelay(plaintext: boolean, plan: Plan): Promise<Figures> {
  await using relay = await spawnRelay([
    ...["--host", "0.0.0.0", "--quiet"],
    ...plaintext ? ["--plaintext"] : [],
    "0",
  ]);
  const at: Endpoint = { host: "127.0.0.1", port: Number(relay.port) };
  const target = { at, plaintext };
  const emptyBytes = await residentBytes(relay.pid);
  const makeIdentity = await identityMaker();
  const identities: Identity[] = [];
  for (let n = 0; n < plan.nodes; n++) identities.push(await makeIdentity());
  const nodes: HeldNode[] = [];
  const openingAt = performance.now();
  await eachOf(identities.entries(), 32, async ([n, identity]) => {
    nodes.push(await openNode(n, target, identity));
  });
  const openingSeconds = (performance.now() - openingAt) / 1000;
  say(
    `  ${nodes.length} connections, their greetings, and two signatures each: ` +
      `${openingSeconds.toFixed(1)} s`,
  );
  const idleBytes = await residentBytes(relay.pid);
  const registrations = await ratePerSecond(nodes, async (node) => {
    messageIn(await node.exchange.ask(node.registration), "registered");
  });
  const heldBytes = await residentBytes(relay.pid);
  const latencies = await relayLatencies(target, relay.id);
  const lookups = await relayLookups(target, plan);
  const renewals = await ratePerSecond(nodes, async (node) => {
    messageIn(await node.exchange.ask(node.renewal), "registered");
  });
  for (const { exchange } of nodes) exchange.conn.close();
  await new Promise((resolve) => setTimeout(resolve, 10_000));
  const afterBytes = await residentBytes(relay.pid);
  return {
    ...{ emptyBytes, idleBytes, heldBytes, afterBytes },
    ...{ registrations, renewals, lookups, latencies },
  };
}

/** What `peer_client.ts` does when it has met the relay before. */
function relayLatencies(
  { at, plaintext }: Target,
  id: string,
): Promise<number[]> {
  const link = new RelayLink({ ...at, ...plaintext ? {} : { id } }, {
    role: "client",
    plaintext,
    limits: LIMITS,
    onEvent: () => {},
  });
  return latenciesOf(async () => {
    const { channel } = await link.open();
    await channel.send({ kind: "list" });
    if (await channel.receive(["nodes"]) === null) throw new Error("no page");
    await channel.close();
  });
}

async function relayLookups(target: Target, plan: Plan): Promise<number> {
  const clients: Exchange[] = [];
  for (let n = 0; n < LOOKUP_CONNECTIONS; n++) {
    // From where the limits of one address do not apply.
    clients.push((await greetFrom("127.0.0.1", target, "client")).exchange);
  }
  const request = encodeMessage({ kind: "list" });
  const first = messageIn(await clients[0]!.ask(request), "nodes");
  if (first.count !== plan.nodes) throw new Error(`listed ${first.count}`);
  say(`  a page holds ${first.nodes.length} of ${first.count} nodes`);
  const rate = await loopRate(clients, async (client) => {
    await client.ask(request);
  });
  for (const { conn } of clients) conn.close();
  return rate;
}

/** Nodes on a page of a relay's listing, and bytes of an entry of one. */
const PAGE_COUNT = 66;
const ENTRY_BYTES = 964;

async function benchRedis(program: string, plan: Plan): Promise<Figures> {
  const port = freePort();
  const child = new Deno.Command(program, {
    args: [
      ...["--port", String(port), "--bind", "127.0.0.1", "--save", ""],
      ...["--appendonly", "no", "--maxclients", String(plan.nodes + 1_000)],
      ...["--protected-mode", "no"], // only 127.0.0.1 is local to it
    ],
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    const target = { at: { host: "127.0.0.1", port }, plaintext: true };
    await untilListening(target.at);
    const emptyBytes = await residentBytes(child.pid);
    const clients: [string, Exchange][] = [];
    await eachOf(Array(plan.nodes).keys(), 32, async (n) => {
      const conn = await dialFrom(hostOf(n, PEERS_PER_HOST), target);
      clients.push([`node-${n}`, redisExchange(conn)]);
    });
    const entry = "x".repeat(ENTRY_BYTES);
    const set = async ([key, exchange]: [string, Exchange]) => {
      await exchange.ask(command("SET", key, entry, "EX", "60"));
    };
    const idleBytes = await residentBytes(child.pid);
    const registrations = await ratePerSecond(clients, set);
    const heldBytes = await residentBytes(child.pid);
    const random = seededRandom(5);
    const page = () =>
      command(
        "MGET",
        ...Array.from(
          { length: Math.min(PAGE_COUNT, plan.nodes) },
          () => `node-${Math.floor(random() * plan.nodes)}`,
        ),
      );
    const latencies = await latenciesOf(async () => {
      using conn = await dialFrom("127.0.0.1", target);
      await redisExchange(conn).ask(page());
    });
    const asking = clients.slice(0, LOOKUP_CONNECTIONS);
    const lookups = await loopRate(asking, async ([, exchange]) => {
      await exchange.ask(page());
    });
    const gets = await loopRate(asking, async ([key, exchange]) => {
      await exchange.ask(command("GET", key));
    });
    say(`  GET of one entry: ${gets.toFixed(0)} a second`);
    const renewals = await ratePerSecond(clients, set);
    for (const [, { conn }] of clients) conn.close();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const afterBytes = await residentBytes(child.pid);
    return {
      ...{ emptyBytes, idleBytes, heldBytes, afterBytes },
      ...{ registrations, renewals, lookups, latencies },
    };
  } finally {
    child.kill("SIGTERM");
    await child.status;
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function untilListening({ host, port }: Endpoint): Promise<void> {
  for (let tries = 0;; tries++) {
    try {
      using _conn = await Deno.connect({ hostname: host, port });
      return;
    } catch (error) {
      if (tries > 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function command(...words: string[]): Uint8Array {
  const parts = words.map((word) => `$${word.length}\r\n${word}\r\n`);
  return new TextEncoder().encode(`*${words.length}\r\n${parts.join("")}`);
}

/** Takes the length of an answer from its first line and its number of items. */
function redisExchange(conn: Conn): Exchange {
  const decoder = new TextDecoder("latin1");
  const itemBytes = `$${ENTRY_BYTES}\r\n`.length + ENTRY_BYTES + 2;
  return new Exchange(conn, (bytes) => {
    const line = /^([+$*-])([^\r]*)\r\n/.exec(
      decoder.decode(bytes.subarray(0, 64)),
    );
    if (line === null) return false;
    const [{ length }, type, rest] = line;
    if (type === "-") throw new Error(rest);
    if (type === "$") return bytes.length >= itemBytes;
    return type === "+" || bytes.length >= length + Number(rest) * itemBytes;
  });
}

/**
 * The registry alone. Runs in a process of its own, started with `--expose-gc`,
 * so that nothing else is in its memory.
 */
async function benchLeases(count: number): Promise<void> {
  const { gc } = globalThis as { gc?: () => void };
  const relay = await createIdentity();
  const sign = async (n: number): Promise<string[]> => {
    const { record, certificate, signature } = await signRegistration({
      purpose: "register",
      relay: relay.id,
      nonce: crypto.getRandomValues(new Uint8Array(32)).toBase64(),
      instance: crypto.getRandomValues(new Uint8Array(12)).toBase64(),
      sequence: Date.now() + n,
      name: `node-${n}`,
      addresses: [
        { host: "192.168.1.17", port: 41_234 },
        { host: "10.0.0.5", port: 41_234 },
      ],
    }, n < 0 ? relay : await createIdentity());
    return [JSON.stringify(record), atob(certificate), atob(signature)];
  };
  const packing = new Packing(await sign(-1));
  const parts: string[][] = [];
  for (let n = 0; n < 100; n++) parts.push(await sign(n));
  const entryOf = (n: number) => packing.pack(parts[n % parts.length]!);
  const nodeOf = (n: number, sequence: number, entry: string): Registration => {
    const observedHost = flat(`10.${n >> 16}.${n >> 8 & 255}.${n & 255}`);
    return {
      id: flat(n.toString(32).padStart(52, "-")),
      instance: flat(n.toString(36).padStart(16, "-")),
      sequence: 1.8e12 + sequence,
      entry,
      listedBytes: ENTRY_BYTES,
      observedHost,
      source: flat(observedHost),
    };
  };
  const registry = new Registry({ ...LIMITS, nodeCount: count }, () => {});
  const before = await memoryAfter(gc);
  const perSecond = Math.ceil(count / FILL_SECONDS);
  for (let n = 0; n < count; n++) {
    const now = 0.5 + 1_000 * Math.floor(n / perSecond); // as a clock has it
    registry.register(nodeOf(n, 0, entryOf(n)), now);
  }
  const after = await memoryAfter(gc);
  const heap = (after.heapUsed - before.heapUsed) / count;
  const rss = (after.rss - before.rss) / count;
  say(
    `  ${heap.toFixed(0)} bytes of heap a lease, ${
      rss.toFixed(0)
    } of resident ` +
      `memory (target: at most ${LEASE_TARGET_BYTES}): ${
        verdict(heap <= LEASE_TARGET_BYTES)
      }`,
  );
  // Each second a sweep, and then the renewals of that second, all in turn.
  const entry = entryOf(0); // the packing is not to be measured
  const sweeps: number[] = [];
  let renewals = 0;
  let renewalMs = 0;
  let now = 0.5 + 1_000 * (FILL_SECONDS - 1);
  for (const end = now + 1_000 * (LIMITS.leaseMaxSeconds + 60); now < end;) {
    now += 1_000;
    const nodes = Array.from(
      { length: perSecond },
      () => nodeOf(renewals++ % count, now, entry),
    );
    sweeps.push(timeOf(() => registry.expire(now)));
    renewalMs += timeOf(() => {
      for (const node of nodes) registry.register(node, now);
    });
  }
  if (registry.count(now) !== count) throw new Error("some expired");
  sweeps.sort((a, b) => a - b);
  const pageMs = timeOf(() => {
    for (let n = 0; n < 1_000; n++) {
      registry.list({ pageBytes: 65_000, random: Math.random }, now);
    }
  }) / 1_000;
  const endMs = timeOf(() => registry.expire(Infinity));
  say(
    `  ${(renewals / renewalMs * 1000).toFixed(0)} renewals a second; ` +
      `a sweep each second: median ${median(sweeps).toFixed(1)} ms, ` +
      `most ${sweeps.at(-1)!.toFixed(1)} ms; a page ${pageMs.toFixed(3)} ms; ` +
      `all leases ending at once ${endMs.toFixed(0)} ms`,
  );
}

/** A copy in one piece: what is put together is kept in its parts at first. */
function flat(text: string): string {
  return new TextDecoder().decode(new TextEncoder().encode(text));
}

function timeOf(work: () => void): number {
  const startedAt = performance.now();
  work();
  return performance.now() - startedAt;
}

async function memoryAfter(
  gc: (() => void) | undefined,
): Promise<Deno.MemoryUsage> {
  if (gc === undefined) throw new Error("start it with --v8-flags=--expose-gc");
  for (let n = 0; n < 3; n++) {
    gc();
    await new Promise((resolve) => setTimeout(resolve, 500)); // pages go later
  }
  return Deno.memoryUsage();
}

async function runLeases(count: number): Promise<boolean> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--v8-flags=--expose-gc", "-A", Deno.mainModule],
      ...["--leases", String(count), "leases"],
    ],
    env: { [ALONE]: "1" },
  }).spawn().status;
  return success;
}

/** Registrations come evenly; the first lease, of 60 s, must not end meanwhile. */
const FILL_SECONDS = 50;

/** Set in the process that has the registry for itself. */
const ALONE = "BENCH_LEASES_ALONE";

const verdict = (isReached: boolean) => isReached ? "reached" : "not reached";

function sayFigures(figures: Figures, plan: Plan): void {
  const { emptyBytes, idleBytes, heldBytes, afterBytes, latencies } = figures;
  const mib = (bytes: number) => `${(bytes / MIB).toFixed(0)} MiB`;
  const perConnection = (idleBytes - emptyBytes) / plan.nodes / 1024;
  say(
    `  resident: empty ${mib(emptyBytes)}, ` +
      `${plan.nodes} connections ${mib(idleBytes)} ` +
      `(${perConnection.toFixed(1)} KiB each), ` +
      `as many nodes on them ${mib(heldBytes)}, closed ${mib(afterBytes)}`,
  );
  say(
    `  connect and read a page: median ${median(latencies).toFixed(1)} ms, ` +
      `p99 ${p99(latencies).toFixed(1)} ms`,
  );
  say(
    `  a second: ${figures.registrations.toFixed(0)} registrations, ` +
      `${figures.renewals.toFixed(0)} renewals, ` +
      `${figures.lookups.toFixed(0)} pages read`,
  );
}

function p99(sorted: readonly number[]): number {
  return sorted[Math.floor(sorted.length * 0.99)] ?? NaN;
}

function sayRatio(ours: Figures, theirs: Figures): void {
  const ratio = (pick: (figures: Figures) => number) =>
    (pick(ours) / pick(theirs)).toFixed(2);
  say(
    `ours to Redis's: registrations ${ratio((f) => f.registrations)}, ` +
      `renewals ${ratio((f) => f.renewals)}, pages ${
        ratio((f) => f.lookups)
      }, ` +
      `connect and read, median ${ratio((f) => median(f.latencies))}; ` +
      "Redis checks no signature",
  );
}

async function bench(plan: Plan): Promise<number> {
  const results = new Map<Word, Figures>();
  say(`load before ${Deno.loadavg()[0]?.toFixed(2)}`);
  for (const word of ["tls", "plaintext"] as const) {
    if (!plan.words.includes(word)) continue;
    say(`relay, ${word}:`);
    const figures = await benchRelay(word === "plaintext", plan);
    results.set(word, figures);
    sayFigures(figures, plan);
    const isReached = p99(figures.latencies) < P99_TARGET_MS;
    say(`  p99 below ${P99_TARGET_MS} ms: ${verdict(isReached)}`);
  }
  const redis = findProgram("redis-server");
  if (plan.words.includes("redis")) {
    if (redis === undefined) say("left out, not installed: redis-server");
    else {
      say(
        `redis-server, values of ${ENTRY_BYTES} bytes, pages of ${PAGE_COUNT}:`,
      );
      const figures = await benchRedis(redis, plan);
      sayFigures(figures, plan);
      const ours = results.get("plaintext");
      if (ours !== undefined) sayRatio(ours, figures);
    }
  }
  if (!plan.words.includes("leases")) return 0;
  say(`registry alone, ${plan.leases} leases:`);
  return await runLeases(plan.leases) ? 0 : 1;
}

async function main(args: string[]): Promise<number> {
  const plan = parsePlan(args);
  if (plan === undefined) {
    say(`usage: relay.ts [--nodes N] [--leases N] [${WORDS.join("|")}]…`);
    return 2;
  }
  if (Deno.env.has(ALONE)) {
    await benchLeases(plan.leases);
    return 0;
  }
  return await bench(plan);
}

if (import.meta.main) Deno.exit(await main(Deno.args));
