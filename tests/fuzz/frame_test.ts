import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { ProtocolError } from "../../lib/base/errors.ts";
import {
  encodeFrame,
  FRAME_HEADER_BYTES,
  type FrameHeader,
  FrameReader,
} from "../../lib/protocol/frame.ts";
import { holds } from "./_runs.ts";

interface Frame {
  readonly type: number;
  readonly body: string;
}

/** How a stream of frames ended. */
type Ending = "between two frames" | "truncated" | "frame_too_large";

interface Read {
  readonly frames: readonly Frame[];
  readonly ending: Ending;
}

const LIMIT = 300;
// One type may have more, so that the limit is asked for by type.
const LARGE_TYPE = 7;

function limitFor(type: number): number {
  return type === LARGE_TYPE ? 10 * LIMIT : LIMIT;
}

/** What is in `bytes`, read the plain way, all at once. */
function expected(bytes: Uint8Array): Read {
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length;) {
    if (bytes.length - at < FRAME_HEADER_BYTES) {
      return { frames, ending: "truncated" };
    }
    const [type = 0, ...length] = bytes.subarray(at, at + FRAME_HEADER_BYTES);
    const size = length.reduce((sum, byte) => sum * 256 + byte, 0);
    if (size > limitFor(type)) return { frames, ending: "frame_too_large" };
    const end = at + FRAME_HEADER_BYTES + size;
    if (bytes.length < end) return { frames, ending: "truncated" };
    const body = bytes.slice(at + FRAME_HEADER_BYTES, end).toHex();
    frames.push({ type, body });
    at = end;
  }
  return { frames, ending: "between two frames" };
}

/** A source that gives `bytes` in slices of the given sizes, over and over. */
function sourceOf(bytes: Uint8Array, slices: readonly number[]) {
  let offset = 0;
  let turn = 0;
  return {
    read: (buffer: Uint8Array): Promise<number | null> => {
      assert(buffer.length > 0, "a read must have room");
      const most = Math.min(slices[turn++ % slices.length]!, buffer.length);
      const part = bytes.subarray(offset, offset + most);
      buffer.set(part);
      offset += part.length;
      return Promise.resolve(part.length === 0 ? null : part.length);
    },
  };
}

/** Reads the next header in one of the ways there are. */
async function header(
  reader: FrameReader,
  way: number,
): Promise<FrameHeader | null> {
  const whole = reader.hasWholeFrame;
  const ahead = way % 2 === 0 ? reader.nextAhead() : undefined;
  const found = ahead ?? await reader.next();
  if (whole && found !== null) {
    assert(reader.hasAhead(found.length), "a whole frame is there");
  }
  return found;
}

/** Reads the body in one of the ways there are. */
async function body(reader: FrameReader, way: number): Promise<string> {
  const whole = new Uint8Array(reader.bodyLeft);
  if (reader.hasAhead(whole.length) && way % 3 === 0) {
    reader.takeAhead(whole);
    return whole.toHex();
  }
  if (way % 3 === 1) {
    await reader.readBodyInto(whole);
    return whole.toHex();
  }
  for (let at = 0; at < whole.length;) {
    const part = Math.min(1 + way % 97, whole.length - at);
    await reader.readBodyInto(whole.subarray(at, at + part));
    at += part;
    assertEquals(reader.bodyLeft, whole.length - at);
  }
  return whole.toHex();
}

async function readAll(
  reader: FrameReader,
  ways: readonly number[],
): Promise<Read> {
  const frames: Frame[] = [];
  let turn = 0;
  const way = () => ways[turn++ % ways.length]!;
  try {
    for (;;) {
      const next = await header(reader, way());
      if (next === null) return { frames, ending: "between two frames" };
      frames.push({ type: next.type, body: await body(reader, way()) });
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { frames, ending: error.code as Ending };
  }
}

const frame = fc.tuple(
  fc.oneof(fc.constant(LARGE_TYPE), fc.integer({ min: 0, max: 255 })),
  fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc.uint8Array({ minLength: LIMIT - 2, maxLength: LIMIT, size: "max" }),
  ),
).map(([type, bytes]) => encodeFrame(type, bytes));

const frames = fc.array(frame, { maxLength: 8 })
  .map((parts) => new Uint8Array(parts.flatMap((part) => [...part])));
const slices = fc.oneof(
  fc.constant([1]),
  fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 6 }),
);
// A header must fit; the sizes the project uses are 4 KiB and 64 KiB.
const bufferBytes = fc.oneof(
  fc.integer({ min: FRAME_HEADER_BYTES, max: 64 }),
  fc.constant(4_096),
);
const ways = fc.array(fc.nat({ max: 600 }), { minLength: 1, maxLength: 8 });

holds(
  "FrameReader reads frames the same however they are cut and asked for",
  [frames, slices, bufferBytes, ways],
  async (bytes, slices, bufferBytes, ways) => {
    const reader = new FrameReader(sourceOf(bytes, slices), {
      limitFor,
      bufferBytes,
    });
    const found = await readAll(reader, ways);
    assertEquals(found, expected(bytes));
    assertEquals(found.ending, "between two frames");
    assertEquals(reader.readBytes, bytes.length);
  },
);

holds(
  "FrameReader reads one byte at a time what it reads at once",
  [frames, fc.nat(), bufferBytes],
  async (bytes, cut, bufferBytes) => {
    const part = bytes.subarray(0, cut % (bytes.length + 1));
    const reader = new FrameReader(sourceOf(part, [1]), {
      limitFor,
      bufferBytes,
    });
    assertEquals(await readAll(reader, [1]), expected(part));
  },
);

holds(
  "FrameReader takes any bytes for what they are: frames, cut or too large",
  [
    fc.oneof(
      fc.uint8Array({ maxLength: 400 }),
      // Small lengths, which random bytes hardly ever have.
      fc.array(fc.constantFrom(0, 0, 0, 0, 1, 2, 7, 255), { maxLength: 200 })
        .map((bytes) => new Uint8Array(bytes)),
    ),
    slices,
    bufferBytes,
    ways,
  ],
  async (bytes, slices, bufferBytes, ways) => {
    const reader = new FrameReader(sourceOf(bytes, slices), {
      limitFor,
      bufferBytes,
    });
    assertEquals(await readAll(reader, ways), expected(bytes));
  },
);

holds(
  "FrameReader takes frames with flipped bits for what they are now",
  [
    frames,
    fc.array(fc.nat(), { minLength: 1, maxLength: 8 }),
    slices,
    bufferBytes,
    ways,
  ],
  async (bytes, places, slices, bufferBytes, ways) => {
    if (bytes.length === 0) return;
    for (const place of places) {
      const at = (place >> 3) % bytes.length;
      bytes[at] = bytes[at]! ^ (1 << (place & 7));
    }
    const reader = new FrameReader(sourceOf(bytes, slices), {
      limitFor,
      bufferBytes,
    });
    assertEquals(await readAll(reader, ways), expected(bytes));
  },
);

holds(
  "FrameReader refuses a length over the limit before it takes a byte of the body",
  [
    fc.integer({ min: 0, max: 255 }),
    fc.integer({ min: LIMIT + 1, max: 0xffff_ffff }),
    slices,
  ],
  async (type, length, slices) => {
    if (length <= limitFor(type)) return;
    const bytes = new Uint8Array(FRAME_HEADER_BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint8(0, type);
    view.setUint32(1, length);
    const reader = new FrameReader(sourceOf(bytes, slices), { limitFor });
    const { ending } = await readAll(reader, [1]);
    assertEquals(ending, "frame_too_large");
    assertEquals(reader.bodyLeft, 0);
  },
);
