/**
 * Redis, with as many keys and connections as a relay has nodes, asked by the
 * same client: it keeps each entry with an end, and gives pages of them.
 */

import { eachOf } from "../_each_of.ts";
import type { Conn, Endpoint } from "../../lib/base/conn.ts";
import { seededRandom } from "../_random.ts";
import {
  dialFrom,
  Exchange,
  hostOf,
  PEERS_PER_HOST,
  type Target,
} from "./_big_relay.ts";
import {
  type Figures,
  latenciesOf,
  LOOKUP_CONNECTIONS,
  loopCost,
  loopRate,
  mainThreadMs,
  ratePerSecond,
  residentBytes,
} from "./_figures.ts";

/** Nodes on a page of a relay's listing, and bytes of an entry of one. */
export const PAGE_COUNT = 66;
export const ENTRY_BYTES = 964;

/** A Redis that holds nothing yet. Disposing ends it. */
export interface RedisServer extends AsyncDisposable {
  readonly target: Target;
  readonly pid: number;
}

/** Starts one for so many connections. */
export async function startRedis(
  program: string,
  connections: number,
  port: number = freePort(),
): Promise<RedisServer> {
  const child = new Deno.Command(program, {
    args: [
      ...["--port", String(port), "--bind", "127.0.0.1", "--save", ""],
      ...["--appendonly", "no", "--maxclients", String(connections)],
      ...["--protected-mode", "no"], // only 127.0.0.1 is local to it
    ],
    stdout: "null",
    stderr: "null",
  }).spawn();
  const target = { at: { host: "127.0.0.1", port }, plaintext: true };
  const end = async () => {
    child.kill("SIGTERM");
    await child.status;
  };
  try {
    await untilListening(target.at);
  } catch (error) {
    await end();
    throw error;
  }
  return { target, pid: child.pid, [Symbol.asyncDispose]: end };
}

/** Asks for as many entries as a page of a listing has. */
function pageOf(nodes: number, random: () => number): Uint8Array {
  const keys = Array.from(
    { length: Math.min(PAGE_COUNT, nodes) },
    () => `node-${Math.floor(random() * nodes)}`,
  );
  return command("MGET", ...keys);
}

/** Runs it, and ends it. */
export async function benchRedis(
  program: string,
  nodes: number,
): Promise<Figures> {
  await using redis = await startRedis(program, nodes + 1_000);
  const { target, pid } = redis;
  const emptyBytes = await residentBytes(pid);
  const clients: [string, Exchange][] = [];
  await eachOf(Array(nodes).keys(), 32, async (n) => {
    const conn = await dialFrom(hostOf(n, PEERS_PER_HOST), target);
    clients.push([`node-${n}`, redisExchange(conn)]);
  });
  const entry = "x".repeat(ENTRY_BYTES);
  const set = async ([key, exchange]: [string, Exchange]) => {
    await exchange.ask(command("SET", key, entry, "PX", "60000"));
  };
  const idleBytes = await residentBytes(pid);
  const registrations = await ratePerSecond(clients, set);
  const heldBytes = await residentBytes(pid);
  const random = seededRandom(5);
  const page = () => pageOf(nodes, random);
  const latencies = await latenciesOf(async () => {
    using conn = await dialFrom("127.0.0.1", target);
    await redisExchange(conn).ask(page());
  });
  const asking = clients.slice(0, LOOKUP_CONNECTIONS);
  const lookups = await loopRate(asking, async ([, exchange]) => {
    await exchange.ask(page());
  });
  const gets = (count: number) => {
    const requests = Array.from(
      { length: count },
      (_, n) => command("GET", `node-${n}`),
    );
    return loopCost(pid, asking, async ([, exchange]) => {
      await exchange.ask(requests[Math.floor(random() * count)]!);
    });
  };
  const hotNames = await gets(Math.min(nodes, 100));
  const anyNames = await gets(nodes);
  const renewals = await ratePerSecond(clients, set);
  const busyBefore = await mainThreadMs(pid);
  const arrivals = await ratePerSecond(clients, async ([key]) => {
    using conn = await dialFrom("127.0.0.1", target);
    await redisExchange(conn).ask(command("SET", key, entry, "PX", "60000"));
  });
  const arrivalMs = (await mainThreadMs(pid) - busyBefore) / nodes;
  for (const [, { conn }] of clients) conn.close();
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const afterBytes = await residentBytes(pid);
  return {
    ...{ emptyBytes, idleBytes, heldBytes, afterBytes },
    ...{ registrations, renewals, arrivals, arrivalMs, latencies },
    ...{ lookups, hotNames, anyNames },
  };
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

/** A command as Redis reads it. */
export function command(...words: string[]): Uint8Array {
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
