/**
 * How long a node's list of files may take.
 */

import { assertEquals } from "@std/assert";
import { ListingClock, Stopped } from "../../lib/client/listing_clock.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { FakeTime } from "../_fake_time.ts";

const {
  listingMs,
  listingBytesPerSecond,
  listingMostMs,
  listingWorkingCount,
} = LIMITS;

/** A page of `count` files whose names have 50 characters: 200 bytes each. */
function page(count: number): { name: string }[] {
  return Array.from({ length: count }, () => ({ name: "n".repeat(50) }));
}
const PAGE_BYTES = 200;

function reasonOf(clock: ListingClock): string | undefined {
  const { aborted, reason } = clock.signal;
  return aborted && reason instanceof Stopped ? reason.message : undefined;
}

Deno.test("ListingClock ends a silent list exactly after its first time", async () => {
  using time = new FakeTime();
  using clock = new ListingClock(LIMITS);
  await time.advance(listingMs - 1);
  assertEquals(clock.signal.aborted, false);
  await time.advance(1);
  assertEquals(reasonOf(clock), "its list arrived too slowly, 0 files in 15 s");
  assertEquals(time.timerCount, 0);
});

Deno.test("ListingClock stops a list whose files come one by one at the end of its first time", async () => {
  using time = new FakeTime();
  using clock = new ListingClock(LIMITS);
  for (let ms = 0; ms < listingMs - 1_000; ms += 1_000) {
    clock.arrived(page(1));
    await time.advance(1_000);
  }
  assertEquals(clock.signal.aborted, false);
  await time.advance(1_000);
  assertEquals(
    reasonOf(clock),
    "its list arrived too slowly, 14 files in 15 s",
  );
});

Deno.test("ListingClock waits for a list at exactly the required rate, and stops one that is one file too late", async () => {
  const perSecond = Math.ceil(listingBytesPerSecond / PAGE_BYTES);
  const seconds = listingMs / 1_000 + 10;
  for (const isBehind of [false, true]) {
    using time = new FakeTime();
    using clock = new ListingClock({
      ...LIMITS,
      listingBytesPerSecond: perSecond * PAGE_BYTES,
    });
    for (let second = 1; second <= seconds; second++) {
      await time.advance(999);
      const isOneFewer = isBehind && second === 1;
      clock.arrived(page(isOneFewer ? perSecond - 1 : perSecond));
      await time.advance(1);
    }
    assertEquals(clock.signal.aborted, isBehind);
  }
});

Deno.test("ListingClock stops a quick list that falls silent once its rate is too low", async () => {
  using time = new FakeTime();
  using clock = new ListingClock(LIMITS);
  const seconds = 60;
  clock.arrived(page(Math.ceil(seconds * listingBytesPerSecond / PAGE_BYTES)));
  // It is looked at once a second: the bytes are enough for 60 s.
  await time.advance(seconds * 1_000);
  assertEquals(clock.signal.aborted, false);
  await time.advance(1_000);
  assertEquals(
    reasonOf(clock),
    "its list arrived too slowly, 1229 files in 61 s",
  );
});

Deno.test("ListingClock stops the quickest list when no list may take longer", async () => {
  using time = new FakeTime();
  const limits = { ...LIMITS, listingMostMs: listingMostMs + 500 };
  using clock = new ListingClock(limits);
  clock.arrived(page(10_000));
  await time.advance(limits.listingMostMs - 1);
  assertEquals(clock.signal.aborted, false);
  await time.advance(1);
  assertEquals(
    reasonOf(clock),
    "its list arrived too slowly, 10000 files in 301 s",
  );
});

Deno.test("ListingClock stops a list at the most time even before its first time", async () => {
  using time = new FakeTime();
  using clock = new ListingClock({ ...LIMITS, listingMostMs: 4_000 });
  clock.arrived(page(10_000));
  await time.advance(3_999);
  assertEquals(clock.signal.aborted, false);
  await time.advance(1);
  assertEquals(
    reasonOf(clock),
    "its list arrived too slowly, 10000 files in 4 s",
  );
});

Deno.test("ListingClock that is disposed of stops nothing and leaves no timer", async () => {
  using time = new FakeTime();
  const clock = new ListingClock(LIMITS);
  clock.arrived(page(1_000));
  await time.advance(listingMs);
  clock[Symbol.dispose]();
  assertEquals(time.timerCount, 0);
  await time.advance(2 * listingMostMs);
  assertEquals(clock.signal.aborted, false);
});

Deno.test("ListingClock gives a node that scans its share listingWorkingCount times more time, and then no more", async () => {
  using time = new FakeTime();
  using clock = new ListingClock(LIMITS);
  const wordMs = 5_000;
  for (let word = 0; word < listingWorkingCount; word++) {
    await time.advance(wordMs);
    clock.works();
  }
  for (let ms = wordMs; ms < listingMs; ms += wordMs) {
    await time.advance(wordMs);
    assertEquals(clock.signal.aborted, false);
    clock.works(); // no longer believed
  }
  await time.advance(wordMs);
  assertEquals(clock.signal.aborted, true);
});

Deno.test("ListingClock counts the rate of a list from the end of the scan on", async () => {
  using time = new FakeTime();
  using clock = new ListingClock(LIMITS);
  await time.advance(listingMs - 1);
  clock.works();
  clock.arrived(page(1));
  clock.works(); // too late: the list has begun
  await time.advance(listingMs - 1);
  assertEquals(clock.signal.aborted, false);
  await time.advance(1_000);
  assertEquals(clock.signal.aborted, true);
});

Deno.test("ListingClock gives a node that only says that it works listingMs once another node has listed", async () => {
  using time = new FakeTime();
  using clock = new ListingClock(LIMITS);
  const wordMs = 4_000;
  clock.works();
  clock.hurry();
  for (let ms = wordMs; ms < listingMs; ms += wordMs) {
    await time.advance(wordMs);
    assertEquals(clock.signal.aborted, false);
    clock.works(); // no longer believed
  }
  await time.advance(listingMs % wordMs);
  assertEquals(reasonOf(clock), "its list arrived too slowly, 0 files in 15 s");
});

Deno.test("ListingClock does not count the time in which its caller takes a page", async () => {
  using time = new FakeTime();
  using clock = new ListingClock(LIMITS);
  clock.arrived(page(10));
  const { promise, resolve } = Promise.withResolvers<void>();
  const taking = clock.hold(promise);
  await time.advance(listingMostMs + listingMs);
  assertEquals(clock.signal.aborted, false);
  resolve();
  await taking;
  await time.advance(listingMs);
  assertEquals(
    reasonOf(clock),
    "its list arrived too slowly, 10 files in 15 s",
  );
});
