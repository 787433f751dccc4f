import { assertEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { HandshakeOrder } from "../../lib/guard/handshake_order.ts";

/** The order in which all of `groups` begin, one handshake each, at `now`. */
function drain(
  order: HandshakeOrder,
  groups: readonly string[],
  now: number,
): string[] {
  const waiting = new Set(groups);
  const begun: string[] = [];
  while (waiting.size > 0) {
    const first = order.first(waiting, now)!;
    waiting.delete(first);
    order.begun(first, now);
    begun.push(first);
  }
  return begun;
}

Deno.test("HandshakeOrder selects nobody if nobody waits", () => {
  assertEquals(new HandshakeOrder(LIMITS).first([], 0), undefined);
});

Deno.test("HandshakeOrder begins with addresses that said hello, then new ones, then those that never do", () => {
  const order = new HandshakeOrder(LIMITS);
  for (let now = 0; now < 1_000; now += 100) {
    for (const group of ["silent", "honest", "silent", "leaver"]) {
      order.begun(group, now);
      if (group === "honest") order.finished(group, now);
    }
  }
  assertEquals(
    drain(order, ["silent", "new", "leaver", "honest"], 1_000),
    ["honest", "new", "leaver", "silent"],
  );
});

Deno.test("HandshakeOrder serves equal addresses in turn", () => {
  const order = new HandshakeOrder(LIMITS);
  const groups = ["a", "b", "c"];
  assertEquals(drain(order, groups, 0), groups);
  assertEquals(drain(order, ["c", "a", "b"], 0), groups);
});

Deno.test("HandshakeOrder forgives a client that learns a certificate before each hello", () => {
  const order = new HandshakeOrder(LIMITS);
  for (let n = 0; n < 20; n++) {
    order.begun("learner", 0); // and closes the connection
    order.begun("learner", 0);
    order.finished("learner", 0);
  }
  order.begun("honest", 0);
  order.finished("honest", 0);
  assertEquals(order.first(["honest", "learner"], 0), "learner"); // as good, and earlier
});

const HALF_LIFE_MS = LIMITS.handshakeHalfLifeMs;
for (
  const [now, first] of [
    [HALF_LIFE_MS - 1, "once"],
    [HALF_LIFE_MS, "twice"], // as many by now, and earlier
  ] as const
) {
  Deno.test(`HandshakeOrder halves what was left unfinished in handshakeHalfLifeMs: after ${now} ms it begins with ${first}`, () => {
    const order = new HandshakeOrder(LIMITS);
    order.begun("twice", 0);
    order.begun("twice", 0);
    order.begun("once", now);
    assertEquals(order.first(["once", "twice"], now), first);
  });
}

Deno.test("HandshakeOrder remembers handshakeGroupCount addresses, and forgets the one that began longest ago", () => {
  const order = new HandshakeOrder(LIMITS);
  order.begun("first", 0);
  order.begun("first", 0);
  order.begun("second", 0);
  for (let n = 2; n < LIMITS.handshakeGroupCount; n++) order.begun(`${n}`, 0);
  assertEquals(order.groupCount, LIMITS.handshakeGroupCount);
  assertEquals(order.first(["first", "second"], 0), "second");
  order.begun("one more", 0);
  assertEquals(order.groupCount, LIMITS.handshakeGroupCount);
  assertEquals(order.first(["first", "second"], 0), "first"); // new again
});
