import { assertEquals } from "@std/assert";
import { joinBytes } from "../../lib/base/bytes.ts";

Deno.test("joinBytes puts the parts one after the other, empty ones too", () => {
  const parts = [[1, 2], new Uint8Array(0), new Uint8Array([3])];
  assertEquals(joinBytes(parts), new Uint8Array([1, 2, 3]));
  assertEquals(joinBytes([]), new Uint8Array(0));
});

Deno.test("joinBytes makes a new buffer, even of one part", () => {
  const part = new Uint8Array([1]);
  joinBytes([part])[0] = 2;
  assertEquals(part, new Uint8Array([1]));
});
