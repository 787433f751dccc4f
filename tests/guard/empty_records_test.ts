import { assertEquals } from "@std/assert";
import { addressGroup } from "../../lib/base/address.ts";
import { tunnelSource } from "../../lib/guard/places.ts";
import {
  afterEmptyBytes,
  emptyBytesIn,
  EmptyRecordGroups,
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

Deno.test("What TLS adds to a record of 1,408 bytes or more is free", () => {
  for (const plain of [1_408, 16_384]) {
    assertEquals(emptyBytesIn(plain + 22, plain) <= 0, true, `${plain}`);
  }
});

Deno.test("EmptyRecordGroups counts all connections of an address group together, and none of loopback", () => {
  const groups = new EmptyRecordGroups(LIMITS);
  const now = 5_000;
  const { addressEmptyRecordBytes, addressEmptyRecordBytesPerSecond } = LIMITS;
  for (const host of ["2001:db8::1", "2001:db8::2"]) {
    assertEquals(
      groups.add(addressGroup(host), addressEmptyRecordBytes / 2, now),
      true,
    );
  }
  assertEquals(groups.add(addressGroup("2001:db8::3"), 1, now), false);
  assertEquals(groups.add("192.0.2.7", addressEmptyRecordBytes, now), true);
  assertEquals(groups.add(addressGroup("::ffff:192.0.2.7"), 1, now), false);
  // A relay may claim any address for a client in a tunnel.
  assertEquals(groups.add(tunnelSource("192.0.2.7"), 1, now), true);
  const rate = addressEmptyRecordBytesPerSecond;
  assertEquals(groups.add("192.0.2.7", rate, now + 1_000), true);
  assertEquals(groups.add("192.0.2.7", 1, now + 1_000), false);
  const here = ["127.0.0.1", "::1", "127.0.0.9", "tunnel 127.0.0.1"];
  for (const host of here) {
    for (let n = 0; n < 9; n++) {
      assertEquals(groups.add(host, addressEmptyRecordBytes, now), true);
    }
  }
});

Deno.test("EmptyRecordGroups remembers the last handshakeGroupCount groups", () => {
  const limits = { ...LIMITS, handshakeGroupCount: 2 };
  const groups = new EmptyRecordGroups(limits);
  const all = LIMITS.addressEmptyRecordBytes;
  for (const n of [1, 2, 3]) groups.add(`192.0.2.${n}`, all, 0);
  const full = [2, 3].map((n) => groups.add(`192.0.2.${n}`, 1, 0));
  assertEquals([...full, groups.add("192.0.2.1", 1, 0)], [false, false, true]);
});
