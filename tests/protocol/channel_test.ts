import { assertEquals, assertRejects } from "@std/assert";
import { Channel, type ChannelOptions } from "../../lib/protocol/channel.ts";
import { writeAll } from "../../lib/base/conn.ts";
import { ProtocolError } from "../../lib/base/errors.ts";
import { encodeFrame } from "../../lib/protocol/frame.ts";
import { LIMITS, limitsWith } from "../../lib/base/limits.ts";
import { DATA_HEADER_BYTES, writeDataHeader } from "../../lib/protocol/bulk.ts";
import { encodeMessage, type Message } from "../../lib/protocol/messages.ts";
import { CONN_PAIRS } from "../_conn_pairs.ts";
import { within } from "../_event_log.ts";
import { FakeTime } from "../_fake_time.ts";
import { memoryPair } from "../_memory_conn.ts";
import { randomBytes, seededRandom } from "../_random.ts";

const OPTIONS: ChannelOptions = {
  limits: LIMITS,
  acceptsData: true,
  writeStallMs: 10_000,
  idleMs: 10_000,
};

const IDLE_MS = 7_000;

const LIST: Message = { kind: "list" };

function find(request: number): Message {
  return { kind: "find", request, name: "a".repeat(request % 50) };
}

/** A frame of file bytes. */
function dataFrame(request: number, bytes: Uint8Array): Uint8Array {
  const frame = new Uint8Array(DATA_HEADER_BYTES + bytes.length);
  writeDataHeader(frame, 0, { request, length: bytes.length });
  frame.set(bytes, DATA_HEADER_BYTES);
  return frame;
}

for (const kind of CONN_PAIRS) {
  Deno.test(`Channel ${kind.name}: messages arrive whole and in order`, async () => {
    await using pair = await kind.open();
    const alice = new Channel(pair.dialled, OPTIONS);
    const bob = new Channel(pair.accepted, OPTIONS);
    const count = 200;
    const sending = (async () => {
      for (let n = 0; n < count; n++) await alice.send(find(n));
    })();
    for (let n = 0; n < count; n++) {
      assertEquals(await bob.receive(["find"]), find(n) as never);
    }
    await sending;
  });

  Deno.test(`Channel ${kind.name}: file bytes arrive between messages`, async () => {
    await using pair = await kind.open();
    const alice = new Channel(pair.dialled, OPTIONS);
    const bob = new Channel(pair.accepted, OPTIONS);
    alice.openUp();
    bob.openUp();
    const bytes = randomBytes(20_000, seededRandom(1));
    const sending = (async () => {
      await alice.send(find(1));
      await alice.sendBulk(dataFrame(7, bytes));
      await alice.send(find(2));
    })();
    assertEquals((await bob.receiveOrData(["find"]))?.kind, "find");
    const data = await bob.receiveOrData(["find"]);
    assertEquals(data, { kind: "data", request: 7, length: bytes.length });
    const target = new Uint8Array(bytes.length);
    await bob.readData(target);
    assertEquals(target, bytes);
    assertEquals(await bob.receive(["find"]), find(2) as never);
    await sending;
  });

  Deno.test(`Channel ${kind.name}: a close is a clean end, and answers still come`, async () => {
    await using pair = await kind.open();
    const alice = new Channel(pair.dialled, OPTIONS);
    const bob = new Channel(pair.accepted, OPTIONS);
    await alice.send(LIST);
    await pair.dialled.closeWrite();
    assertEquals((await bob.receive(["list"]))?.kind, "list");
    assertEquals(await bob.receive(["list"]), null);
    await bob.send(find(3));
    await bob.close();
    assertEquals((await alice.receive(["find"]))?.kind, "find");
    assertEquals(await alice.receive(["find"]), null);
  });

  Deno.test(`Channel ${kind.name}: a stream that ends inside a frame is no end`, async () => {
    await using pair = await kind.open();
    const bob = new Channel(pair.accepted, OPTIONS);
    await writeAll(pair.dialled, encodeMessage(find(5)).subarray(0, 20));
    await pair.dialled.closeWrite();
    const error = await assertRejects(
      () => bob.receive(["find"]),
      ProtocolError,
    );
    assertEquals(error.code, "truncated");
  });

  Deno.test(`Channel ${kind.name}: closing under a pending call ends it`, async () => {
    await using pair = await kind.open();
    const bob = new Channel(pair.accepted, OPTIONS);
    const receiving = assertRejects(
      () => bob.receive(["find"]),
      Error,
      "enough",
    );
    bob.abort(new Error("enough"));
    await within(receiving, "the end");
  });
}

