import { assertEquals } from "@std/assert";
import {
  afterEmptyBytes,
  emptyBytesIn,
} from "../../lib/guard/empty_records.ts";
import { LIMITS } from "../../lib/base/limits.ts";

const { emptyRecordBytes: most, emptyRecordBytesPerSecond: rate } = LIMITS;

Deno.test("Records without content may have emptyRecordBytes at once, and emptyRecordBytesPerSecond later", () => {
  const limits = LIMITS;
  const now = 5_000;
  assertEquals(afterEmptyBytes(0, most + 1, { now, limits }), undefined);
  const paidAt = afterEmptyBytes(0, most, { now, limits })!;
  assertEquals(paidAt, now + 1_000 * most / rate);
  assertEquals(afterEmptyBytes(paidAt, 1, { now, limits }), undefined);
  const later = { now: now + 1_000, limits };
  assertEquals(afterEmptyBytes(paidAt, rate, later), paidAt + 1_000);
  assertEquals(afterEmptyBytes(paidAt, rate + 1, later), undefined);
});

Deno.test("A record that arrives in two parts counts as empty until its end, and gives nothing for later", () => {
  const limits = LIMITS;
  const now = 5_000;
  const half = emptyBytesIn(8_192, 0);
  const paidAt = afterEmptyBytes(0, half, { now, limits })!;
  const rest = emptyBytesIn(8_214, 16_384);
  assertEquals(afterEmptyBytes(paidAt, rest, { now, limits }), now);
});

Deno.test("What TLS adds to a record of 88 bytes or more is free", () => {
  for (const plain of [88, 1_024, 16_384]) {
    assertEquals(emptyBytesIn(plain + 22, plain) <= 0, true, `${plain}`);
  }
});
