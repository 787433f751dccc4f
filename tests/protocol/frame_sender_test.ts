import { assert, assertEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { ConnDeadlines } from "../../lib/protocol/deadline.ts";
import { FrameSender } from "../../lib/protocol/frame_sender.ts";
import { FakeTime } from "../_fake_time.ts";
import { memoryPair } from "../_memory_conn.ts";

const MIB = 1024 ** 2;

/** The sizes of all writes to a peer that takes `ms` for each. */
async function writesOf(buffers: number, ms: number): Promise<number[]> {
  using time = new FakeTime();
  using conn = memoryPair()[0];
  const sizes: number[] = [];
  conn.write = async (bytes) => {
    sizes.push(bytes.length);
    await time.advance(ms);
    return bytes.length;
  };
  const sender = new FrameSender(conn, {
    limits: LIMITS,
    watch: new ConnDeadlines(conn),
    stallMs: 10_000,
    slow: (what) => new Error(what),
  });
  for (let n = 0; n < buffers; n++) {
    await sender.sendBulk(new Uint8Array(MIB + 1_000));
  }
  return sizes;
}

Deno.test("FrameSender sends at most 256 KiB at once to a quick peer: it may be slow from now on", async () => {
  const sizes = await writesOf(4, 10);
  assertEquals(sizes[0], 128 * 1024, "it begins small");
  assertEquals(Math.max(...sizes), 256 * 1024);
});

Deno.test("FrameSender sends at most 256 KiB at once to a peer that takes 0.3 s for each part", async () => {
  const sizes = await writesOf(4, 300);
  assert(sizes.length >= 16, "many parts");
  assertEquals(Math.max(...sizes), 256 * 1024);
});
