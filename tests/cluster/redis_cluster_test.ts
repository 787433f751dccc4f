/** Instances that meet in a Redis Cluster of real servers. */

import { assert, assertEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { RedisServers } from "../../lib/cluster/redis_servers.ts";
import { testWith } from "../_tools.ts";
import { RedisCluster } from "./_redis_cluster.ts";
import { PATIENT, Side } from "./_side.ts";

const TAG = "{relayrelayrelay1}";

testWith(
  ["redis-server"],
  "In a Redis Cluster the instances find the server with their keys, and the one that takes its place",
  async () => {
    await using cluster = await RedisCluster.start(`${TAG}:log`);
    const { owner, copy, others: [other, third] } = cluster;
    // One gets the address of the right server, the other of a wrong one.
    await using a = new Side(owner.store(PATIENT));
    await using b = new Side(other!.store(PATIENT));
    a.hold("one");
    b.hold("two");
    await a.untilListed("one 1", "two 1");
    await b.untilListed("one 1", "two 1");
    assertEquals(await owner.ask("EXISTS", `${TAG}:n:one`), 1);
    assertEquals(await other!.ask("DBSIZE"), 0);
    assertEquals(await third!.ask("DBSIZE"), 0);

    await cluster.failOver();
    await a.until(() => a.phases.includes("away"));
    a.hold("three");
    await b.untilListed("one 1", "three 1", "two 1");
    await a.untilListed("one 1", "three 1", "two 1");
    assertEquals(await copy.ask("EXISTS", `${TAG}:n:three`), 1);
    await using late = new Side(third!.store(PATIENT));
    await late.untilListed("one 1", "three 1", "two 1");
  },
);

Deno.test("Of a Redis Cluster clusterServerCount servers are remembered beside the one with the keys, and asked in turn", () => {
  const serverOf = (port: number) => ({ host: "192.0.2.1", port });
  const servers = new RedisServers(serverOf(1), LIMITS.clusterServerCount);
  assertEquals(servers.next(), serverOf(1));
  assertEquals(servers.next(), serverOf(1));
  const all = Array.from({ length: 100 }, (_, n) => serverOf(100 + n));
  servers.found(serverOf(150), all);
  const ports = Array.from(
    { length: LIMITS.clusterServerCount + 3 },
    () => servers.next().port,
  );
  assertEquals(ports.shift(), 150, "the one with the keys comes first");
  assertEquals(ports.pop(), 150, "and again when all were asked");
  assertEquals(ports.pop(), 1, "the one that was named comes last");
  assertEquals(ports.length, LIMITS.clusterServerCount);
  assert(!ports.includes(150));
  assertEquals(new Set(ports).size, ports.length);
});