for (
  const [what, frame, code] of [
    [
      "a frame of 4,097 bytes before hello",
      encodeFrame(0x40, new Uint8Array(4_097)),
      "frame_too_large",
    ],
    [
      "a length of 4 GiB",
      Uint8Array.of(0x40, 0xff, 0xff, 0xff, 0xff),
      "frame_too_large",
    ],
    ["a message of the wrong phase", encodeMessage(LIST), "wrong_phase"],
    [
      "file bytes nobody asked for",
      encodeFrame(0x60, new Uint8Array(8)),
      "wrong_phase",
    ],
    [
      "a body that is no JSON",
      encodeFrame(0x40, new Uint8Array(8)),
      "bad_message",
    ],
  ] as const
) {
  Deno.test(`Channel refuses ${what}`, async () => {
    const [near, far] = memoryPair();
    await writeAll(near, frame);
    const bob = new Channel(far, OPTIONS);
    const error = await assertRejects(
      () => bob.receive(["find"]),
      ProtocolError,
    );
    assertEquals(error.code, code);
    far.close();
    near.close();
  });
}

Deno.test("Channel takes a control frame of 64 KiB once greeted, and none larger", async () => {
  const [near, far] = memoryPair({ capacityBytes: 1 << 20 });
  const bob = new Channel(far, OPTIONS);
  bob.openUp();
  await writeAll(near, encodeFrame(0xee, new Uint8Array(65_536)));
  await writeAll(near, encodeFrame(0xee, new Uint8Array(65_537)));
  const error = await assertRejects(() => bob.receive(["find"]), ProtocolError);
  assertEquals(error.code, "frame_too_large");
  far.close();
});

Deno.test("Channel holds data frames to their own limit, or to none at all", async () => {
  for (const acceptsData of [true, false]) {
    const [near, far] = memoryPair({ capacityBytes: 1 << 20 });
    const bob = new Channel(far, { ...OPTIONS, acceptsData });
    bob.openUp();
    const most = acceptsData
      ? LIMITS.frameDataBytes + 4
      : LIMITS.frameControlBytes;
    await writeAll(
      near,
      encodeFrame(0x60, new Uint8Array(most + 1)).subarray(0, 5),
    );
    const error = await assertRejects(
      () => bob.receiveOrData(["find"]),
      ProtocolError,
    );
    assertEquals(error.code, "frame_too_large");
    far.close();
  }
});

for (const length of [0, 3, 4]) {
  Deno.test(`Channel refuses a data frame of ${length} bytes: it holds none of a file`, async () => {
    const [near, far] = memoryPair();
    const bob = new Channel(far, OPTIONS);
    bob.openUp();
    await writeAll(near, encodeFrame(0x60, new Uint8Array(length)));
    const error = await assertRejects(
      () => bob.receiveOrData(["find"]),
      ProtocolError,
    );
    assertEquals(error.code, "bad_message");
    near.close();
    far.close();
  });
}

Deno.test("Channel takes a data frame of one byte", async () => {
  const [near, far] = memoryPair();
  const bob = new Channel(far, OPTIONS);
  bob.openUp();
  await writeAll(near, dataFrame(9, Uint8Array.of(5)));
  assertEquals(await bob.receiveOrData(["find"]), {
    kind: "data",
    request: 9,
    length: 1,
  });
  const target = new Uint8Array(1);
  await bob.readData(target);
  assertEquals(target[0], 5);
  near.close();
  far.close();
});

Deno.test("Channel sends bulk and messages that are asked for at once one after the other, none inside another", async () => {
  const [near, far] = memoryPair({ capacityBytes: 1_000 });
  const alice = new Channel(near, OPTIONS);
  const bob = new Channel(far, OPTIONS);
  bob.openUp();
  const bytes = randomBytes(5_000, seededRandom(3));
  const sending = Promise.all([
    alice.send(find(1)),
    alice.sendBulk(dataFrame(1, bytes)),
    alice.send(find(2)),
    alice.sendBulk(dataFrame(2, bytes)),
    alice.send(find(3)),
  ]);
  const requests: number[] = [];
  for (let n = 0; n < 5; n++) {
    const message = await within(bob.receiveOrData(["find"]), "a frame");
    if (message === null) throw new Error("ended");
    requests.push(message.request);
    if (message.kind !== "data") continue;
    const target = new Uint8Array(message.length);
    await bob.readData(target);
    assertEquals(target, bytes);
  }
  assertEquals(requests.toSorted(), [1, 1, 2, 2, 3]);
  await sending;
  near.close();
  far.close();
});

Deno.test("Channel keeps nothing of bulk: sending it waits until the conn has taken all", async () => {
  const [near, far] = memoryPair({ capacityBytes: 1_000 });
  const alice = new Channel(near, OPTIONS);
  let isSent = false;
  const sending = alice.sendBulk(new Uint8Array(3_000)).then(() =>
    isSent = true
  );
  const buffer = new Uint8Array(1_000);
  for (let left = 3_000; left > 0;) {
    // What the conn holds back is still with the sender.
    assertEquals(isSent && left > 1_000, false);
    left -= await far.read(buffer) ?? left;
  }
  await within(sending, "the end of sending");
  near.close();
  far.close();
});

