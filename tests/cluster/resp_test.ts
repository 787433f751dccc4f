import { assert, assertEquals } from "@std/assert";
import type { Conn } from "../../lib/base/conn.ts";
import { ReplyReader } from "../../lib/cluster/resp.ts";
import { replaced } from "../_replaced.ts";
import { memoryPair } from "../_memory_conn.ts";

/** A conn that brings `bytes`, a few with each read. */
function trickling(bytes: Uint8Array, most: number): Conn {
  const [conn] = memoryPair();
  let at = 0;
  conn.read = (buffer) => {
    const part = bytes.subarray(at, at + Math.min(most, buffer.length));
    for (const [n, byte] of part.entries()) buffer[n] = byte;
    at += part.length;
    return Promise.resolve(part.length === 0 ? null : part.length);
  };
  return conn;
}

Deno.test("ReplyReader moves no byte of a long reply more than a few times, however slowly it arrives", async () => {
  const size = 1024 * 1024;
  const text = "x".repeat(size);
  const reply = `*3\r\n$${size}\r\n${text}\r\n:7\r\n$${size}\r\n${text}\r\n`;
  const reader = new ReplyReader(
    trickling(new TextEncoder().encode(reply), 1_448),
    8 * size,
  );
  let moved = 0;
  const { prototype } = Uint8Array;
  using _set = replaced(
    prototype,
    "set",
    (set) =>
      function (this: Uint8Array, from: ArrayLike<number>, at?: number) {
        moved += from.length;
        set.call(this, from, at);
      },
  );
  using _copy = replaced(
    prototype,
    "copyWithin",
    (copy) =>
      function (this: Uint8Array<ArrayBuffer>, to: number, from: number, end) {
        moved += (end ?? this.length) - from;
        return copy.call(this, to, from, end);
      },
  );
  const found = await reader.read();
  assert(Array.isArray(found));
  assertEquals([found[0] === text, found[1], found[2] === text], [
    true,
    7,
    true,
  ]);
  assert(moved < 6 * size, `${moved} bytes were moved`);
});
