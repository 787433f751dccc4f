/**
 * What somebody does who can write into Redis: the instances repair it, and each
 * lists the nodes of the others again.
 */

import { assertEquals } from "@std/assert";
import { testWith } from "../_tools.ts";
import { RedisServer } from "./_redis_server.ts";
import { PATIENT, Side } from "./_side.ts";

const TAG = "{relayrelayrelay1}";
const FAR = "9999999999999";
const LARGEST = "18446744073709551615";

type Attack = (server: RedisServer) => Promise<unknown>;

/** Puts `count` values under keys that look like those of items. */
function putMany(count: number, bytes: number): Attack {
  return (server) =>
    server.ask(
      ...[
        "EVAL",
        `for n = 1, ARGV[1] do
        local key = KEYS[1] .. n
        redis.call('SET', key, ARGV[2])
        redis.call('ZADD', KEYS[2], ${FAR}, key)
      end`,
      ],
      ...["2", `${TAG}:n:big-`, `${TAG}:x`, String(count), "x".repeat(bytes)],
    );
}

/** Adds `count` instances that nobody is. */
function addInstances(count: number): Attack {
  return (server) =>
    server.ask(
      ...["HSET", `${TAG}:i`],
      ...Array.from({ length: count }, (_, n) => `other-${n}`)
        .flatMap((id) => [id, `${id} ${FAR} x:1 code`]),
    );
}

const ATTACKS: Readonly<Record<string, Attack>> = {
  "a count of 20 digits": (server) =>
    server.ask("SET", `${TAG}:c`, "9".repeat(20)),
  "a count above 2^53": (server) =>
    server.ask("SET", `${TAG}:c`, "9007199254740993"),
  "a count of 1 MiB": (server) =>
    server.ask("SET", `${TAG}:c`, "9".repeat(1 << 20)),
  "the last position of a stream": (server) =>
    server.ask(
      ...["XADD", `${TAG}:log`, `${LARGEST}-${LARGEST}`, "c", "1", "h", "x"],
    ),
  "a batch that is not one": (server) =>
    server.ask("XADD", `${TAG}:log`, "*", "a", "b"),
  "500 values of 20 KiB": putMany(500, 20_000),
  "9 values of 1 MiB": putMany(9, 1 << 20),
  "an item's name of 9 MiB": (server) =>
    server.ask("ZADD", `${TAG}:x`, FAR, "x".repeat(9 << 20)),
  "2,000 names of items that are not there": (server) =>
    server.ask(
      ...["ZADD", `${TAG}:x`],
      ...Array.from({ length: 2_000 }, (_, n) => [FAR, `${TAG}:n:${n}`]).flat(),
    ),
  "an instance of 1 MiB": (server) =>
    server.ask(
      "HSET",
      `${TAG}:i`,
      "other",
      `other ${FAR} ${"x".repeat(1 << 20)}`,
    ),
  "1,000 instances": addInstances(1_000),
  "100 instances": addInstances(100),
  "a head with a high sequence in the place of an item": (server) =>
    server.ask("SET", `${TAG}:n:two`, `n two 9999999999999999 ${FAR} x -`),
  "a head with a sequence of 1,000 digits in the place of an item": (server) =>
    server.ask("SET", `${TAG}:n:two`, `n two ${"9".repeat(1_000)} ${FAR} x -`),
};

for (const [what, attack] of Object.entries(ATTACKS)) {
  testWith(
    ["redis-server"],
    `Instances list each other's nodes again after somebody wrote to Redis: ${what}`,
    async () => {
      await using server = await RedisServer.start();
      await using a = new Side(server.store(PATIENT));
      await using b = new Side(server.store(PATIENT), { port: 2 });
      a.hold("one");
      await b.untilListed("one 1");
      await attack(server);
      a.hold("two");
      await b.untilListed("one 1", "two 1");
      await a.until(() => a.phase === "whole");
      await using c = new Side(server.store(PATIENT), { port: 3 });
      await c.untilListed("one 1", "two 1");
      for (const side of [a, b, c]) {
        await side.until(() => side.replicator.stats().instances === 3);
      }
      await using d = new Side(server.store(PATIENT), { port: 4 });
      await d.untilListed("one 1", "two 1");
      assertEquals(d.replicator.stats().dropped["forged"], 0);
      assertEquals(d.replicator.stats().dropped["too_large"], 0);
    },
  );
}
