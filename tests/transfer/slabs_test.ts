import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { SlabPool } from "../../lib/transfer/slabs.ts";
import { within } from "../_event_log.ts";
import { seededRandom } from "../_random.ts";

type Slab = Uint8Array;

/** Lets everything run that waits for promises alone. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

/** A slab that is waited for, and whether it has arrived. */
function asking(pool: SlabPool, bytes: number) {
  const state = { slab: undefined as Slab | undefined };
  const done = pool.acquire(bytes).then((slab) => {
    state.slab = slab;
    return slab;
  });
  return {
    done,
    get hasCome() {
      return state.slab !== undefined;
    },
  };
}

Deno.test("SlabPool lends buffers that are large enough, and counts them", async () => {
  const pool = new SlabPool(1_000);
  assertEquals(pool.lentBytes, 0);
  const a = await pool.acquire(300);
  const b = await pool.acquire(700);
  assertEquals([a.length, b.length], [300, 700]);
  assert(a.buffer !== b.buffer);
  assertEquals(pool.lentBytes, 1_000);
  pool.release(a);
  assertEquals(pool.lentBytes, 700);
  pool.release(b);
  assertEquals(pool.lentBytes, 0);
});

Deno.test("SlabPool makes a caller that would exceed its bound wait until a buffer is returned", async () => {
  const pool = new SlabPool(1_000);
  const a = await pool.acquire(500);
  await pool.acquire(500);
  const one = asking(pool, 1);
  await settle();
  assertEquals(one.hasCome, false);
  pool.release(a);
  assertEquals((await within(one.done, "a slab")).length >= 1, true);
  assertEquals(pool.lentBytes, 501);
});

Deno.test("SlabPool serves waiting callers in their order", async () => {
  const pool = new SlabPool(100);
  let held = await pool.acquire(100);
  const order: number[] = [];
  const waiting = [1, 2, 3, 4].map((n) =>
    pool.acquire(100).then((slab) => {
      order.push(n);
      return slab;
    })
  );
  for (const next of waiting) {
    await settle();
    pool.release(held);
    held = await within(next, "its turn");
  }
  assertEquals(order, [1, 2, 3, 4]);
});

Deno.test("SlabPool serves as many waiting callers as there is room for", async () => {
  const pool = new SlabPool(100);
  const whole = await pool.acquire(100);
  const waiting = [40, 40, 40].map((bytes) => asking(pool, bytes));
  pool.release(whole);
  await settle();
  assertEquals(waiting.map(({ hasCome }) => hasCome), [true, true, false]);
  pool.release(await waiting[0]!.done);
  await settle();
  assertEquals(waiting.map(({ hasCome }) => hasCome), [true, true, true]);
});

Deno.test("SlabPool lends a buffer larger than its bound only if no other is lent", async () => {
  const pool = new SlabPool(100);
  const small = await pool.acquire(1);
  const huge = asking(pool, 1_000);
  await settle();
  assertEquals(huge.hasCome, false, "not while another is lent");
  pool.release(small);
  const slab = await within(huge.done, "the large one");
  assertEquals(slab.length, 1_000);
  const next = asking(pool, 1);
  await settle();
  assertEquals(next.hasCome, false);
  pool.release(slab);
  await within(next.done, "the next");
});

Deno.test("SlabPool reuses buffers, but none that is much too large", async () => {
  const pool = new SlabPool(10_000);
  const first = await pool.acquire(1_000);
  pool.release(first);
  const smaller = await pool.acquire(500);
  assert(smaller.buffer === first.buffer);
  assertEquals(pool.lentBytes, 1_000, "it is lent as a whole");
  pool.release(smaller);
  assert((await pool.acquire(499)).buffer !== first.buffer);
  assert((await pool.acquire(1_001)).buffer !== first.buffer);
  assert((await pool.acquire(1_000)).buffer === first.buffer);
});

Deno.test("SlabPool takes back a whole buffer of which a part is returned", async () => {
  const pool = new SlabPool(1_000);
  const slab = await pool.acquire(1_000);
  pool.release(slab.subarray(100, 200));
  assertEquals(pool.lentBytes, 0);
  const again = await pool.acquire(1_000);
  assertEquals([again.length, again.byteOffset], [1_000, 0]);
  assert(again.buffer === slab.buffer);
});

Deno.test("SlabPool accepts another buffer of that length instead of its own", async () => {
  const pool = new SlabPool(1_000);
  const slab = await pool.acquire(1_000);
  // As a buffer comes back from a worker.
  pool.release(
    structuredClone(slab, { transfer: [slab.buffer as ArrayBuffer] }),
  );
  assertEquals(pool.lentBytes, 0);
});

