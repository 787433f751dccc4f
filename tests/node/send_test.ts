import { assertEquals } from "@std/assert";
import { limitsWith } from "../../lib/base/limits.ts";
import { RateLimit } from "../../lib/base/rate.ts";
import { BufferPool, Outbox } from "../../lib/node/outbox.ts";
import { PieceSender } from "../../lib/node/send.ts";
import { Channel } from "../../lib/protocol/channel.ts";
import type { OpenedFile } from "../../lib/share/opened_file.ts";
import { memoryPair } from "../_memory_conn.ts";

const MIB = 1024 ** 2;
const LIMITS = limitsWith({});

/** A rate that makes nobody wait, and counts. */
class CountingRate extends RateLimit {
  reservedBytes = 0;

  override reserve(bytes: number): number {
    this.reservedBytes += bytes;
    return 0;
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
