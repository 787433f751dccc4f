import { assertEquals } from "@std/assert";
import { Attempts } from "../../lib/access/attempts.ts";
import { LIMITS } from "../../lib/base/limits.ts";

const MINUTE = 60_000;

function fail(attempts: Attempts, source: string, ...times: number[]): void {
  for (const time of times) attempts.failed(source, time);
}

Deno.test("Attempts blocks an address at its fifth failure in a minute, for a minute", () => {
  const attempts = new Attempts(LIMITS);
  fail(attempts, "a", 0, 10, 20, 30);
  assertEquals(attempts.isBlocked("a", 30), false);
  fail(attempts, "a", 40);
  assertEquals(attempts.isBlocked("a", 40), true);
  assertEquals(attempts.isBlocked("a", 40 + MINUTE - 1), true);
  assertEquals(attempts.isBlocked("a", 40 + MINUTE), false);
  assertEquals(attempts.isBlocked("b", 40), false);
});

Deno.test("Attempts forgets failures that are a minute old", () => {
  const attempts = new Attempts(LIMITS);
  for (let time = 0; time < 100 * MINUTE; time += MINUTE / 4) {
    attempts.failed("a", time);
    assertEquals(attempts.isBlocked("a", time), false);
  }
});

Deno.test("Attempts starts again after a minute of blocking", () => {
  const attempts = new Attempts(LIMITS);
  fail(attempts, "a", 0, 0, 0, 0, 0);
  fail(attempts, "a", MINUTE, MINUTE, MINUTE, MINUTE);
  assertEquals(attempts.isBlocked("a", MINUTE), false);
  fail(attempts, "a", MINUTE);
  assertEquals(attempts.isBlocked("a", MINUTE), true);
});

Deno.test("Attempts remembers 4,096 addresses, and forgets the one that failed longest ago", () => {
  const attempts = new Attempts(LIMITS);
  fail(attempts, "first", 0, 0, 0, 0, 0);
  fail(attempts, "second", 0, 0, 0, 0, 0);
  for (let n = 0; n < LIMITS.proofFailureSourceCount - 1; n++) {
    attempts.failed(`other ${n}`, 1);
  }
  assertEquals(attempts.sourceCount, LIMITS.proofFailureSourceCount);
  assertEquals(attempts.isBlocked("first", 2), false);
  assertEquals(attempts.isBlocked("second", 2), true);
});
