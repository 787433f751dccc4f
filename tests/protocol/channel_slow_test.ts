import { assertEquals, assertRejects } from "@std/assert";
import { Channel } from "../../lib/protocol/channel.ts";
import { ProtocolError } from "../../lib/base/errors.ts";
import { encodeFrame } from "../../lib/protocol/frame.ts";
import { LIMITS, limitsWith } from "../../lib/base/limits.ts";
import { encodeMessage } from "../../lib/protocol/messages.ts";
import { within } from "../_event_log.ts";
import { FakeTime } from "../_fake_time.ts";
import { memoryPair } from "../_memory_conn.ts";
import { find, OPTIONS } from "./_channel.ts";

const IDLE_MS = 7_000;

for (
  const [what, sent, limitMs, code] of [
    ["nothing", new Uint8Array(), IDLE_MS, "idle"],
    ["half a header", Uint8Array.of(0x40, 0), IDLE_MS, "idle"],
    [
      "half a body",
      encodeMessage(find(9)).subarray(0, 9),
      LIMITS.controlBodyMs,
      "timed_out",
    ],
  ] as const
) {
  Deno.test(`Channel ends a peer that sends ${what} and then falls silent`, async () => {
    using time = new FakeTime();
    const [near, far] = memoryPair();
    const bob = new Channel(far, { ...OPTIONS, idleMs: IDLE_MS });
    let outcome = "pending";
    const receiving = bob.receive(["find"]).catch((error) =>
      outcome = error.code
    );
    if (sent.length > 0) await near.write(sent);
    await time.advance(limitMs - 1);
    assertEquals(outcome, "pending");
    await time.advance(1);
    await receiving;
    assertEquals(outcome, code);
    assertEquals(
      await near.read(new Uint8Array(1)),
      null,
      "the conn is closed",
    );
    assertEquals(time.timerCount, 0);
    near.close();
  });
}

Deno.test("Channel lets file bytes trickle, and ends them when they stop", async () => {
  using time = new FakeTime();
  const [near, far] = memoryPair();
  const bob = new Channel(far, OPTIONS);
  bob.openUp();
  let outcome = "pending";
  const receiving = (async () => {
    await bob.receiveOrData(["find"]);
    await bob.readData(new Uint8Array(8));
  })().catch((error) => outcome = error.code);
  const { idleMs } = OPTIONS;
  const frame = encodeFrame(0x60, new Uint8Array(12));
  await near.write(frame.subarray(0, 9));
  for (const byte of frame.subarray(9, -1)) {
    await time.advance(idleMs - 1);
    await near.write(Uint8Array.of(byte));
  }
  await time.advance(idleMs - 1);
  assertEquals(outcome, "pending");
  // It looks four times in that while: so much later it knows at the latest.
  await time.advance(1 + idleMs / 4);
  await receiving;
  assertEquals(outcome, "idle");
  assertEquals(time.timerCount, 0);
  near.close();
});

Deno.test("Channel watches all pieces of a file with two timers, which end with the last piece", async () => {
  using time = new FakeTime();
  const [near, far] = memoryPair();
  const bob = new Channel(far, OPTIONS);
  bob.openUp();
  const frame = encodeFrame(0x60, new Uint8Array(12));
  const timers = bob.holdTimers();
  let setCount = 0;
  const { setInterval, setTimeout } = globalThis;
  globalThis.setInterval = ((...args: Parameters<typeof setInterval>) => {
    setCount++;
    return setInterval(...args);
  }) as typeof setInterval;
  globalThis.setTimeout = ((...args: Parameters<typeof setTimeout>) => {
    setCount++;
    return setTimeout(...args);
  }) as typeof setTimeout;
  try {
    for (let n = 0; n < 50; n++) {
      const header = bob.receiveOrData(["find"]);
      await near.write(frame.subarray(0, 9));
      await header;
      const reading = bob.readData(new Uint8Array(8));
      await near.write(frame.subarray(9));
      await reading;
    }
  } finally {
    Object.assign(globalThis, { setInterval, setTimeout });
  }
  assertEquals(setCount, 2, "one for headers, one for bytes");
  assertEquals(time.timerCount, 2);
  timers[Symbol.dispose]();
  assertEquals(time.timerCount, 0);
  near.close();
  far.close();
});

