/**
 * How the readers of a gateway share its memory.
 */

import { assertEquals, assertThrows } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { BusyFailure } from "../../lib/gateway/failures.ts";
import { ReaderMemory } from "../../lib/gateway/reader_memory.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

Deno.test("ReaderMemory shares gatewayReadersBytes among readers, between gatewaySmallWindowBytes and gatewayWindowBytes", () => {
  const memory = new ReaderMemory(LIMITS);
  const readers: Disposable[] = [];
  const windowOf = (count: number) => {
    while (readers.length < count) readers.push(memory.enter(256 * KIB));
    return memory.windowBytes;
  };
  assertEquals(windowOf(0), 4 * MIB);
  assertEquals(windowOf(8), 4 * MIB);
  assertEquals(windowOf(16), 2 * MIB);
  assertEquals(windowOf(50), Math.floor(32 * MIB / 50));
  assertEquals(windowOf(64), 512 * KIB);
  assertEquals(windowOf(200), 512 * KIB);
  for (const reader of readers) {
    reader[Symbol.dispose]();
    reader[Symbol.dispose]();
  }
  assertEquals(memory.windowBytes, 4 * MIB);
});

Deno.test("ReaderMemory admits readers with large pieces up to gatewayLargePiecesBytes, and all others always", () => {
  const memory = new ReaderMemory(LIMITS);
  const large = [1, 2, 3].map(() => memory.enter(16 * MIB));
  large.push(memory.enter(8 * MIB), memory.enter(8 * MIB));
  assertThrows(() => memory.enter(MIB), BusyFailure, "take all the memory");
  for (let n = 0; n < 64; n++) memory.enter(512 * KIB);
  large[4]![Symbol.dispose]();
  large[4]![Symbol.dispose]();
  assertThrows(() => memory.enter(16 * MIB), BusyFailure);
  memory.enter(8 * MIB);
});

Deno.test("ReaderMemory reuses buffers, and keeps at most one window of them", () => {
  const memory = new ReaderMemory({ ...LIMITS, gatewayWindowBytes: 2 * MIB });
  const first = memory.take(700 * KIB);
  assertEquals([first.length, first.buffer.byteLength], [700 * KIB, MIB]);
  memory.giveBack(first);
  assertEquals(memory.take(256 * KIB).buffer === first.buffer, false);
  assertEquals(memory.take(MIB).buffer === first.buffer, true);
  assertEquals(memory.idleBytes, 0);
  for (let n = 0; n < 9; n++) memory.giveBack(new Uint8Array(MIB));
  assertEquals(memory.idleBytes, 2 * MIB);
});

Deno.test("ReaderMemory frees a buffer at once and only once, and an old reader of it sees no bytes of another reader", () => {
  const memory = new ReaderMemory(LIMITS);
  const part = memory.take(700 * KIB);
  ReaderMemory.free(part);
  ReaderMemory.free(part);
  assertEquals([part.length, memory.idleBytes], [0, 0]);
});
