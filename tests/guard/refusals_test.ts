import { assertEquals } from "@std/assert";
import { RefusalLog } from "../../lib/guard/refusals.ts";

Deno.test("RefusalLog reports a reason and address once in a while, with the count", () => {
  const log = new RefusalLog(10_000);
  assertEquals(log.note("idle", "192.0.2.7", 0), 1);
  for (let at = 1; at <= 500; at++) {
    assertEquals(log.note("idle", "192.0.2.7", at), 0);
  }
  assertEquals(log.note("idle", "192.0.2.7", 10_000), 501);
  assertEquals(log.note("idle", "192.0.2.7", 10_001), 0);
});

Deno.test("RefusalLog reports different reasons and addresses separately", () => {
  const log = new RefusalLog(10_000);
  assertEquals(log.note("idle", "192.0.2.7", 0), 1);
  assertEquals(log.note("truncated", "192.0.2.7", 0), 1);
  assertEquals(log.note("idle", "192.0.2.8", 0), 1);
});

Deno.test("RefusalLog stays bounded under refusals of very many addresses", () => {
  const log = new RefusalLog(10_000);
  for (let n = 0; n < 100_000; n++) log.note("idle", `10.${n}`, 0);
  // Forgotten, so reported again; one that is kept would say 0.
  assertEquals(log.note("idle", "10.0", 1), 1);
});
