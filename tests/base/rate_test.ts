import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { AddressGroupRate, parseRate, RateLimit } from "../../lib/base/rate.ts";

for (
  const [text, rate] of [
    ["1", 1],
    ["4096", 4_096],
    ["0.5", 0.5],
    ["500K", 500_000],
    ["500k", 500_000],
    ["20M", 20_000_000],
    ["1.5G", 1_500_000_000],
    ["1.250000M", 1_250_000],
    ["64B", 64],
    ["10MB", 10_000_000],
    ["10mb", 10_000_000],
    ["999999999999999G", 999_999_999_999_999e9],
  ] as const
) {
  Deno.test(`parseRate reads ${text} as ${rate} bytes a second`, () => {
    assertEquals(parseRate(text), rate);
  });
}

for (
  const text of [
    "",
    " ",
    "0",
    "0K",
    "0.0",
    "-1",
    "+1",
    "1e9",
    "0x10",
    "K",
    "B",
    "1 K",
    " 1K",
    "1K ",
    "1K\n",
    "1KK",
    "1KiB",
    "1T",
    "1.",
    ".5",
    "1.2.3",
    "1,5M",
    "1_000",
    "1.1234567",
    "1234567890123456",
    "Infinity",
    "NaN",
    "１",
  ]
) {
  Deno.test(`parseRate finds no rate in ${JSON.stringify(text)}`, () => {
    assertEquals(parseRate(text), undefined);
  });
}

for (const rate of [0, -1, -0, NaN]) {
  Deno.test(`RateLimit refuses ${rate} bytes a second`, () => {
    assertThrows(() => new RateLimit(rate), RangeError, "above 0");
  });
}

Deno.test("RateLimit lets a user that wakes late still reach the rate", () => {
  const limit = new RateLimit(1_000);
  let now = 10_000;
  let bytes = 0;
  // Each timer fires 180 ms late, and each step is 100 ms of the rate.
  for (; now < 70_000; bytes += 100) {
    const waitMs = limit.reserve(100, now);
    if (waitMs > 0) now += waitMs + 180;
  }
  const expected = (now - 10_000) / 1_000 * limit.bytesPerSecond;
  assertAlmostEquals(bytes, expected, 300);
});

Deno.test("RateLimit allows a user that had to wait a quarter of a second at once after a pause, and no more", () => {
  const limit = new RateLimit(1_000);
  assertEquals(limit.reserve(100, 5_000), 0);
  assertEquals(limit.reserve(100, 5_000), 50);
  const sent = [];
  while (limit.reserve(10, 60_000) === 0) sent.push(10);
  assertEquals(sent.length, 26);
});

Deno.test("RateLimit lets the first user send at once, and the next in its turn", () => {
  const limit = new RateLimit(1_000);
  assertEquals(limit.reserve(1_000, 7_000), 0);
  // What may be sent at once stands for the 50 ms before.
  assertEquals(limit.reserve(500, 7_000), 950);
  assertEquals(limit.reserve(1, 7_950), 500);
  assertEquals(limit.reserve(1, 7_950), 501);
});

Deno.test("RateLimit does not make up for more than 50 ms of a pause", () => {
  const limit = new RateLimit(1_000);
  limit.reserve(100, 0);
  const waits = Array.from({ length: 8 }, () => limit.reserve(10, 60_000));
  assertEquals(waits, [0, 0, 0, 0, 0, 0, 10, 20]);
});

Deno.test("RateLimit makes up for a turn that was taken a little late", () => {
  const limit = new RateLimit(1_000);
  limit.reserve(1_000, 0);
  assertEquals(limit.reserve(1_000, 960), 0, "10 ms after its turn");
  assertEquals(limit.reserve(1_000, 1_900), 50, "no time is lost by it");
});

interface User {
  readonly stepBytes: number;
  /** How late it wakes up from each wait. */
  readonly lateMs: number;
  at: number;
  sent: number;
}

/** Users that wait as long as given and then send, until `endMs`. */
function run(limit: RateLimit, users: readonly User[], endMs: number): void {
  for (;;) {
    const user = users.reduce((a, b) => b.at < a.at ? b : a);
    const waitMs = limit.reserve(user.stepBytes, user.at);
    user.at += waitMs + (waitMs > 0 ? user.lateMs : 0);
    if (user.at >= endMs) return;
    user.sent += user.stepBytes;
  }
}

function user(stepBytes: number, lateMs = 0, at = 0): User {
  return { stepBytes, lateMs, at, sent: 0 };
}

for (const rate of [5_000, 1_000_000, 125_000_000]) {
  for (const count of [1, 2, 7]) {
    Deno.test(`RateLimit limits ${count} users in turn to ${rate} bytes a second and equal parts`, () => {
      const limit = new RateLimit(rate);
      const users = Array.from(
        { length: count },
        (_, n) => user(limit.stepBytes, 1, n),
      );
      const seconds = 400;
      run(limit, users, seconds * 1000);
      const total = users.reduce((sum, { sent }) => sum + sent, 0);
      assertAlmostEquals(total / seconds, rate, rate * 0.01);
      for (const { sent } of users) {
        assertAlmostEquals(sent, total / count, 2 * limit.stepBytes);
      }
    });
  }
}

Deno.test("RateLimit gives the whole rate to one user when the other has ended", () => {
  const limit = new RateLimit(1_000_000);
  const [short, long] = [user(10_000), user(10_000)];
  run(limit, [short, long], 10_000);
  const before = long.sent;
  run(limit, [long], 20_000);
  assertAlmostEquals(before, 5e6, 1e5);
  assertAlmostEquals(long.sent - before, 10e6, 1e5);
});

for (
  const [rate, bytes] of [
    [1, 4_096],
    [32_768, 4_096],
    [32_769, 4_097],
    [1_000_000, 125_000],
  ] as const
) {
  Deno.test(`RateLimit goes in steps of ${bytes} bytes at ${rate} a second`, () => {
    assertEquals(new RateLimit(rate).stepBytes, bytes);
  });
}

Deno.test("AddressGroupRate allows a burst of a source at once, then a limited number a second, in order", () => {
  const rate = new AddressGroupRate(10, 3);
  const waits = Array.from({ length: 6 }, () => rate.reserve("a", 1_000));
  assertEquals(waits, [0, 0, 0, 100, 200, 300]);
  assertEquals(rate.reserve("b", 1_000), 0, "another waits for nobody");
  assertEquals(rate.reserve("a", 1_350), 50);
  // What was not used comes back, and no more than that.
  const later = Array.from({ length: 4 }, () => rate.reserve("a", 9_000));
  assertEquals(later, [0, 0, 0, 100]);
});

Deno.test("AddressGroupRate forgets groups that have their full burst again", () => {
  const rate = new AddressGroupRate(10, 3);
  for (let n = 0; n < 1_000; n++) rate.reserve(`${n}`, 0);
  assertEquals(rate.sourceCount, 1_000);
  for (let n = 0; n < 1_024; n++) rate.reserve("late", 10_000);
  assertEquals(rate.sourceCount, 1);
  assertEquals(rate.reserve("late", 10_000) > 0, true, "and no other");
});
