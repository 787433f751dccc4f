import { assert, assertEquals, assertRejects } from "@std/assert";
import { Channel, type ChannelOptions } from "../../lib/protocol/channel.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { DATA_HEADER_BYTES } from "../../lib/protocol/bulk.ts";
import { encodeMessage, type MessageOf } from "../../lib/protocol/messages.ts";
import { type BufferPool, Outbox } from "../../lib/node/outbox.ts";
import { memoryPair, type MemoryPairOptions } from "../_memory_conn.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { KIB, newPool, recording } from "./_outbox.ts";

const OPTIONS: ChannelOptions = {
  limits: LIMITS,
  acceptsData: true,
  writeStallMs: 10_000,
  idleMs: 10_000,
};

interface Setup extends AsyncDisposable {
  readonly outbox: Outbox;
  readonly peer: Channel;
  /** Bytes of each write on the conn. */
  readonly writes: number[];
  /** The capacity that the outbox gets. */
  capacity: number;
}

function setUp(
  capacity: number,
  { pool = newPool(), held = [], ...options }: MemoryPairOptions & {
    pool?: BufferPool;
    /** Bytes that the peer holds, one number for each buffer. */
    held?: number[];
  } = {},
): Setup {
  const [near, far] = memoryPair({ capacityBytes: 64 * KIB * KIB, ...options });
  const writes: number[] = [];
  const channel = new Channel(recording(near, writes), OPTIONS);
  const peer = new Channel(far, OPTIONS);
  channel.openUp();
  peer.openUp();
  const setup: Setup = {
    outbox: new Outbox(channel, () => setup.capacity, pool, {
      sending: (bytes) => {
        held.push(bytes);
        return { [Symbol.dispose]: () => void held.shift() };
      },
    }),
    peer,
    writes,
    capacity,
    [Symbol.asyncDispose]: async () => {
      await channel.close();
      await peer.close();
    },
  };
  return setup;
}

function piece(request: number): MessageOf<"pieces"> {
  return { kind: "pieces", request, hashes: new Uint8Array(32).fill(0xaa) };
}

/** Fills what it is given, up to `most`, from `bytes`. */
function filling(
  bytes: Uint8Array,
  most = Infinity,
): (target: Uint8Array) => number {
  return (target) => {
    const part = bytes.subarray(0, Math.min(target.length, most));
    target.set(part);
    return part.length;
  };
}

/** The next frame as the peer sees it: a message, or file bytes. */
async function receive(peer: Channel) {
  const frame = await peer.receiveOrData(["pieces", "files"]);
  if (frame === null || frame.kind !== "data") return frame;
  const bytes = new Uint8Array(frame.length);
  await peer.readData(bytes);
  return { request: frame.request, bytes };
}

Deno.test("Outbox sends nothing before it is flushed, and then everything at once", async () => {
  await using setup = setUp(256 * KIB);
  const { outbox, peer, writes } = setup;
  const bytes = randomBytes(1_000, seededRandom(1));
  await outbox.message(piece(1));
  assertEquals(await outbox.data(2, 1_000, filling(bytes)), 1_000);
  await outbox.message(piece(3));
  assertEquals(writes, []);
  const expected = 2 * encodeMessage(piece(1)).length + DATA_HEADER_BYTES +
    1_000;
  assertEquals(outbox.pendingBytes, expected);
  await outbox.flush();
  assertEquals(writes, [expected]);
  assertEquals(outbox.pendingBytes, 0);
  assertEquals(await receive(peer), piece(1));
  assertEquals(await receive(peer), { request: 2, bytes });
  assertEquals(await receive(peer), piece(3));
});

Deno.test("Outbox flushes nothing if nothing waits", async () => {
  await using setup = setUp(256 * KIB);
  await setup.outbox.flush();
  await setup.outbox.message(piece(1));
  await setup.outbox.flush();
  await setup.outbox.flush();
  assertEquals(setup.writes.length, 1);
});

