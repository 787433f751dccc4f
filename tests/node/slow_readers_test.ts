import { assertEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { SlowReaders } from "../../lib/node/slow_readers.ts";

/** Eight of these are as much as slow readers may hold. */
const PART = LIMITS.slowReaderBytes / 8;

/** Slow readers at a time that the test sets, and who was cut off. */
function newReaders() {
  const clock = { now: 0 };
  const cut: string[] = [];
  const readers = new SlowReaders(LIMITS, () => clock.now);
  const send = (group: string, name = group, bytes = PART) => {
    const held = readers.sending({ group, bytes, end: () => end() });
    const end = () => {
      cut.push(name);
      held[Symbol.dispose]();
    };
    return held;
  };
  return { clock, cut, readers, send };
}

Deno.test("SlowReaders cuts off the slowest of the largest group once slow ones hold too much", () => {
  const { clock, cut, readers, send } = newReaders();
  send("honest");
  for (let n = 0; n < 12; n++, clock.now++) send("many", `many ${n}`);
  send("few", "few 0");
  send("few", "few 1");
  assertEquals(cut, [], "nobody is slow yet");
  clock.now = 2_100;
  send("newcomer");
  assertEquals(cut, Array.from({ length: 7 }, (_, n) => `many ${n}`));
  assertEquals(readers.bytes, 9 * PART, "one of them is not slow");
});

Deno.test("SlowReaders cuts off nobody that reads in time, however much all of them hold", () => {
  const { clock, cut, readers, send } = newReaders();
  for (let round = 0; round < 5; round++) {
    const sent = Array.from({ length: 200 }, () => send("office"));
    clock.now += 1_900;
    for (const held of sent) held[Symbol.dispose]();
  }
  assertEquals([cut, readers.bytes], [[], 0]);
});

Deno.test("SlowReaders never cuts off the only slow reader of a group", () => {
  const { clock, cut, send } = newReaders();
  for (let n = 0; n < 30; n++) send(`at ${n}`);
  clock.now = 5_000;
  send("newcomer");
  assertEquals(cut, []);
});

Deno.test("SlowReaders looks through all readers at most once in slowReaderCheckMs", () => {
  const { clock, cut, send } = newReaders();
  for (let n = 0; n < 9; n++) send("many");
  clock.now = 1_900;
  send("newcomer"); // looks
  clock.now = 2_100;
  send("newcomer"); // too soon
  assertEquals(cut, []);
  clock.now = 2_150;
  send("newcomer");
  assertEquals(cut, ["many"]);
});
