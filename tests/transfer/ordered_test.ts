import { assert, assertEquals, assertRejects } from "@std/assert";
import { OrderedSink } from "../../lib/transfer/ordered.ts";
import { within } from "../_event_log.ts";
import { seededRandom } from "../_random.ts";

const PIECE = 4;

/** Pieces `first` to before `end`: each byte is the number of its piece. */
function pieces(first: number, end: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(
    { length: (end - first) * PIECE },
    (_, at) => first + Math.floor(at / PIECE),
  );
}

function newSink(first = 0): { sink: OrderedSink; consumed: number[] } {
  const consumed: number[] = [];
  const sink = new OrderedSink({
    pieceBytes: PIECE,
    first,
    onConsumed: (piece) => consumed.push(piece),
  });
  return { sink, consumed };
}

/** Whether each write has been released by now. */
function watch(writes: readonly Promise<void>[]): () => Promise<boolean[]> {
  const done = writes.map(() => false);
  writes.forEach((write, at) => void write.then(() => done[at] = true));
  return async () => {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    return [...done];
  };
}

/** What is given out: the numbers of the pieces, and of each part's first. */
async function readAll(
  sink: OrderedSink,
): Promise<{ bytes: number[]; firsts: number[] }> {
  const bytes: number[] = [];
  const firsts: number[] = [];
  for await (const part of sink.parts()) {
    assertEquals(part.bytes[0], part.first, "it begins with that piece");
    firsts.push(part.first);
    bytes.push(...part.bytes);
  }
  return { bytes, firsts };
}

Deno.test("OrderedSink returns pieces in order, for any order of arrival", async () => {
  const { sink, consumed } = newSink();
  void sink.write(3, pieces(3, 4));
  void sink.write(1, pieces(1, 3));
  void sink.write(0, pieces(0, 1));
  await sink.finish();
  const { bytes, firsts } = await readAll(sink);
  assertEquals(bytes, [...pieces(0, 4)]);
  assertEquals(firsts, [0, 1, 3]);
  assertEquals(consumed, [1, 3, 4]);
});

Deno.test("OrderedSink wakes a reader when its piece comes, and when all pieces have arrived", async () => {
  const { sink } = newSink();
  const parts = sink.parts();
  for (const piece of [0, 1]) {
    const next = parts.next();
    void sink.write(piece, pieces(piece, piece + 1));
    assertEquals((await within(next, "a part")).value, {
      first: piece,
      bytes: pieces(piece, piece + 1),
    });
  }
  const last = parts.next();
  await sink.finish();
  assertEquals((await within(last, "the end")).done, true);
});

Deno.test("OrderedSink returns nothing instead of a missing piece", async () => {
  const { sink } = newSink();
  const next = sink.parts().next();
  const isGiven = watch([next.then(() => {})]);
  void sink.write(1, pieces(1, 2));
  void sink.write(5, pieces(5, 9));
  assertEquals(await isGiven(), [false]);
  void sink.write(0, pieces(0, 1));
  assertEquals((await within(next, "a part")).value, {
    first: 0,
    bytes: pieces(0, 1),
  });
});

Deno.test("OrderedSink keeps the bytes until the next part is requested", async () => {
  const { sink, consumed } = newSink();
  const isLetGo = watch([
    sink.write(0, pieces(0, 2)),
    sink.write(2, pieces(2, 3)),
  ]);
  const parts = sink.parts();
  assertEquals(await isLetGo(), [false, false]);
  await parts.next();
  assertEquals([await isLetGo(), consumed], [[false, false], []]);
  await parts.next();
  assertEquals([await isLetGo(), consumed], [[true, false], [2]]);
  void parts.next();
  assertEquals([await isLetGo(), consumed], [[true, true], [2, 3]]);
});

Deno.test("OrderedSink lets a reader that stops release its part", async () => {
  const { sink, consumed } = newSink();
  const isLetGo = watch([
    sink.write(0, pieces(0, 1)),
    sink.write(1, pieces(1, 2)),
  ]);
  for await (const _part of sink.parts()) break;
  assertEquals(await isLetGo(), [true, false]);
  assertEquals(consumed, [], "it was not used up");
  sink.cancel();
  assertEquals(await isLetGo(), [true, true]);
});

Deno.test("OrderedSink begins with the given piece", async () => {
  const { sink, consumed } = newSink(7);
  const isLetGo = watch([sink.write(0, pieces(0, 7))]);
  assertEquals(await isLetGo(), [true], "what was given out before");
  void sink.write(6, pieces(6, 9));
  await sink.finish();
  assertEquals((await readAll(sink)).bytes, [...pieces(7, 9)]);
  assertEquals(consumed, [9]);
});

