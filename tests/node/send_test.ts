import { assert, assertEquals } from "@std/assert";
import { limitsWith } from "../../lib/base/limits.ts";
import { SharedRate } from "../../lib/base/shared_rate.ts";
import { BufferPool, Outbox } from "../../lib/node/outbox.ts";
import { PieceSender } from "../../lib/node/send.ts";
import { Channel } from "../../lib/protocol/channel.ts";
import type { OpenedFile } from "../../lib/share/opened_file.ts";
import { FakeTime } from "../_fake_time.ts";
import { memoryPair } from "../_memory_conn.ts";

const MIB = 1024 ** 2;
const LIMITS = limitsWith({});

/** A rate that makes nobody wait, and counts. */
class CountingRate extends SharedRate {
  reservedBytes = 0;

  override begin(bytes: number): boolean {
    this.reservedBytes += bytes;
    return true;
  }
}

for (const capacity of [64 * 1024, 100_000, 2 * MIB]) {
  Deno.test(`PieceSender counts exactly the sent bytes against a limited rate, with room for ${capacity} bytes at once`, async () => {
    await using stack = new AsyncDisposableStack();
    const [near] = memoryPair({ capacityBytes: 4 * MIB });
    const timing = { writeStallMs: 60_000, idleMs: 60_000 };
    const channel = stack.use(new Channel(near, { limits: LIMITS, ...timing }));
    channel.openUp();
    const pool = new BufferPool(4 * MIB);
    const rate = new CountingRate(4_000_000);
    let sentBytes = 0;
    const sender = new PieceSender(new Outbox(channel, () => capacity, pool), {
      limits: LIMITS,
      rate: () => rate,
      onSent: (bytes) => sentBytes += bytes,
      onHashed: () => {},
    });
    const opened = {
      file: { size: MIB },
      read: (buffer: Uint8Array) => buffer.length,
      isUnchanged: () => true,
    } as unknown as OpenedFile;
    const known = new Uint8Array(4 * 32);
    const all = { request: 1, first: 0, count: 4, known };
    assertEquals(await sender.send(opened, all), "completed");
    await sender.sendSmall(new Uint8Array(200_000), { request: 2, known });
    assertEquals(sentBytes, MIB + 200_000);
    assertEquals(rate.reservedBytes, sentBytes);
  });
}

Deno.test("PieceSender gives a client its half of a limited rate, however many connections another address has", async () => {
  await using stack = new AsyncDisposableStack();
  const time = stack.use(new FakeTime());
  const rate = new SharedRate(100_000);
  const sentBytes = new Map<string, number>();
  const opened = {
    file: { size: 16 * MIB },
    read: (buffer: Uint8Array) => buffer.length,
    isUnchanged: () => true,
  } as unknown as OpenedFile;
  const running: Promise<unknown>[] = [];
  const isOver = { now: false };
  const begin = (group: string) => {
    const [near] = memoryPair({ capacityBytes: 4 * MIB });
    const timing = { writeStallMs: 1e9, idleMs: 1e9 };
    const channel = stack.use(new Channel(near, { limits: LIMITS, ...timing }));
    channel.openUp();
    const outbox = new Outbox(channel, () => 64 * 1024, new BufferPool(MIB));
    const sender = new PieceSender(outbox, {
      limits: LIMITS,
      rate: () => isOver.now ? undefined : rate,
      group,
      onSent: (bytes) => {
        sentBytes.set(group, (sentBytes.get(group) ?? 0) + bytes);
      },
      onHashed: () => {},
    });
    // A little more than one client gets of the rate in 20 s.
    const known = new Uint8Array(5 * 32);
    const all = { request: 1, first: 0, count: 5, known };
    running.push(sender.send(opened, all));
  };
  for (let n = 0; n < 40; n++) begin("many");
  begin("one");
  await time.advance(20_000);
  const one = sentBytes.get("one") ?? 0;
  const all = one + sentBytes.get("many")!;
  assert(all > 1_900_000, `${all} bytes in 20 s`);
  assert(one > 0.45 * all, `${one} of ${all} bytes`);
  isOver.now = true;
  await time.advance(60_000);
  await Promise.all(running);
});