Deno.test("SlabPool lends no buffer to two callers at once, and lets nobody wait forever", async () => {
  const random = seededRandom(1);
  const below = (most: number) => Math.floor(random() * most);
  const pool = new SlabPool(1_000);
  const lent: Slab[] = [];
  let waiting = 0;
  for (let step = 0; step < 5_000; step++) {
    if (random() < 0.5) {
      const bytes = 1 + below(400);
      waiting++;
      void pool.acquire(bytes).then((slab) => {
        waiting--;
        assert(slab.length >= bytes);
        assert(lent.every(({ buffer }) => buffer !== slab.buffer));
        lent.push(slab);
      });
    } else if (lent.length > 0) {
      pool.release(lent.splice(below(lent.length), 1)[0]!);
    }
    await settle();
    const lentBytes = lent.reduce((sum, { length }) => sum + length, 0);
    assertEquals(pool.lentBytes, lentBytes);
    assert(waiting === 0 || lent.length > 0, "they wait for nothing");
  }
  while (lent.length > 0) {
    pool.release(lent.pop()!);
    await settle();
  }
  assertEquals([waiting, pool.lentBytes], [0, 0]);
});

Deno.test("SlabPool keeps its bound even with reused buffers", async () => {
  const pool = new SlabPool(1_000);
  pool.release(await pool.acquire(900));
  await pool.acquire(400); // too small for the one that is idle
  void pool.acquire(500); // large enough for it, and then there is no room
  await settle();
  assertLessOrEqual(pool.lentBytes, 1_000);
});

Deno.test("SlabPool shares large buffers, of few sizes, and keeps small ones apart", async () => {
  const KIB = 1024;
  const pool = new SlabPool(4 * KIB * KIB, { isShared: true });
  const small = await pool.acquire(4 * KIB);
  const sizes = [];
  const shared = [];
  for (const bytes of [129 * KIB, 256 * KIB, 700 * KIB, KIB * KIB]) {
    const slab = await pool.acquire(bytes);
    assert(slab.buffer instanceof SharedArrayBuffer);
    sizes.push(slab.length / KIB);
    shared.push(slab);
  }
  assert(small.buffer instanceof ArrayBuffer);
  assertEquals([small.length, ...sizes], [4 * KIB, 256, 256, 1024, 1024]);
  for (const slab of [small, ...shared]) pool.release(slab);
  const again = await pool.acquire(600 * KIB);
  assert(shared.some(({ buffer }) => buffer === again.buffer), "used again");
  assert((await pool.acquire(100 * KIB)).buffer instanceof ArrayBuffer);
  assertEquals(pool.lentBytes, (1024 + 100) * KIB);
});

Deno.test("SlabPool keeps half of its room from a node that stalls, and gives it to the others", async () => {
  const pool = new SlabPool(1_000);
  const [stalled, quick] = [pool.of("stalled"), pool.of("quick")];
  const taken = await Promise.all([1, 2, 3, 4, 5].map(() => {
    return stalled.acquire(100);
  }));
  let hasMore = false;
  const more = stalled.acquire(100).then((slab) => {
    hasMore = true;
    return slab;
  });
  for (let n = 0; n < 10; n++) {
    const slab = await within(quick.acquire(100), "a slab");
    quick.filled(slab);
    pool.release(slab);
  }
  await settle();
  assertEquals([hasMore, stalled.heldBytes], [false, 500]);
  // What has arrived, and is checked and written, is not the node's any more.
  stalled.filled(taken[0]!);
  await within(more, "the next slab");
  assertEquals([stalled.heldBytes, pool.lentBytes], [500, 600]);
});

Deno.test("SlabPool lends all of its room to the only node", async () => {
  const pool = new SlabPool(1_000);
  const only = pool.of("only");
  for (let n = 0; n < 10; n++) await within(only.acquire(100), "a slab");
  assertEquals([only.heldBytes, pool.lentBytes], [1_000, 1_000]);
});

Deno.test("SlabPool lends a node without slabs one of more than half", async () => {
  const pool = new SlabPool(1_000);
  const [one, two] = [pool.of("one"), pool.of("two")];
  const slab = await one.acquire(400);
  await within(two.acquire(600), "a slab");
  one.release(slab);
  assertEquals([one.heldBytes, two.heldBytes, pool.lentBytes], [0, 600, 600]);
});
