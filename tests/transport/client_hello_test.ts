import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { beginningOf } from "../../lib/transport/client_hello.ts";
import { clientHello, inRecords, inSingleBytes } from "../_client_hello.ts";

const HELLO = await clientHello();

for (
  const [how, bytes] of [
    ["in one record", HELLO],
    ["in 16 records", Buffer.concat(inRecords(HELLO, 16))],
  ] as const
) {
  Deno.test(`beginningOf reports a client hello ${how} as complete only with its last byte`, () => {
    for (let length = 0; length < bytes.length; length++) {
      const part = bytes.subarray(0, length);
      assertEquals(beginningOf(part), "part of a client hello", `${length}`);
    }
    assertEquals(beginningOf(bytes), "client hello");
    const more = Buffer.concat([bytes, Uint8Array.of(0x55)]);
    assertEquals(beginningOf(more), "client hello");
  });
}

for (
  const [what, bytes] of [
    ["HTTP", [0x47]],
    ["zeros", [0]],
    ["another version", [0x16, 2]],
    ["an empty record", [0x16, 3, 1, 0, 0]],
    ["a record that is too long", [0x16, 3, 1, 0x40, 1]],
    ["another message", [0x16, 3, 1, 0, 5, 2]],
    ["a message that is too long", [0x16, 3, 1, 0, 5, 1, 1, 0, 0]],
    ["a 17th record", [
      ...Buffer.concat(inSingleBytes(HELLO).slice(0, 16)),
      0x16,
      3,
      1,
      0,
      1,
    ]],
    ["an alert after a part", [0x16, 3, 1, 0, 1, 1, 0x15]],
  ] as const
) {
  Deno.test(`beginningOf recognises by its last byte that ${what} is no client hello`, () => {
    const all = Uint8Array.from(bytes);
    assertEquals(beginningOf(all), "other");
    assertEquals(beginningOf(all.subarray(0, -1)), "part of a client hello");
  });
}
