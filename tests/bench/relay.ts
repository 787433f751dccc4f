/**
 * What a relay carries: very many registered nodes on connections that are held,
 * and lookups meanwhile; beside Redis with as many keys and connections, asked
 * by the same client. Clients that hold contents for a swarm. The registry
 * alone, with a million leases. The memory of idle TLS connections, beside that
 * of `node:tls`. The index of names beside sets in Redis, and how soon 1,000 nodes
 * are indexed after a restart. One name among 5 nodes and among 5,000. And three
 * instances that meet in Redis.
 *
 *     deno task bench:relay [--nodes N] [--leases N] [--away SECONDS] [WORD]…
 *
 * with the words tls, plaintext, redis, holders, leases, idle, index, restart,
 * among and cluster, which has 3,000 nodes by default.
 *
 * The relay has its default limits. Everything runs on this one machine: the
 * client's work is in all rates, ours and theirs.
 */

import { parseArgs } from "@std/cli/parse-args";
import { eachOf } from "../_each_of.ts";
import type { Endpoint } from "../../lib/base/conn.ts";
import type { Identity } from "../../lib/identity/identity.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { encodeMessage } from "../../lib/protocol/messages.ts";
import { RelayDialer } from "../../lib/uplink/relay_dialer.ts";
import { spawnRelay } from "../e2e/_processes.ts";
import {
  type Exchange,
  greetFrom,
  identityMaker,
  isOf,
  messageIn,
  type Target,
} from "./_big_relay.ts";
import {
  type Figures,
  latenciesOf,
  LOOKUP_CONNECTIONS,
  loopRate,
  mainThreadMs,
  p99,
  printFigures,
  printRatio,
  ratePerSecond,
  residentBytes,
  verdict,
} from "./_figures.ts";
import { benchCluster } from "./_cluster.ts";
import { type HeldNode, openNode, register } from "./_held_nodes.ts";
import { benchAmong } from "./_among.ts";
import { benchHolders } from "./_holders.ts";
import { benchIdle } from "./_idle.ts";
import { benchIndex, benchSets } from "./_index.ts";
import { benchRestart } from "./_restart.ts";
import { type NameRates, nameRates, sendIndexes } from "./_names.ts";
import { ALONE, benchLeases, runLeases } from "./_leases.ts";
import { benchRedis, ENTRY_BYTES, PAGE_COUNT } from "./_redis.ts";
import { print } from "./_report.ts";
import { findProgram } from "./_servers.ts";

const WORDS = [
  ...["tls", "plaintext", "redis"] as const,
  ...["holders", "leases", "idle", "index", "restart"] as const,
  ...["among", "cluster"] as const,
] as const;
type Word = typeof WORDS[number];

const P99_TARGET_MS = 100;
/** They run in the process that measures, with two connections each. */
const CLUSTER_NODES = 3_000;

/** What the command line asks for. */
interface Plan {
  readonly nodes: number;
  readonly leases: number;
  /** For how many seconds Redis is away in the middle of `cluster`. */
  readonly away: number;
  readonly words: readonly Word[];
}

function parsePlan(args: string[]): Plan | undefined {
  const unknown: string[] = [];
  const options = parseArgs(args, {
    string: ["nodes", "leases", "away"],
    unknown: (arg, key) => {
      if (key !== undefined) unknown.push(arg);
    },
  });
  const nodes = Number(options["nodes"] ?? 10_000);
  const leases = Number(options["leases"] ?? 1_000_000);
  const away = Number(options["away"] ?? 60);
  const words = options._.map(String) as Word[];
  const isValid = unknown.length === 0 &&
    [nodes, leases, away].every((n) => Number.isSafeInteger(n) && n > 0) &&
    words.every((word) => WORDS.includes(word));
  if (!isValid) return undefined;
  return { nodes, leases, away, words: words.length === 0 ? WORDS : words };
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
  print(
    `  ${nodes.length} connections, their greetings, and a signature each: ` +
      `${openingSeconds.toFixed(1)} s`,
  );
  const idleBytes = await residentBytes(relay.pid);
  let key = "";
  const registrations = await ratePerSecond(nodes, async (node) => {
    key = await register(node);
  });
  const heldBytes = await residentBytes(relay.pid);
  const latencies = await relayLatencies(target, relay.id);
  await sendIndexes(nodes, key);
  const { nodes: count } = plan;
  const asking = { pid: relay.pid, key, nodes: count };
  const { pages, names } = await relayLookups(target, asking);
  const renewals = await ratePerSecond(nodes, async (node) => {
    isOf(await node.exchange.ask(node.renewal), "registered");
  });
  const busyBefore = await mainThreadMs(relay.pid);
  const arrivals = await ratePerSecond(nodes, async (node) => {
    // A token is valid from its own host, and with encryption on any connection.
    const host = plaintext ? "127.0.0.1" : node.host;
    const { exchange, hello } = await greetFrom(host, target, "node");
    using _conn = exchange.conn;
    const request = plaintext ? await node.sign(hello) : node.renewal;
    isOf(await exchange.ask(request), "registered");
  });
  const arrivalMs = (await mainThreadMs(relay.pid) - busyBefore) / plan.nodes;
  for (const { exchange } of nodes) exchange.conn.close();
  await new Promise((resolve) => setTimeout(resolve, 15_000));
  const afterBytes = await residentBytes(relay.pid);
  return {
    ...{ emptyBytes, idleBytes, heldBytes, afterBytes },
    ...{ registrations, renewals, arrivals, arrivalMs, latencies },
    ...{ lookups: pages, hotNames: names.hot, anyNames: names.any },
  };
}

