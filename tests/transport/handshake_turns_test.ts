import { assertEquals } from "@std/assert";
import { setImmediate } from "node:timers";
import { LIMITS } from "../../lib/base/limits.ts";
import { HandshakeOrder } from "../../lib/guard/handshake_order.ts";
import { HandshakeTurns } from "../../lib/transport/handshake_turns.ts";
import { within } from "../_event_log.ts";

/** Turns by a clock that stands, and what has begun so far. */
function setUp() {
  const turns = new HandshakeTurns(new HandshakeOrder(LIMITS), () => 0);
  const begun: string[] = [];
  const wait = (group: string, name = group) => {
    const waiting = turns.wait(group);
    return Object.assign(waiting, {
      done: waiting.turn.then(() => void begun.push(name)),
    });
  };
  return { turns, begun, wait };
}

Deno.test("HandshakeTurns begins a handshake at once where none waits", async () => {
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

Deno.test("HandshakeTurns prefers who says hello to all that came before", async () => {
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
