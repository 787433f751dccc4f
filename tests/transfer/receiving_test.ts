import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ProtocolError } from "../../lib/base/errors.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { IncomingFile, TaskReceiver } from "../../lib/transfer/receiving.ts";
import { SlabPool } from "../../lib/transfer/slabs.ts";

const PIECE = LIMITS.pieceMinBytes;
const HASH = new Uint8Array(32).fill(7);

/** The receiver of four pieces, from the second on, of a file of six. */
function receiver(size = 6 * PIECE) {
  const sink = {
    write: () => Promise.resolve(),
    finish: () => Promise.resolve(),
  };
  const given = { name: "f", size, sources: new Map(), sink };
  const task = { file: 0, first: 1, count: 4 };
  return new TaskReceiver(new IncomingFile(given), task, {
    slabs: new SlabPool(LIMITS.slabBytes).of("a"),
    conn: undefined,
    rate: undefined,
    signal: new AbortController().signal,
    onBytes: () => {},
  });
}

/** Takes `bytes` as a session does. */
async function fill(to: TaskReceiver, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const target = await to.target(bytes.length - at);
    target.set(bytes.subarray(at, at + target.length));
    to.filled(target.length);
    at += target.length;
  }
}

function hashes(count: number): Uint8Array {
  return new Uint8Array(32 * count).map((_, at) => at >> 5);
}

Deno.test("TaskReceiver accepts pieces across their ends, and counts those with hashes", async () => {
  const to = receiver();
  const bytes = new Uint8Array(4 * PIECE).map((_, at) => at >> 12);
  await fill(to, bytes.subarray(0, PIECE + 5));
  await fill(to, bytes.subarray(PIECE + 5, 3 * PIECE));
  assertEquals(to.wholeCount, 0);
  to.pieces(hashes(3));
  assertEquals([to.wholeCount, to.claimed], [3, hashes(3)]);
  await fill(to, bytes.subarray(3 * PIECE));
  to.pieces(HASH);
  assertEquals(to.wholeCount, 4);
  assertEquals(to.claimed, new Uint8Array([...hashes(3), ...HASH]));
  assertEquals(to.take(), bytes);
});

Deno.test("TaskReceiver delivers nothing of a run without hashes", async () => {
  const to = receiver();
  await fill(to, new Uint8Array(3 * PIECE));
  assertEquals([to.take(), to.wholeCount], [undefined, 0]);
});

for (
  const [what, bytes, counts] of [
    ["before any bytes", 0, [1]],
    ["a byte before the piece is whole", PIECE - 1, [1]],
    ["a byte after it was", PIECE + 1, [1]],
    ["of two pieces after one", PIECE, [2]],
    ["of one piece after two", 2 * PIECE, [1]],
    ["of the same pieces again", 2 * PIECE, [2, 2]],
    ["of more pieces than were requested", 4 * PIECE, [5]],
  ] as const
) {
  Deno.test(`TaskReceiver refuses hashes ${what}`, async () => {
    const to = receiver();
    await fill(to, new Uint8Array(bytes));
    for (const count of counts.slice(1)) to.pieces(hashes(count));
    const error = assertThrows(
      () => to.pieces(hashes(counts[0])),
      ProtocolError,
      "must have",
    );
    assertEquals(error.code, "corrupt_piece");
  });
}

Deno.test("TaskReceiver accepts no byte more than was requested, for any sizes of frames", async () => {
  const to = receiver();
  await fill(to, new Uint8Array(4 * PIECE));
  const error = await assertRejects(() => to.target(1), ProtocolError);
  assertEquals(error.code, "corrupt_piece");
  const last = receiver(4 * PIECE + 3);
  await assertRejects(
    () => fill(last, new Uint8Array(3 * PIECE + 4)),
    ProtocolError,
    "more bytes",
  );
  assertEquals(last.receivedBytes, 3 * PIECE + 3);
});

Deno.test("IncomingFile keeps the hashes of written pieces, not of all that nodes sent hashes for", () => {
  const sink = {
    write: () => Promise.resolve(),
    finish: () => Promise.resolve(),
  };
  const size = 2 * PIECE;
  const file = new IncomingFile({
    ...{ name: "f", size, sources: new Map(), sink },
  });
  const [taken, late] = [new Uint8Array(32).fill(1), HASH];
  assertEquals(file.countRight(0, [taken, taken], hashesAre(taken, taken)), 2);
  file.note(0, [taken, taken]);
  assertEquals(file.countRight(1, [late], hashesAre(late)), 1);
  assertEquals(file.hashes, hashesAre(taken, taken));
  file.note(1, [late]);
  assertEquals(file.hashes, hashesAre(taken, late));
});

function hashesAre(...hashes: Uint8Array[]): Uint8Array {
  return new Uint8Array(hashes.flatMap((hash) => [...hash]));
}
