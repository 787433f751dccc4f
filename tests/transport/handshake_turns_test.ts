import { assertEquals } from "@std/assert";
import { setImmediate } from "node:timers";
import { LIMITS } from "../../lib/base/limits.ts";
import { HandshakeOrder } from "../../lib/guard/handshake_order.ts";
import { HandshakeTurns } from "../../lib/transport/handshake_turns.ts";
import { within } from "../_event_log.ts";

/** Turns by a clock that stands until it is set, and what has begun so far. */
function setUp() {
  const clock = { now: 0 };
  const order = new HandshakeOrder(LIMITS);
  const turns = new HandshakeTurns(order, LIMITS, () => clock.now);
  const begun: string[] = [];
  const wait = (group: string, name = group) => {
    const waiting = turns.wait(group);
    return Object.assign(waiting, {
      done: waiting.turn.then(() => void begun.push(name)),
    });
  };
  return { turns, clock, order, begun, wait };
}

Deno.test("HandshakeTurns begins a handshake at once if none waits", async () => {
  const { turns, begun, wait } = setUp();
  using _turns = turns;
  await wait("only").done;
  assertEquals(begun, ["only"]);
});

Deno.test("HandshakeTurns lets others have their turn between two handshakes", async () => {
  const { turns, begun, wait } = setUp();
  using _turns = turns;
  const all = [wait("a"), wait("b"), wait("c")];
  const seen: number[] = [];
  for (const { done } of all) {
    await within(done, "a turn");
    await new Promise<void>((resolve) => setImmediate(resolve));
    seen.push(begun.length);
  }
  assertEquals(begun, ["a", "b", "c"]);
  assertEquals(seen, [1, 2, 3]);
});

Deno.test("HandshakeTurns prefers addresses that finish their handshakes, even to earlier ones", async () => {
  const { turns, begun, wait } = setUp();
  using _turns = turns;
  await within(wait("honest").done, "the first");
  turns.finished("honest");
  const crowd = Array.from({ length: 64 }, (_, n) => wait(`attacker ${n % 8}`));
  const honest = wait("honest");
  await within(honest.done, "the honest");
  assertEquals(begun.indexOf("honest", 1) <= 2, true, begun.join(", "));
  await within(Promise.all(crowd.map(({ done }) => done)), "all others");
  assertEquals(begun.length, 66);
});

Deno.test("HandshakeTurns forgets a handshake that is disposed of before its turn", async () => {
  const { turns, begun, wait } = setUp();
  using _turns = turns;
  const first = wait("a", "first");
  const second = wait("a", "second");
  const third = wait("a", "third");
  const fourth = wait("b", "fourth");
  second[Symbol.dispose]();
  second[Symbol.dispose]();
  await within(Promise.all([first.done, third.done, fourth.done]), "the rest");
  // What was disposed of resolves too: its owner looks whether it is over.
  assertEquals(begun, ["first", "second", "fourth", "third"]);
});

Deno.test("HandshakeTurns delays only addresses with unfinished handshakes, if more wait than one address may have", async () => {
  const { turns, clock, order, begun, wait } = setUp();
  using _turns = turns;
  for (let n = 0; n < 8; n++) {
    order.begun(`attacker ${n}`, 0);
    order.begun(`attacker ${n}`, 0);
  }
  await within(wait("newcomer").done, "the first");
  const crowd = Array.from(
    { length: LIMITS.handshakesPerAddressCount + 2 },
    (_, n) => wait(`attacker ${n % 8}`),
  );
  for (const name of ["second", "third", "fourth"]) {
    await within(wait(name).done, name);
  }
  assertEquals(begun, ["newcomer", "second", "third", "fourth"]);
  clock.now = LIMITS.handshakePauseMs;
  await within(Promise.race(crowd.map(({ done }) => done)), "an attacker");
  assertEquals(begun.length, 5);
  clock.now = 2 * LIMITS.handshakePauseMs;
  await within(
    Promise.all(crowd.map(({ done }) => done)),
    "those that one address may have",
  );
});