/** What `peer_client.ts` does when it has met the relay before. */
function relayLatencies(
  { at, plaintext }: Target,
  id: string,
): Promise<number[]> {
  const link = new RelayDialer({ ...at, ...plaintext ? {} : { id } }, {
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

async function relayLookups(
  target: Target,
  asking: { pid: number; key: string; nodes: number },
): Promise<{ pages: number; names: NameRates }> {
  const request = encodeMessage({ kind: "list" });
  const pages = await overConnections(target, async (clients) => {
    const first = messageIn(await clients[0]!.ask(request), "nodes");
    if (first.count !== asking.nodes) throw new Error(`listed ${first.count}`);
    print(`  a page holds ${first.nodes.length} of ${first.count} nodes`);
    return await loopRate(clients, async (client) => {
      await client.ask(request);
    });
  });
  const names = await nameRates(
    (work) => overConnections(target, work),
    asking,
  );
  return { pages, names };
}

/**
 * Does `work` over connections of its own: what a relay allows a connection
 * is used up by one measurement.
 */
async function overConnections<Result>(
  target: Target,
  work: (clients: readonly Exchange[]) => Promise<Result>,
): Promise<Result> {
  const clients: Exchange[] = [];
  try {
    for (let n = 0; n < LOOKUP_CONNECTIONS; n++) {
      // From where the limits of one address do not apply.
      clients.push((await greetFrom("127.0.0.1", target, "client")).exchange);
    }
    return await work(clients);
  } finally {
    for (const { conn } of clients) conn.close();
  }
}

async function bench(plan: Plan): Promise<number> {
  const results = new Map<Word, Figures>();
  print(`load before ${Deno.loadavg()[0]?.toFixed(2)}`);
  for (const word of ["tls", "plaintext"] as const) {
    if (!plan.words.includes(word)) continue;
    print(`relay, ${word}:`);
    const figures = await benchRelay(word === "plaintext", plan);
    results.set(word, figures);
    printFigures(figures, plan.nodes);
    const isReached = p99(figures.latencies) < P99_TARGET_MS;
    print(`  p99 below ${P99_TARGET_MS} ms: ${verdict(isReached)}`);
  }
  const redis = findProgram("redis-server");
  if (plan.words.includes("redis")) {
    if (redis === undefined) print("left out, not installed: redis-server");
    else {
      print(
        `redis-server, values of ${ENTRY_BYTES} bytes, pages of ${PAGE_COUNT}:`,
      );
      const figures = await benchRedis(redis, plan.nodes);
      printFigures(figures, plan.nodes);
      for (const [word, ours] of results) {
        printRatio(word, { ours, theirs: figures });
      }
    }
  }
  if (plan.words.includes("holders")) {
    print(`clients that hold contents, TLS:`);
    await benchHolders(plan.nodes);
  }
  let isWell = true;
  if (plan.words.includes("idle")) {
    print(`${plan.nodes} idle TLS connections:`);
    isWell = await benchIdle(plan.nodes);
  }
  if (plan.words.includes("index")) {
    print(`index of names, ${plan.nodes} nodes with 1,000 names each:`);
    await benchIndex(plan.nodes);
    if (redis === undefined) print("left out, not installed: redis-server");
    else await benchSets(redis, plan.nodes);
  }
  if (plan.words.includes("restart")) await benchRestart();
  if (plan.words.includes("cluster")) {
    const count = Math.min(plan.nodes, CLUSTER_NODES);
    print(`three instances that meet in Redis, ${count} nodes:`);
    if (redis === undefined) print("left out, not installed: redis-server");
    else await benchCluster(redis, { count, awaySeconds: plan.away });
  }
  if (plan.words.includes("among")) {
    isWell = await benchAmong(plan.nodes) && isWell;
  }
  if (plan.words.includes("leases")) {
    print(`registry alone, ${plan.leases} leases:`);
    isWell = await runLeases(plan.leases) && isWell;
  }
  return isWell ? 0 : 1;
}

async function main(args: string[]): Promise<number> {
  const plan = parsePlan(args);
  if (plan === undefined) {
    print(
      `usage: relay.ts [--nodes N] [--leases N] [--away SECONDS] [${
        WORDS.join("|")
      }]…`,
    );
    return 2;
  }
  if (Deno.env.has(ALONE)) {
    await benchLeases(plan.leases);
    return 0;
  }
  return await bench(plan);
}

if (import.meta.main) Deno.exit(await main(Deno.args));