Deno.test("OrderedSink returns every piece once, even if parts overlap", async () => {
  const { sink } = newSink();
  const writes = [
    sink.write(0, pieces(0, 3)),
    sink.write(0, pieces(0, 3)),
    sink.write(1, pieces(1, 2)),
    sink.write(2, pieces(2, 6)),
    sink.write(5, pieces(5, 6)),
    sink.write(4, pieces(4, 8)),
  ];
  const isLetGo = watch(writes);
  await sink.finish();
  assertEquals((await readAll(sink)).bytes, [...pieces(0, 8)]);
  assertEquals(await isLetGo(), writes.map(() => true));
});

Deno.test("OrderedSink accepts a shorter last piece", async () => {
  const { sink, consumed } = newSink();
  void sink.write(2, pieces(2, 3).subarray(0, 1));
  void sink.write(0, pieces(0, 2));
  await sink.finish();
  const { bytes } = await readAll(sink);
  assertEquals(bytes, [0, 0, 0, 0, 1, 1, 1, 1, 2]);
  assertEquals(consumed, [2, 3]);
});

Deno.test("OrderedSink ends at once for an empty file", async () => {
  const { sink, consumed } = newSink();
  await sink.finish();
  assertEquals(await readAll(sink), { bytes: [], firsts: [] });
  assertEquals(consumed, []);
});

Deno.test("OrderedSink yields what it can before it fails", async () => {
  const { sink } = newSink();
  void sink.write(0, pieces(0, 1));
  void sink.write(1, pieces(1, 2));
  void sink.write(3, pieces(3, 4));
  const reason = new Error("no node is left");
  sink.fail(reason);
  sink.fail(new Error("a later one"));
  const bytes: number[] = [];
  const error = await assertRejects(async () => {
    for await (const part of sink.parts()) bytes.push(...part.bytes);
  });
  assert(error === reason);
  assertEquals(bytes, [...pieces(0, 2)]);
  sink.cancel();
});

Deno.test("OrderedSink reports its failure to a waiting reader, and blocks no writer", async () => {
  const { sink } = newSink();
  const next = sink.parts().next();
  sink.fail(new Error("no node is left"));
  await assertRejects(() => within(next, "the failure"), Error, "no node");
  const isLetGo = watch([sink.write(0, pieces(0, 1))]);
  assertEquals(await isLetGo(), [true]);
});

Deno.test("OrderedSink that has reached its end does not fail any more", async () => {
  const { sink } = newSink();
  void sink.write(0, pieces(0, 2));
  await sink.finish();
  sink.fail(new Error("too late"));
  assertEquals((await readAll(sink)).bytes, [...pieces(0, 2)]);
});

Deno.test("OrderedSink releases everything when it is cancelled", async () => {
  const { sink } = newSink();
  const next = sink.parts().next();
  const isLetGo = watch([
    sink.write(1, pieces(1, 2)),
    sink.write(2, pieces(2, 3)),
  ]);
  assertEquals(await isLetGo(), [false, false]);
  sink.cancel();
  sink.cancel();
  assertEquals(await isLetGo(), [true, true]);
  await assertRejects(() => within(next, "the end"), Error, "cancelled");
  const isLaterLetGo = watch([sink.write(0, pieces(0, 1))]);
  assertEquals(await isLaterLetGo(), [true]);
});

for (const seed of [1, 2, 3]) {
  Deno.test(`OrderedSink joins any parts in any order (${seed})`, async () => {
    const random = seededRandom(seed);
    const below = (most: number) => Math.floor(random() * most);
    for (let round = 0; round < 60; round++) {
      const count = 1 + below(60);
      const start = below(count);
      const parts: [number, number][] = [];
      for (let first = 0; first < count;) {
        const end = Math.min(count, first + 1 + below(5));
        parts.push([first, end]);
        // Some come twice, from where they like.
        if (random() < 0.3) parts.push([below(end), end]);
        first = end;
      }
      const { sink, consumed } = newSink(start);
      const reading = readAll(sink);
      const writes: Promise<void>[] = [];
      while (parts.length > 0) {
        const [[first, end]] = parts.splice(below(parts.length), 1) as [
          [number, number],
        ];
        writes.push(sink.write(first, pieces(first, end)));
        if (random() < 0.5) await Promise.resolve();
      }
      await sink.finish();
      const { bytes } = await within(reading, "the end");
      assertEquals(bytes, [...pieces(start, count)]);
      await within(Promise.all(writes), "letting go");
      assertEquals(consumed, consumed.toSorted((a, b) => a - b));
      assertEquals(consumed.at(-1), count);
    }
  });
}

Deno.test("OrderedSink that is abandoned drops the bytes after a gap, and yields the rest", async () => {
  const { sink } = newSink(0);
  const beyond = sink.write(4, pieces(4, 6));
  sink.abandon();
  await within(beyond, "letting go");
  await within(sink.write(8, pieces(8, 9)), "letting go");
  const within2 = sink.write(0, pieces(0, 2));
  const parts = sink.parts();
  const { value } = await within(parts.next(), "the first part");
  assertEquals(value?.first, 0);
  sink.fail(new Error("ended"));
  await assertRejects(() => parts.next(), Error, "ended");
  await within(within2, "letting go");
});