Deno.test("Outbox sends as many bytes as were read, and no others", async () => {
  await using setup = setUp(256 * KIB);
  const { outbox, peer } = setup;
  const bytes = randomBytes(500, seededRandom(2));
  const given: number[] = [];
  const length = await outbox.data(1, 500, async (target) => {
    given.push(target.length);
    await Promise.resolve();
    return filling(bytes, 200)(target);
  });
  assertEquals([length, ...given], [200, 500]);
  assertEquals(await outbox.data(2, 500, () => 0), 0, "the end of the file");
  assertEquals(await outbox.data(3, 300, filling(bytes.subarray(200))), 300);
  await outbox.flush();
  assertEquals(await receive(peer), {
    request: 1,
    bytes: bytes.slice(0, 200),
  });
  assertEquals(await receive(peer), { request: 3, bytes: bytes.slice(200) });
});

Deno.test("Outbox sends by itself when there is enough for a write and nothing is on its way", async () => {
  await using setup = setUp(256 * KIB);
  const { outbox, writes } = setup;
  const bytes = randomBytes(64 * KIB, seededRandom(3));
  await outbox.data(1, 64 * KIB - 14, filling(bytes));
  assertEquals(writes, [], "one byte short of it");
  await outbox.data(1, 1, filling(bytes));
  assertEquals(writes, [64 * KIB - 14 + 1 + 2 * DATA_HEADER_BYTES]);
  assertEquals(outbox.pendingBytes, 0);
});

/** Lets the peer read quickly until the outbox writes as much as it may. */
async function grow({ outbox, peer, writes, capacity }: Setup): Promise<void> {
  while (outbox.mostBytes < capacity) {
    const bytes = new Uint8Array(outbox.mostBytes);
    await outbox.data(1, bytes.length, filling(bytes));
    const flushing = outbox.flush();
    await receive(peer);
    await flushing;
  }
  writes.length = 0;
}

Deno.test("Outbox begins with small writes, and doubles them while its peer reads quickly", async () => {
  await using setup = setUp(1_024 * KIB);
  const { outbox } = setup;
  assertEquals(outbox.mostBytes, 64 * KIB);
  await grow(setup);
  assertEquals(outbox.mostBytes, 1_024 * KIB);
});

Deno.test("Outbox knows how much its peer holds until it has read what it is sent", async () => {
  const held: number[] = [];
  await using setup = setUp(64 * KIB, { capacityBytes: KIB, held });
  const { outbox, peer } = setup;
  const bytes = randomBytes(64 * KIB, seededRandom(3));
  await outbox.data(1, bytes.length, filling(bytes));
  const flushing = outbox.flush();
  await Promise.resolve();
  assertEquals(held, [2 * 68 * KIB]);
  await receive(peer);
  await flushing;
  assertEquals(held, []);
});

Deno.test("Outbox joins up to its capacity while something is on its way", async () => {
  await using setup = setUp(256 * KIB, { capacityBytes: KIB });
  const { outbox, peer } = setup;
  const bytes = randomBytes(64 * KIB, seededRandom(3));
  const frame = DATA_HEADER_BYTES + bytes.length;
  const append = () => outbox.data(1, bytes.length, filling(bytes));
  await grow(setup);
  await append(); // the peer takes a part of it, and then does not read
  const pending: number[] = [];
  for (let n = 0; n < 3; n++) {
    await append();
    pending.push(outbox.pendingBytes);
  }
  assertEquals(pending, [frame, 2 * frame, 3 * frame]);
  let isAppended = false;
  const last = append().then(() => isAppended = true);
  assertEquals(await receive(peer), { request: 1, bytes });
  await last;
  assertEquals([isAppended, outbox.pendingBytes], [true, 0]);
  const flushing = outbox.flush();
  for (let n = 0; n < 4; n++) {
    assertEquals(await receive(peer), { request: 1, bytes });
  }
  await flushing;
});

Deno.test("Outbox accepts at most its capacity of file bytes at once", async () => {
  await using setup = setUp(64 * KIB);
  const bytes = randomBytes(200 * KIB, seededRandom(4));
  let sent = 0;
  const lengths: number[] = [];
  while (sent < bytes.length) {
    const rest = bytes.subarray(sent);
    lengths.push(await setup.outbox.data(1, rest.length, filling(rest)));
    sent += lengths.at(-1)!;
  }
  assertEquals(lengths, [64, 64, 64, 8].map((kib) => kib * KIB));
  await setup.outbox.flush();
  for (let at = 0; at < bytes.length; at += 64 * KIB) {
    const expected = bytes.slice(at, at + 64 * KIB);
    assertEquals(await receive(setup.peer), { request: 1, bytes: expected });
  }
});