Deno.test("Channel gives a piece its full time, even if the timer still runs for the last one", async () => {
  using time = new FakeTime();
  const [near, far] = memoryPair();
  const bob = new Channel(far, OPTIONS);
  bob.openUp();
  const { idleMs } = OPTIONS;
  const frame = encodeFrame(0x60, new Uint8Array(12));
  const timers = bob.holdTimers();
  const first = (async () => {
    await bob.receiveOrData(["find"]);
    await bob.readData(new Uint8Array(8));
  })();
  await near.write(frame.subarray(0, 12));
  await time.advance(idleMs / 4 - 1); // a moment before it looks
  await near.write(frame.subarray(12));
  await first;
  let outcome = "pending";
  await near.write(frame.subarray(0, 9));
  await bob.receiveOrData(["find"]);
  const second = bob.readData(new Uint8Array(8))
    .catch((error) => outcome = error.code);
  await time.advance(idleMs - 1);
  assertEquals(outcome, "pending");
  await time.advance(1 + idleMs / 4);
  await second;
  assertEquals(outcome, "idle");
  timers[Symbol.dispose]();
  assertEquals(time.timerCount, 0);
  near.close();
});

Deno.test("Channel ends a peer that does not read, by count and by bytes", async () => {
  for (
    const override of [{ sendQueueFrameCount: 3 }, { sendQueueBytes: 300 }]
  ) {
    const [near, far] = memoryPair({ capacityBytes: 16 });
    const alice = new Channel(near, {
      ...OPTIONS,
      limits: limitsWith(override),
      writeStallMs: 1e6, // or that would end it
    });
    const sends = Array.from({ length: 40 }, (_, n) => alice.send(find(n)));
    const outcomes = await within(Promise.allSettled(sends), "the end");
    for (const outcome of outcomes) {
      assertEquals(outcome.status, "rejected");
      if (outcome.status === "rejected") {
        assertEquals(outcome.reason.code, "slow_consumer");
      }
    }
    far.close();
  }
});

Deno.test("Channel accepts messages at the limited rate from a peer that has used up its burst", async () => {
  using time = new FakeTime();
  const [near, far] = memoryPair();
  const alice = new Channel(near, { ...OPTIONS, limitsRate: true });
  const bob = new Channel(far, OPTIONS);
  const { controlBurstCount, controlRatePerSecond } = LIMITS;
  const pass = async (count: number) => {
    for (let n = 0; n < count; n++) {
      await bob.send(find(n));
      await alice.receive(["find"]);
    }
  };
  await pass(controlBurstCount);
  await time.advance(2_000);
  await pass(2 * controlRatePerSecond);
  await bob.send(find(1));
  const error = await assertRejects(
    () => alice.receive(["find"]),
    ProtocolError,
  );
  assertEquals(error.code, "rate_limited");
  for (const conn of [near, far]) conn.close();
});

Deno.test("Channel queues frames and bytes for a slow peer, up to its limits", async () => {
  const bytes = encodeMessage(find(1)).length;
  for (
    // The first is being written, and queued no more.
    const override of [{ sendQueueFrameCount: 3 }, {
      sendQueueBytes: 3 * bytes,
    }]
  ) {
    const [near, far] = memoryPair({ capacityBytes: 16 });
    const limits = limitsWith(override);
    const alice = new Channel(near, { ...OPTIONS, limits });
    const sends = [1, 2, 3, 4].map(() => alice.send(find(1)));
    const bob = new Channel(far, OPTIONS);
    for (const _ of sends) assertEquals(await bob.receive(["find"]), find(1));
    await Promise.all(sends);
    bob.conn.close();
  }
});

Deno.test("Channel ends a peer that takes no byte for the stall time", async () => {
  const [near, far] = memoryPair({ capacityBytes: 16 });
  const alice = new Channel(near, { ...OPTIONS, writeStallMs: 20 });
  const error = await assertRejects(() => alice.send(find(1)), ProtocolError);
  assertEquals(error.code, "slow_consumer");
  far.close();
});

Deno.test("Channel treats a slow reader as slow, not as stalled", async () => {
  using time = new FakeTime();
  const [near, far] = memoryPair({ capacityBytes: 16 * 1024 });
  const alice = new Channel(near, { ...OPTIONS, writeStallMs: 5_000 });
  const bytes = 512 * 1024;
  let isSent = false;
  const sending = alice.sendBulk(new Uint8Array(64 * 1024))
    .then(() => alice.sendBulk(new Uint8Array(bytes)))
    .then(() => isSent = true);
  const buffer = new Uint8Array(16 * 1024);
  let left = 64 * 1024 + bytes;
  // 16 KiB a second: the whole takes many times the stall time.
  while (left > 0) {
    await time.advance(1_000);
    left -= await far.read(buffer) ?? left;
  }
  await sending;
  assertEquals(isSent, true);
  near.close();
  far.close();
});
