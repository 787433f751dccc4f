import { assertEquals, assertRejects } from "@std/assert";
import { Channel } from "../../lib/protocol/channel.ts";
import { writeAll } from "../../lib/base/conn.ts";
import { ProtocolError } from "../../lib/base/errors.ts";
import { encodeFrame } from "../../lib/protocol/frame.ts";
import { LIMITS, limitsWith } from "../../lib/base/limits.ts";
import { DATA_HEADER_BYTES, writeDataHeader } from "../../lib/protocol/bulk.ts";
import { encodeMessage, type Message } from "../../lib/protocol/messages.ts";
import { CONN_PAIRS } from "../_conn_pairs.ts";
import { within } from "../_event_log.ts";
import { memoryPair } from "../_memory_conn.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { find, OPTIONS } from "./_channel.ts";

const LIST: Message = { kind: "list" };

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

  Deno.test(`Channel ${kind.name}: a stream that ends inside a frame is an error`, async () => {
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
      "file bytes that were not requested",
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

Deno.test("Channel accepts a control frame of 64 KiB after hello, and none larger", async () => {
  const [near, far] = memoryPair({ capacityBytes: 1 << 20 });
  const bob = new Channel(far, OPTIONS);
  bob.openUp();
  await writeAll(near, encodeFrame(0xee, new Uint8Array(65_536)));
  await writeAll(near, encodeFrame(0xee, new Uint8Array(65_537)));
  const error = await assertRejects(() => bob.receive(["find"]), ProtocolError);
  assertEquals(error.code, "frame_too_large");
  far.close();
});

Deno.test("Channel limits data frames separately, or refuses all of them", async () => {
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
  Deno.test(`Channel refuses a data frame of ${length} bytes, which has no file byte`, async () => {
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

Deno.test("Channel sends bulk data and messages that are sent at once one after the other, never mixed", async () => {
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

Deno.test("Channel does not queue bulk data: sending waits until the conn has taken everything", async () => {
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

Deno.test("Channel detects that the whole next message has arrived", async () => {
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

Deno.test("Channel limits the control rate of a peer, including empty frames", async () => {
  const [near, far] = memoryPair({ capacityBytes: 1 << 20 });
  const limits = limitsWith({ unknownFrameCount: 1e9 });
  const bob = new Channel(far, { ...OPTIONS, limits, limitsRate: true });
  const flood = encodeFrame(0xee, new Uint8Array());
  for (let n = 0; n < 1_000; n++) await writeAll(near, flood);
  const error = await assertRejects(() => bob.receive(["find"]), ProtocolError);
  assertEquals(error.code, "rate_limited");
  far.close();
});

Deno.test("Channel does not count a message that it has offered to receive, once for each offer", async () => {
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