Deno.test("Outbox uses the capacity of the moment, whether it has grown or shrunk", async () => {
  await using setup = setUp(64 * KIB);
  const { outbox, peer } = setup;
  const bytes = randomBytes(256 * KIB, seededRandom(5));
  const lengths: number[] = [];
  setup.capacity = 256 * KIB;
  await grow(setup);
  for (const kib of [64, 256, 16, 128]) {
    setup.capacity = kib * KIB;
    lengths.push(await outbox.data(1, bytes.length, filling(bytes)));
    await outbox.message(piece(kib));
  }
  assertEquals(lengths, [64, 256, 16, 128].map((kib) => kib * KIB));
  await outbox.flush();
  for (const kib of [64, 256, 16, 128]) {
    const expected = bytes.slice(0, kib * KIB);
    assertEquals(await receive(peer), { request: 1, bytes: expected });
    assertEquals(await receive(peer), piece(kib));
  }
});

Deno.test("Outbox keeps the order if there is no room for a part", async () => {
  await using setup = setUp(KIB);
  const { outbox, peer, writes } = setup;
  const files = {
    kind: "files",
    request: 2,
    files: Array.from({ length: 120 }, (_, n) => ({
      name: `${n} ${"x".repeat(200)}`,
      size: n,
      modifiedMs: n,
      version: "v".repeat(32),
    })),
    more: false,
  } as const;
  const large = encodeMessage(files).length;
  assert(large > 33 * KIB && large < 64 * KIB, "two find no room together");
  await outbox.message(piece(1));
  await outbox.message(files);
  await outbox.message(files);
  await outbox.message(piece(3));
  await outbox.flush();
  const small = encodeMessage(piece(1)).length;
  assertEquals(writes, [small, large, large, small]);
  assertEquals(await receive(peer), piece(1));
  assertEquals(await receive(peer) as unknown, files);
  assertEquals(await receive(peer) as unknown, files);
  assertEquals(await receive(peer), piece(3));
});

Deno.test("Outbox sends nothing of a part that could not be read", async () => {
  await using setup = setUp(64 * KIB);
  const { outbox, peer } = setup;
  await outbox.message(piece(1));
  const before = outbox.pendingBytes;
  const reading = outbox.data(2, 1_000, (target) => {
    target.fill(0xff);
    return Promise.reject(new Error("the disk failed"));
  });
  await assertRejects(() => reading, Error, "the disk failed");
  assertEquals(outbox.pendingBytes, before);
  await outbox.message(piece(3));
  await outbox.flush();
  assertEquals(await receive(peer), piece(1));
  assertEquals(await receive(peer), piece(3));
});

/** The memory into which file bytes are read just now. */
async function memoryOf(outbox: Outbox): Promise<ArrayBuffer> {
  let memory: ArrayBuffer | undefined;
  await outbox.data(1, 10, (target) => {
    memory = target.buffer;
    return 10;
  });
  return memory!;
}

Deno.test("Outbox fills another buffer while one is on its way, and uses both again", async () => {
  await using setup = setUp(64 * KIB, { capacityBytes: KIB });
  const { outbox, peer } = setup;
  const first = await memoryOf(outbox);
  await outbox.message(piece(1));
  assert(await memoryOf(outbox) === first, "there is room");
  const bytes = randomBytes(64 * KIB, seededRandom(8));
  await outbox.data(2, bytes.length, filling(bytes)); // it is on its way now
  const second = await memoryOf(outbox);
  assert(second !== first);
  const flushing = outbox.flush();
  for (let n = 0; n < 5; n++) await receive(peer);
  await flushing;
  outbox.rest();
  assert([first, second].includes(await memoryOf(outbox)));
  assert(first.byteLength < 256 * KIB, "not much larger than its capacity");
});

Deno.test("Outbox returns its buffer to the pool when it is idle, and not before", async () => {
  const pool = newPool();
  await using one = setUp(64 * KIB, { pool });
  await using other = setUp(64 * KIB, { pool });
  const memory = await memoryOf(one.outbox);
  one.outbox.rest(); // something still waits in it
  assert(await memoryOf(one.outbox) === memory);
  assert(await memoryOf(other.outbox) !== memory);
  await one.outbox.flush();
  await other.outbox.flush();
  for (const { outbox } of [one, other]) outbox.rest();
  const [a, b] = [await memoryOf(one.outbox), await memoryOf(other.outbox)];
  assert(a !== b && [a, b].includes(memory));
});

