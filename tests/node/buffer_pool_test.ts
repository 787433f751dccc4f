import { assert, assertEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { writeBytes } from "../../lib/node/outbox.ts";
import { KIB, newPool } from "./_outbox.ts";

Deno.test("BufferPool lends a buffer that is large enough, and not much too large", () => {
  const pool = newPool();
  const buffer = pool.take(1_000);
  assertEquals(buffer.length, 1_000);
  pool.give(buffer);
  assert(pool.take(1_001) !== buffer);
  assert(pool.take(499) !== buffer);
  assert(pool.take(500) === buffer);
  assert(pool.take(500) !== buffer, "to one at a time");
});

Deno.test("BufferPool keeps at most its limit of buffers, including lent ones", () => {
  const bytes = 8 * KIB * KIB;
  const pool = newPool();
  const lent = Array.from({ length: 6 }, () => pool.take(bytes));
  assertEquals(pool.bytes, 6 * bytes, "nobody waits for another");
  for (const buffer of lent) pool.give(buffer);
  assertEquals(pool.bytes, LIMITS.sendBufferBytes);
  const taken = lent.map(() => pool.take(bytes));
  assertEquals(taken.filter((buffer) => lent.includes(buffer)).length, 4);
  assertEquals(new Set(taken).size, 6);
  for (const buffer of taken) pool.forget(buffer);
  assertEquals(pool.bytes, 0);
});

Deno.test("BufferPool frees unused buffers to make room for one of another size", () => {
  const pool = newPool();
  const half = LIMITS.sendBufferBytes / 2;
  for (const buffer of [pool.take(half), pool.take(half)]) pool.give(buffer);
  const other = pool.take(half / 4);
  assertEquals(pool.bytes, half + half / 4);
  pool.give(other);
  assertEquals(pool.bytes, half + half / 4);
});

Deno.test("writeBytes gives each of many peers its part of the buffers, in few sizes", () => {
  const bytes = LIMITS.sendBufferBytes;
  const sizes = new Set<number>();
  for (let peers = 0; peers <= 128; peers++) {
    const each = writeBytes(bytes, peers);
    sizes.add(each);
    // Two buffers, each with room for hashes.
    const all = 2 * peers * (each + 4 * KIB);
    assert(all <= bytes, `${peers} peers take ${all}`);
  }
  assertEquals([...sizes], [1_024, 512, 256, 128, 64].map((kib) => kib * KIB));
  assertEquals(writeBytes(bytes, 1e6), 64 * KIB, "nobody waits for another");
});
