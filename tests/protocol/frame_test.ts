import { assertEquals, assertRejects } from "@std/assert";
import { ProtocolError } from "../../lib/base/errors.ts";
import {
  encodeFrame,
  FrameReader,
  readFrame,
} from "../../lib/protocol/frame.ts";
import { FakeTime } from "../_fake_time.ts";
import { memoryPair } from "../_memory_conn.ts";
import { mutate, randomBytes, seededRandom } from "../_random.ts";

const LIMIT = 64 * 1024;

/** A reader over `bytes`, which come in the given slices and then end. */
function readerOf(
  bytes: Uint8Array,
  options: { slice?: () => number; bufferBytes?: number; limit?: number } = {},
): FrameReader {
  let offset = 0;
  const source = {
    read: (buffer: Uint8Array) => {
      const most = Math.min(options.slice?.() ?? Infinity, buffer.length);
      const part = bytes.subarray(offset, offset + most);
      buffer.set(part);
      offset += part.length;
      return Promise.resolve(part.length === 0 ? null : part.length);
    },
  };
  return new FrameReader(source, {
    limitFor: () => options.limit ?? LIMIT,
    ...(options.bufferBytes ? { bufferBytes: options.bufferBytes } : {}),
  });
}

/** All frames, as type and body. */
async function readAll(reader: FrameReader): Promise<[number, string][]> {
  const frames: [number, string][] = [];
  for (;;) {
    const header = await reader.next();
    if (header === null) return frames;
    const body = new Uint8Array(header.length);
    await reader.readBodyInto(body);
    frames.push([header.type, body.toHex()]);
  }
}

function join(...frames: Uint8Array[]): Uint8Array {
  return new Uint8Array(frames.flatMap((frame) => [...frame]));
}

Deno.test("FrameReader reads the golden bytes of a frame", async () => {
  const reader = readerOf(Uint8Array.fromHex("2400000003616263"));
  assertEquals(await readAll(reader), [[0x24, "616263"]]);
});

Deno.test("encodeFrame writes type, unsigned length and body", () => {
  const frame = encodeFrame(0xfe, Uint8Array.of(1, 2));
  assertEquals(frame.toHex(), "fe000000020102");
});

Deno.test("FrameReader takes a request in one read while the peer is busy, and keeps a small buffer for an idle one", async () => {
  using time = new FakeTime();
  const frame = encodeFrame(0x24, new Uint8Array(100));
  let rest = frame;
  let reads = 0;
  const source = {
    read: (buffer: Uint8Array) => {
      reads++;
      const part = rest.subarray(0, buffer.length);
      buffer.set(part);
      rest = part.length === rest.length ? frame : rest.subarray(part.length);
      return Promise.resolve(part.length);
    },
  };
  const reader = new FrameReader(source, {
    limitFor: () => LIMIT,
    bufferBytes: 64,
    now: () => performance.now(),
  });
  const readsOfNext = async () => {
    const before = reads;
    const header = await reader.next();
    await reader.readBodyInto(new Uint8Array(header!.length));
    return reads - before;
  };
  assertEquals(await readsOfNext(), 2);
  for (let n = 0; n < 20; n++) await readsOfNext();
  assertEquals(await readsOfNext(), 1);
  await time.advance(20_000);
  await readsOfNext();
  assertEquals(await readsOfNext(), 2, "a node that renews");
});

Deno.test("FrameReader reads the same at every boundary of two chunks", async () => {
  const random = seededRandom(3);
  const bodies = [0, 1, 5, 40, 0].map((length) => randomBytes(length, random));
  const bytes = join(...bodies.map((body, type) => encodeFrame(type, body)));
  const expected = bodies.map((body, type) => [type, body.toHex()]);
  for (let cut = 1; cut < bytes.length; cut++) {
    let first = true;
    const slice = () => {
      const size = first ? cut : Infinity;
      first = false;
      return size;
    };
    assertEquals(await readAll(readerOf(bytes, { slice })), expected);
    assertEquals(
      await readAll(readerOf(bytes, { slice, bufferBytes: 16 })),
      expected,
    );
  }
});

Deno.test("FrameReader reads 1,000 frames in one chunk and byte by byte", async () => {
  const random = seededRandom(4);
  const bodies = Array.from(
    { length: 1_000 },
    () => randomBytes(Math.floor(random() * 60), random),
  );
  const bytes = join(...bodies.map((body) => encodeFrame(9, body)));
  const expected = bodies.map((body) => [9, body.toHex()]);
  assertEquals(await readAll(readerOf(bytes)), expected);
  assertEquals(await readAll(readerOf(bytes, { slice: () => 1 })), expected);
});

