/**
 * What look-ups cost with one, two and three instances, beside a relay that
 * asks Redis for each: a page of entries by MGET, over the client of Redis that
 * the instances have.
 */

import process from "node:process";
import type { Endpoint } from "../../lib/base/conn.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { RedisConn } from "../../lib/cluster/redis_conn.ts";
import { encodeMessage } from "../../lib/protocol/messages.ts";
import { dialService } from "../../lib/transport/service_conn.ts";
import { type Exchange, greetFrom } from "./_big_relay.ts";
import type { ClusterInstance } from "./_cluster_instances.ts";
import { loopRate } from "./_figures.ts";
import { cpuSecondsOf } from "./_measuring.ts";
import { PAGE_COUNT } from "./_redis.ts";
import { print } from "./_report.ts";

const CLIENTS = 48;
const REDIS_CLIENTS = 16;

/** Says them. */
export async function lookupCosts(
  instances: readonly ClusterInstance[],
  redis: { readonly pid: number; readonly at: Endpoint },
): Promise<void> {
  const request = encodeMessage({ kind: "list" });
  for (let count = 1; count <= instances.length; count++) {
    const asked = instances.slice(0, count);
    const clients: Exchange[] = [];
    for (let n = 0; n < CLIENTS; n++) {
      const at = asked[n % count]!.address;
      const target = { at, plaintext: false };
      clients.push((await greetFrom("127.0.0.1", target, "client")).exchange);
    }
    const cpuBefore = await cpuOf(asked);
    let lookups = 0;
    const rate = await loopRate(clients, async (client) => {
      await client.ask(request);
      lookups++;
    });
    const ms = (await cpuOf(asked) - cpuBefore) / lookups;
    for (const { conn } of clients) conn.close();
    print(
      `  ${count} ${count === 1 ? "instance" : "instances"}: ` +
        `${rate.toFixed(0)} pages a second, ${ms.toFixed(2)} ms of processor ` +
        "time each in the relay",
    );
  }
  await askRedisForEach(redis);
}

async function cpuOf(instances: readonly ClusterInstance[]): Promise<number> {
  let sum = 0;
  for (const instance of instances) sum += await instance.cpuMs();
  return sum;
}

async function askRedisForEach(
  { pid, at }: { readonly pid: number; readonly at: Endpoint },
): Promise<void> {
  const conns: RedisConn[] = [];
  const timeoutMs = 30_000;
  for (let n = 0; n < REDIS_CLIENTS; n++) {
    const conn = await dialService(at, { encrypted: false, timeoutMs });
    conns.push(new RedisConn(conn, LIMITS.clusterReplyBytes));
  }
  const keys = await conns[0]!.request(["KEYS", "{*}:n:*"], { timeoutMs });
  const names = (keys as readonly string[]).slice(0, PAGE_COUNT);
  const [redisBefore, ownBefore] = [await cpuSecondsOf([`${pid}`]), ownMs()];
  let lookups = 0;
  const rate = await loopRate(conns, async (conn) => {
    await conn.request(["MGET", ...names], { timeoutMs });
    lookups++;
  });
  const redisMs = 1_000 * (await cpuSecondsOf([`${pid}`]) - redisBefore);
  const own = (ownMs() - ownBefore) / lookups;
  for (const conn of conns) conn[Symbol.dispose]();
  print(
    `  asking Redis for each: ${rate.toFixed(0)} pages a second, ` +
      `${own.toFixed(2)} ms in the one that asks and ` +
      `${(redisMs / lookups).toFixed(2)} ms in Redis, before a byte of an ` +
      "answer is encrypted",
  );
}

function ownMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