Deno.test("Channel knows whether the next message is here, whole", async () => {
  const [near, far] = memoryPair();
  const bob = new Channel(far, OPTIONS);
  const frames = new Uint8Array([
    ...encodeMessage(find(1)),
    ...encodeMessage(find(2)),
    ...encodeMessage(find(3)).subarray(0, 9),
  ]);
  await writeAll(near, frames);
  assertEquals(bob.hasWholeFrame, false, "nothing has been read yet");
  await bob.receive(["find"]);
  assertEquals(bob.hasWholeFrame, true);
  await bob.receive(["find"]);
  assertEquals(bob.hasWholeFrame, false, "only half of it is here");
  near.close();
  far.close();
});

Deno.test("Channel skips 64 unknown frames, and no more", async () => {
  const [near, far] = memoryPair({ capacityBytes: 1 << 20 });
  const bob = new Channel(far, OPTIONS);
  for (let n = 0; n < 64; n++) {
    await writeAll(near, encodeFrame(0xee, new Uint8Array()));
  }
  await writeAll(near, encodeMessage(find(1)));
  assertEquals((await bob.receive(["find"]))?.kind, "find");
  await writeAll(near, encodeFrame(0xee, new Uint8Array()));
  const error = await assertRejects(() => bob.receive(["find"]), ProtocolError);
  assertEquals(error.code, "rate_limited");
  far.close();
});

Deno.test("Channel holds a peer to its control rate, zero-length frames included", async () => {
  const [near, far] = memoryPair({ capacityBytes: 1 << 20 });
  const limits = limitsWith({ unknownFrameCount: 1e9 });
  const bob = new Channel(far, { ...OPTIONS, limits, limitsRate: true });
  const flood = encodeFrame(0xee, new Uint8Array());
  for (let n = 0; n < 1_000; n++) await writeAll(near, flood);
  const error = await assertRejects(() => bob.receive(["find"]), ProtocolError);
  assertEquals(error.code, "rate_limited");
  far.close();
});

Deno.test("Channel does not count what it has offered, once for each offer", async () => {
  const [near, far] = memoryPair({ capacityBytes: 1 << 20 });
  const limits = limitsWith({ controlBurstCount: 2, controlRatePerSecond: 0 });
  const bob = new Channel(far, { ...OPTIONS, limits, limitsRate: true });
  for (let n = 0; n < 30; n++) await writeAll(near, encodeMessage(find(n)));
  for (let n = 0; n < 20; n++) {
    bob.offer();
    assertEquals((await bob.receive(["find"]))?.request, n);
  }
  bob.offer();
  bob.offer(); // one page offers one more
  for (let n = 20; n < 23; n++) await bob.receive(["find"]);
  const error = await assertRejects(() => bob.receive(["find"]), ProtocolError);
  assertEquals(error.code, "rate_limited");
  far.close();
});

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

Deno.test("Channel watches all pieces of a file with two timers, which go when they are there", async () => {
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

Deno.test("Channel gives a piece its whole time, also where the timer has run for the last one", async () => {
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

Deno.test("Channel lets a peer that has used up its burst send so many messages a second", async () => {
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

Deno.test("Channel queues as many frames and bytes as it may for a peer that is slow", async () => {
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

Deno.test("Channel takes a peer that reads slowly for slow, not for stalled", async () => {
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

Deno.test("alice to bob keeps flowing while cathy does not read", async () => {
  await using pair = await CONN_PAIRS.at(-1)!.open();
  const [toCathy, cathy] = memoryPair({ capacityBytes: 16 });
  const alice = new Channel(pair.dialled, OPTIONS);
  const bob = new Channel(pair.accepted, OPTIONS);
  const forCathy = new Channel(toCathy, OPTIONS);
  const stuck = forCathy.send(find(49)); // she never reads
  for (let n = 0; n < 500; n++) {
    await within(alice.send(find(n)), "sending to bob");
    assertEquals((await within(bob.receive(["find"]), "bob"))?.kind, "find");
  }
  cathy.close();
  await assertRejects(() => stuck);
});

Deno.test("Channel closes gracefully: what was queued arrives", async () => {
  await using pair = await CONN_PAIRS.at(-1)!.open();
  const alice = new Channel(pair.dialled, OPTIONS);
  const bob = new Channel(pair.accepted, OPTIONS);
  const sends = [1, 2, 3].map((n) => alice.send(find(n)));
  await alice.close();
  await Promise.all(sends);
  for (const n of [1, 2, 3]) {
    assertEquals(await bob.receive(["find"]), find(n) as never);
  }
  assertEquals(await bob.receive(["find"]), null);
});