for (
  const [length, limit] of [
    [0xffff_ffff, LIMIT],
    [0x8000_0000, LIMIT],
    [0x7fff_ffff, LIMIT],
    [LIMIT + 1, LIMIT],
    [4097, 4096],
  ] as const
) {
  Deno.test(`FrameReader refuses a length of ${length} over ${limit} unread`, async () => {
    const header = new Uint8Array(5);
    new DataView(header.buffer).setUint32(1, length);
    const error = await assertRejects(
      () => readerOf(header, { limit }).next(),
      ProtocolError,
      `length must be <= ${limit}, found ${length}`,
    );
    assertEquals(error.code, "frame_too_large");
  });
}

Deno.test("FrameReader accepts a frame exactly at the limit", async () => {
  const frame = encodeFrame(1, new Uint8Array(4096));
  assertEquals((await readAll(readerOf(frame, { limit: 4096 }))).length, 1);
});

Deno.test("FrameReader treats a cut at any byte as an error, never as an end", async () => {
  const bytes = encodeFrame(1, Uint8Array.of(1, 2, 3));
  for (let length = 1; length < bytes.length; length++) {
    const error = await assertRejects(
      () => readAll(readerOf(bytes.subarray(0, length))),
      ProtocolError,
    );
    assertEquals(error.code, "truncated");
  }
  assertEquals(await readAll(readerOf(bytes.subarray(0, 0))), []);
});

Deno.test("FrameReader throws ProtocolError or nothing on mutated bytes", async () => {
  const random = seededRandom(5);
  const good = join(
    encodeFrame(1, randomBytes(30, random)),
    encodeFrame(2, randomBytes(3, random)),
  );
  for (let round = 0; round < 5_000; round++) {
    const slice = () => 1 + Math.floor(random() * 20);
    try {
      await readAll(readerOf(mutate(good, random), { slice }));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
  }
});

Deno.test("FrameReader reads a large body straight into the caller's buffer", async () => {
  const [near, far] = memoryPair({ capacityBytes: 1 << 20 });
  const body = randomBytes(100_000, seededRandom(6));
  await near.write(encodeFrame(7, body));
  const sizes: number[] = [];
  const source = {
    read: (buffer: Uint8Array) => {
      sizes.push(buffer.length);
      return far.read(buffer);
    },
  };
  const reader = new FrameReader(source, { limitFor: () => 1 << 20 });
  await reader.next();
  const target = new Uint8Array(body.length);
  await reader.readBodyInto(target.subarray(0, 60_000));
  await reader.readBodyInto(target.subarray(60_000));
  assertEquals(target, body);
  assertEquals(sizes.length, 3, "the header, and one read for each part");
});

Deno.test("FrameReader throws if it is misused", async () => {
  const reader = readerOf(encodeFrame(1, new Uint8Array(4)));
  await reader.next();
  await assertRejects(() => reader.next(), TypeError, "4 bytes");
  await assertRejects(() => reader.readBodyInto(new Uint8Array(5)), RangeError);
});

for (const slice of [() => 1, () => 3, () => Infinity]) {
  Deno.test(`readFrame reads one frame and not a byte more, in slices of ${slice()}`, async () => {
    const [near, far] = memoryPair();
    const body = randomBytes(200, seededRandom(7));
    await near.write(join(encodeFrame(3, body), Uint8Array.of(22, 3, 1)));
    const sizes: number[] = [];
    const source = {
      read: (buffer: Uint8Array) => {
        sizes.push(buffer.length);
        return far.read(buffer.subarray(0, Math.min(slice(), buffer.length)));
      },
    };
    assertEquals(await readFrame(source, 200), { type: 3, body });
    assertEquals(sizes.every((size) => size <= 200), true);
    const rest = new Uint8Array(10);
    assertEquals(await far.read(rest), 3);
    assertEquals([...rest.subarray(0, 3)], [22, 3, 1]);
  });
}

Deno.test("readFrame reads an empty body, and no frame if the peer ended before it", async () => {
  const [near, far] = memoryPair();
  await near.write(encodeFrame(4, new Uint8Array()));
  await near.closeWrite();
  assertEquals(await readFrame(far, 0), { type: 4, body: new Uint8Array() });
  assertEquals(await readFrame(far, 0), null);
});

Deno.test("readFrame treats a cut at any byte as an error, never as an end", async () => {
  const bytes = encodeFrame(1, Uint8Array.of(1, 2, 3));
  for (let length = 1; length < bytes.length; length++) {
    const [near, far] = memoryPair();
    await near.write(bytes.subarray(0, length));
    await near.closeWrite();
    const error = await assertRejects(() => readFrame(far, 10), ProtocolError);
    assertEquals(error.code, "truncated");
  }
});

for (const length of [0xffff_ffff, 0x8000_0000, 4097]) {
  Deno.test(`readFrame refuses a length of ${length} over 4096 unread`, async () => {
    const [near, far] = memoryPair();
    const header = Uint8Array.of(3, 0, 0, 0, 0);
    new DataView(header.buffer).setUint32(1, length);
    await near.write(header);
    const error = await assertRejects(
      () => readFrame(far, 4096),
      ProtocolError,
      `length must be <= 4096, found ${length}`,
    );
    assertEquals(error.code, "frame_too_large");
  });
}
