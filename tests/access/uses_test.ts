import { assert, assertEquals } from "@std/assert";
import { Uses } from "../../lib/access/uses.ts";
import { LIMITS, limitsWith } from "../../lib/base/limits.ts";

const use = (fetch: string, serial = "s", uses = 2, expires = 100) => ({
  serial,
  uses,
  fetch,
  expires,
});

Deno.test("Uses counts fetches, not connections", () => {
  const uses = new Uses(LIMITS);
  for (const fetch of ["a", "a", "b", "a", "b"]) {
    assertEquals(uses.take(use(fetch), 0), "counted", fetch);
  }
  assertEquals(uses.take(use("c"), 0), "used_up");
  assertEquals(uses.take(use("a"), 0), "counted");
  assertEquals(uses.take(use("c", "other"), 0), "counted");
  assertEquals(uses.count, 3);
});

Deno.test("Uses counts no use of a link that allows none", () => {
  assertEquals(new Uses(LIMITS).take(use("a", "s", 0), 0), "used_up");
});

Deno.test("Uses remembers a limited number of fetches, forgets those of expired links, and otherwise refuses", () => {
  const uses = new Uses(limitsWith({ linkUseCount: 3 }));
  assertEquals(uses.take(use("a", "old", 2, 10), 0), "counted");
  assertEquals(uses.take(use("b", "old", 2, 10), 0), "counted");
  assertEquals(uses.take(use("c", "new", 2, 99), 0), "counted");
  assertEquals(uses.take(use("d", "new", 2, 99), 10), "no_room");
  assertEquals(uses.take(use("c", "new", 2, 99), 10), "counted");
  assertEquals(uses.take(use("d", "new", 2, 99), 11), "counted");
  assertEquals(uses.count, 2);
  assertEquals(uses.take(use("e", "new", 2, 99), 11), "used_up");
});

Deno.test("Uses learns and keeps only what belongs to the secrets in force", () => {
  const uses = new Uses(limitsWith({ linkUseCount: 9 }));
  const [old, next] = ["0".repeat(8), "1".repeat(8)];
  assertEquals(uses.take(use("a", `s${old}`), 0), "counted");
  assertEquals(uses.take(use("a", `s${next}`), 0), "counted");
  uses.keepOnly([next]);
  assertEquals([...uses.ids()], [`s${next}.a`]);
  assertEquals(uses.count, 1);
  assertEquals(uses.learn(use("b", `s${next}`), 0), "taken");
});

Deno.test("Uses recognises a fetch by a link of a secret that only another instance has yet", () => {
  const uses = new Uses(limitsWith({ linkUseCount: 2 }));
  const [now, next] = ["0".repeat(8), "1".repeat(8)];
  uses.keepOnly([now]);
  assertEquals(uses.learn(use("a", `s${next}`, 1), 0), "taken");
  uses.keepOnly([next, now]);
  assertEquals(uses.take(use("b", `s${next}`, 1), 0), "used_up");
});

Deno.test("Uses without room forgets what belongs to no secret in force", () => {
  const uses = new Uses(limitsWith({ linkUseCount: 1 }));
  uses.keepOnly(["0".repeat(8)]);
  assertEquals(uses.learn(use("a", `s${"1".repeat(8)}`), 0), "taken");
  assertEquals(uses.take(use("a", `s${"0".repeat(8)}`), 0), "counted");
});

Deno.test("Uses looks at all links only if one has expired", () => {
  const uses = new Uses(limitsWith({ linkUseCount: 1_000 }));
  for (let n = 0; n < 1_000; n++) uses.take(use("a", `s${n}`, 2, 100 + n), 0);
  let comparedCount = 0;
  const at = (now: number) =>
    ({ valueOf: () => (comparedCount++, now) }) as unknown as number;
  for (let n = 0; n < 1_000; n++) {
    assertEquals(uses.take(use("a", "new", 2, 999), at(100)), "no_room");
  }
  assert(comparedCount <= 10_000, `${comparedCount} comparisons`);
  for (let now = 101; now <= 110; now++) {
    assertEquals(uses.take(use(`${now}`, "late", 99, 5_000), now), "counted");
  }
  assertEquals(uses.count, 1_000);
  assertEquals(uses.take(use("a", "new", 2, 999), 110), "no_room");
});
