import { assertEquals, assertRejects } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { RedisConn, storeErrorOf } from "../../lib/cluster/redis_conn.ts";
import { ReplyError } from "../../lib/cluster/resp.ts";
import { StoreError, type StoreTrouble } from "../../lib/cluster/store.ts";
import { dialService } from "../../lib/transport/service_conn.ts";
import { testWith } from "../_tools.ts";
import { RedisServer } from "./_redis_server.ts";

const MEANINGS: readonly (readonly [text: string, trouble: StoreTrouble])[] = [
  ["LOADING Redis is loading the dataset in memory", "loading"],
  ["MASTERDOWN Link with MASTER is down", "loading"],
  ["CLUSTERDOWN The cluster is down", "loading"],
  ["TRYAGAIN Multiple keys request during rehashing of slot", "loading"],
  ["MOVED 3999 127.0.0.1:6381", "moved"],
  ["ASK 3999 127.0.0.1:6381", "moved"],
  ["OOM command not allowed when used memory > 'maxmemory'.", "full"],
  ["ERR Error running script: @user_script: 9: OOM command", "full"],
  ["READONLY You can't write against a read only replica.", "read_only"],
  ["NOAUTH Authentication required.", "not_allowed"],
  ["WRONGPASS invalid username-password pair", "not_allowed"],
  ["NOPERM this user has no permissions to run the 'eval'", "not_allowed"],
  ["ERR AUTH <password> called without any password", "not_allowed"],
  ["WRONGTYPE Operation against a key", "wrong_type"],
  ["MISCONF Redis is configured to save RDB snapshots", "failed"],
  ["NOSCRIPT No matching script", "failed"],
];

for (const [text, trouble] of MEANINGS) {
  Deno.test(`The error "${text}" of Redis counts as ${trouble}`, () => {
    const error = storeErrorOf(new ReplyError(text));
    assertEquals(error.trouble, trouble);
    assertEquals(error.cause, text);
    assertEquals(error.message.includes(text), false);
  });
}

testWith(
  ["redis-server"],
  "A reply that arrived while this process was stopped is not too late, and one that does not arrive is",
  async () => {
    await using server = await RedisServer.start();
    const conn = await dialService(server.at, {
      encrypted: false,
      timeoutMs: 10_000,
    });
    using redis = new RedisConn(conn, LIMITS.clusterReplyBytes);
    const reply = redis.request(["BLPOP", "nothing", "0.05"], {
      timeoutMs: 100,
    });
    await new Promise((resolve) => setTimeout(resolve, 10));
    const until = performance.now() + 400;
    while (performance.now() < until); // as where other work takes long
    assertEquals(await reply, null);
    await assertRejects(
      () => redis.request(["BLPOP", "nothing", "60"], { timeoutMs: 100 }),
      StoreError,
      "it does not answer in time",
    );
  },
);
