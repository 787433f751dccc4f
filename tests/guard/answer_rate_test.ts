/**
 * How often datagrams are answered.
 */

import { assert, assertEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { AnswerRate } from "../../lib/guard/answer_rate.ts";

/** How many of `count` datagrams from an address get an answer. */
function answered(
  rate: AnswerRate,
  address: string,
  { count, now = 0 }: { count: number; now?: number },
): number {
  return Array.from({ length: count }, () => rate.allows(address, now))
    .filter(Boolean).length;
}

/** The address with that number, below 10.0.0.0. */
function addressOf(number: number): string {
  return `10.${number >> 16}.${number >> 8 & 255}.${number & 255}`;
}

Deno.test("AnswerRate allows each address 6 answers a second", () => {
  const rate = new AnswerRate(1);
  const allowed = (address: string, now: number) =>
    answered(rate, address, { count: 100, now });
  assertEquals(allowed("192.0.2.1", 0), 6);
  assertEquals(LIMITS.announceAnswersPerAddressPerSecond, 6);
  assertEquals(allowed("192.0.2.2", 999), 6);
  assertEquals(allowed("192.0.2.1", 999), 0);
  assertEquals(allowed("192.0.2.1", 1_000), 6);
});

Deno.test("AnswerRate answers everybody, even if somebody forges thousands of addresses in the same second", () => {
  const rate = new AnswerRate(2);
  // 30,000 queries of 512 bytes are 15 MB a second.
  for (let number = 0; number < 5_000; number++) {
    answered(rate, addressOf(number), { count: 6 });
  }
  for (let host = 1; host < 255; host++) {
    assertEquals(
      answered(rate, `192.168.1.${host}`, { count: 3 }),
      3,
      `${host}`,
    );
  }
});

Deno.test("AnswerRate needs no more memory for many addresses, and only then confuses some of them", () => {
  assertEquals(LIMITS.announceCellCount, 65_536);
  const rate = new AnswerRate(3, { cellCount: 64 });
  let count = 0;
  for (let number = 0; number < 1_000; number++) {
    count += answered(rate, addressOf(number), { count: 6 });
  }
  // All cells are full.
  assert(count <= 4 * 64 * 6, `${count}`);
  assertEquals(answered(rate, "192.168.1.1", { count: 3 }), 0);
  assertEquals(answered(rate, "192.168.1.1", { count: 3, now: 1_000 }), 3);
});

Deno.test("AnswerRate uses other counters each second, and for each seed", () => {
  /** The first address that gets no answer because of the others. */
  const firstRefused = (rate: AnswerRate, now: number) => {
    for (let number = 0;; number++) {
      if (answered(rate, addressOf(number), { count: 6, now }) < 6) {
        return number;
      }
    }
  };
  const rate = new AnswerRate(4);
  const refused = [0, 1_000, 2_000].map((now) => firstRefused(rate, now));
  refused.push(firstRefused(new AnswerRate(5), 0));
  assertEquals(new Set(refused).size, refused.length, `${refused}`);
});