Deno.test("Outbox gives its buffers back when it is disposed of, and when the peer has disconnected", async () => {
  const pool = newPool();
  await using setup = setUp(64 * KIB, { pool });
  const { outbox } = setup;
  setup.peer.conn.close();
  await outbox.message(piece(1));
  await assertRejects(() => outbox.flush(), Deno.errors.BrokenPipe);
  assertEquals(pool.bytes, 0, "what was sent from does not come back");
  await using other = setUp(64 * KIB, { pool });
  const memory = await memoryOf(other.outbox);
  other.outbox[Symbol.dispose]();
  other.outbox[Symbol.dispose]();
  assertEquals(pool.take(memory.byteLength).buffer, memory);
});

Deno.test("Outbox waits while the peer does not read, and holds no more than two buffers", async () => {
  await using setup = setUp(64 * KIB, { capacityBytes: 4 * KIB });
  const { outbox, peer } = setup;
  const bytes = randomBytes(64 * KIB, seededRandom(6));
  const rounds = 10;
  let reads = 0;
  const sending = (async () => {
    for (let round = 0; round < rounds; round++) {
      await outbox.data(round, bytes.length, (target) => {
        reads++;
        return filling(bytes)(target);
      });
    }
  })();
  const receiving = (async () => {
    for (let round = 0; round < rounds; round++) {
      // One is on its way and one is filled: no more is read from the disk.
      assert(reads <= round + 2, `${reads} reads after ${round} frames`);
      assertEquals(await receive(peer), { request: round, bytes });
    }
  })();
  await Promise.all([sending, receiving]);
});

Deno.test("Outbox reports that the peer has disconnected", async () => {
  await using setup = setUp(64 * KIB);
  const { outbox } = setup;
  setup.peer.conn.close();
  await outbox.message(piece(1));
  await assertRejects(() => outbox.flush(), Deno.errors.BrokenPipe);
  await assertRejects(() => outbox.flush(), Deno.errors.BrokenPipe);
  const bytes = new Uint8Array(64 * KIB);
  await assertRejects(
    () => outbox.data(1, bytes.length, filling(bytes)),
    Deno.errors.BrokenPipe,
  );
});

const LAST = 9_999;

/** Appends at random to an outbox, and compares what arrives. */
async function sendAtRandom(seed: number, pool: BufferPool): Promise<void> {
  const random = seededRandom(seed);
  const below = (most: number) => Math.floor(random() * most);
  await using setup = setUp(KIB, {
    pool,
    sliceBytes: () => 1 + below(20_000),
    capacityBytes: 1 + below(50_000),
  });
  const { outbox, peer } = setup;
  const content = randomBytes(100 * KIB, random);
  const expected: unknown[] = [];
  const sending = (async () => {
    for (let request = 0; request < 150; request++) {
      setup.capacity = 1 + below(100 * KIB);
      const luck = random();
      if (luck < 0.4) {
        expected.push(piece(request));
        await outbox.message(piece(request));
      } else if (luck < 0.8) {
        const rest = content.subarray(below(50 * KIB));
        const [most, read] = [1 + below(50 * KIB), below(50 * KIB)];
        const { capacity } = setup;
        const fill = filling(rest, read);
        const length = await outbox.data(request, most, fill);
        assertEquals(length, Math.min(most, read, capacity));
        const bytes = rest.slice(0, length);
        if (length > 0) expected.push({ request, bytes });
      } else if (luck < 0.9) await outbox.flush();
      else outbox.rest();
    }
    await outbox.message(piece(LAST));
    await outbox.flush();
  })();
  const got: unknown[] = [];
  const receiving = (async () => {
    for (;;) {
      const frame = await receive(peer);
      if (frame !== null && "kind" in frame && frame.request === LAST) return;
      got.push(frame);
    }
  })();
  await Promise.all([sending, receiving]);
  assertEquals(got, expected);
}

for (const seed of [1, 2, 3]) {
  Deno.test(`Outbox delivers everything that is appended, whole and in order (${seed})`, async () => {
    const pool = newPool();
    await Promise.all(
      [1, 2, 3].map((peer) => sendAtRandom(10 * seed + peer, pool)),
    );
  });
}
