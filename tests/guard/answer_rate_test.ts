/**
 * How often datagrams are answered.
 */

import { assertEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { AnswerRate } from "../../lib/guard/answer_rate.ts";

Deno.test("AnswerRate allows one address 6 answers a second, and others theirs", () => {
  const rate = new AnswerRate();
  const allowed = (address: string, count: number, now: number) =>
    Array.from({ length: count }, () => rate.allows(address, now))
      .filter(Boolean).length;
  assertEquals(allowed("192.0.2.1", 100, 0), 6);
  assertEquals(LIMITS.announceAnswersPerAddressPerSecond, 6);
  assertEquals(allowed("192.0.2.2", 100, 999), 6);
  assertEquals(allowed("192.0.2.1", 100, 999), 0);
  assertEquals(allowed("192.0.2.1", 100, 1_000), 6);
});

Deno.test("AnswerRate allows all addresses together 100 answers a second", () => {
  const rate = new AnswerRate();
  let count = 0;
  for (let address = 0; address < 1_000; address++) {
    if (rate.allows(`10.0.${address >> 8}.${address & 255}`, 5)) count++;
  }
  assertEquals([count, LIMITS.announceAnswersPerSecond], [100, 100]);
  assertEquals(rate.allows("10.0.0.1", 1_005), true);
});
