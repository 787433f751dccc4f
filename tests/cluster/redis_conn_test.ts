import { assertEquals } from "@std/assert";
import { storeErrorOf } from "../../lib/cluster/redis_conn.ts";
import { ReplyError } from "../../lib/cluster/resp.ts";
import type { StoreTrouble } from "../../lib/cluster/store.ts";

const SAID: readonly (readonly [text: string, trouble: StoreTrouble])[] = [
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

for (const [text, trouble] of SAID) {
  Deno.test(`What Redis says as "${text}" counts as ${trouble}`, () => {
    const error = storeErrorOf(new ReplyError(text));
    assertEquals(error.trouble, trouble);
    assertEquals(error.cause, text);
    assertEquals(error.message.includes(text), false);
  });
}
