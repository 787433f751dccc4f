import { assert, assertEquals, assertLess } from "@std/assert";
import { type Conn, writeAll } from "../../lib/base/conn.ts";
import { createIdentity } from "../../lib/identity/identity.ts";
import { Incidents } from "../../lib/guard/incidents.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { JOIN_TYPE } from "../../lib/protocol/messages.ts";
import {
  splice,
  type SpliceOptions,
  type SpliceOutcome,
} from "../../lib/relay/splice.ts";
import { dial } from "../../lib/transport/dial.ts";
import { listen } from "../../lib/transport/listen.ts";
import {
  CONN_PAIRS,
  type ConnPair,
  type ConnPairKind,
} from "../_conn_pairs.ts";
import { within } from "../_event_log.ts";
import { FakeTime } from "../_fake_time.ts";
import { memoryPair } from "../_memory_conn.ts";
import { randomBytes, seededRandom } from "../_random.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

const OPTIONS: SpliceOptions = {
  bufferBytes: LIMITS.tunnelBufferBytes,
  idleMs: LIMITS.tunnelIdleMs,
};

/**
 * What comes by the relay's own port: the accepted end is a socket of node:net,
 * of which the first byte has been looked at.
 */
async function openJoin(): Promise<ConnPair> {
  const arrived = Promise.withResolvers<Conn>();
  const done = Promise.withResolvers<void>();
  const listener = await listen({
    at: { host: "127.0.0.1", port: 0 },
    identity,
    limits: LIMITS,
    connectionsPerAddressCount: 8,
    acceptsJoins: true,
    incidents: new Incidents(
      0,
      ({ event }) => arrived.reject(new Error(event)),
    ),
    handle: async ({ conn, isJoin, settle }) => {
      settle();
      assert(isJoin);
      assertEquals(await conn.read(new Uint8Array(1)), 1);
      arrived.resolve(conn);
      await done.promise;
    },
  });
  const dialled = await dial(listener.address, {
    peer: null,
    timeoutMs: 20_000,
  });
  await writeAll(dialled, Uint8Array.of(JOIN_TYPE));
  return {
    dialled,
    accepted: await arrived.promise,
    [Symbol.asyncDispose]: async () => {
      dialled.close();
      done.resolve();
      await listener.close();
    },
  };
}

const identity = await createIdentity();

/** Tunnels enter a relay in the clear, by either port. */
const KINDS: readonly ConnPairKind[] = [
  ...CONN_PAIRS.filter(({ name }) => !name.includes("TLS")),
  { name: "over sockets of node:net", open: openJoin },
];

/** Two peers with a splice between them. */
interface Spliced extends AsyncDisposable {
  readonly alice: Conn;
  readonly bob: Conn;
  readonly ended: Promise<SpliceOutcome>;
}

async function spliced(
  kind: ConnPairKind,
  options: Partial<SpliceOptions> = {},
): Promise<Spliced> {
  await using stack = new AsyncDisposableStack();
  const left = stack.use(await kind.open());
  const right = stack.use(await kind.open());
  const ended = splice(left.accepted, right.accepted, {
    ...OPTIONS,
    ...options,
  });
  const owned = stack.move();
  return {
    alice: left.dialled,
    bob: right.dialled,
    ended,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** All that comes until the peer has said that nothing follows. */
async function readToEnd(conn: Conn): Promise<Uint8Array> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const buffer = new Uint8Array(64 * KIB);
  for (;;) {
    const count = await within(conn.read(buffer), "the end");
    if (count === null) return await new Blob(parts).bytes();
    parts.push(buffer.slice(0, count));
  }
}

async function readExactly(conn: Conn, length: number): Promise<Uint8Array> {
  const target = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = await within(conn.read(target.subarray(at)), "bytes");
    assert(count !== null, `ended at ${at} of ${length}`);
    at += count;
  }
  return target;
}

const random = seededRandom(82);
const LARGE = randomBytes(300_000, random);
const SMALL = randomBytes(5_000, random);

for (const kind of KINDS) {
  const { name } = kind;
  // A byte at a time, and much of it, takes long.
  const large = name.includes("byte") ? LARGE.subarray(0, 5_000) : LARGE;

  Deno.test(`A splice passes on both ways, and counts, ${name}`, async () => {
    await using both = await spliced(kind);
    const { alice, bob, ended } = both;
    const sending = Promise.all([
      writeAll(alice, large).then(() => alice.closeWrite()),
      writeAll(bob, SMALL).then(() => bob.closeWrite()),
    ]);
    const read = await Promise.all([readToEnd(bob), readToEnd(alice)]);
    await sending;
    assertEquals(read, [large, SMALL]);
    assertEquals(await within(ended, "the end"), {
      how: "completed",
      aToB: large.length,
      bToA: SMALL.length,
    });
  });

  for (const how of ["half-closes", "leaves"] as const) {
    Deno.test(`row 82: one end of a splice half-closes, then the other ${how}: all is delivered, ${name}`, async () => {
      await using both = await spliced(kind);
      const { alice, bob, ended } = both;
      // What is on its way when the end is said arrives before it.
      const asking = writeAll(alice, large).then(() => alice.closeWrite());
      assertEquals(await readToEnd(bob), large);
      await asking;
      // Half-closed: the other direction goes on as long as it likes.
      for (let round = 0; round < 3; round++) {
        await writeAll(bob, SMALL);
        assertEquals(await readExactly(alice, SMALL.length), SMALL);
      }
      const answering = writeAll(bob, large).then(() =>
        how === "leaves" ? bob.close() : bob.closeWrite()
      );
      assertEquals(await readToEnd(alice), large);
      await answering;
      assertEquals(await within(ended, "the end"), {
        how: "completed",
        aToB: large.length,
        bToA: 3 * SMALL.length + large.length,
      });
    });
  }

  // Nor can a few bytes to one that has ended be distinguished from parting
  // words.
  if (name.includes("byte")) continue;

  Deno.test(`A splice ends as abandoned when one end disconnects, and ends the other, ${name}`, async () => {
    await using both = await spliced(kind);
    const { alice, bob, ended } = both;
    await writeAll(bob, SMALL);
    await readExactly(alice, SMALL.length);
    const flood = (async () => {
      for (;;) await writeAll(bob, SMALL);
    })().catch(() => "cut off");
    await readExactly(alice, SMALL.length);
    alice.close();
    const { how } = await within(ended, "the end");
    assertEquals(how, "abandoned");
    assertEquals(await within(flood, "the sender's end"), "cut off");
  });

  Deno.test(`A splice ends as failed when its caller ends it, ${name}`, async () => {
    const stop = new AbortController();
    await using both = await spliced(kind, { signal: stop.signal });
    const { alice, bob, ended } = both;
    await writeAll(alice, SMALL);
    await readExactly(bob, SMALL.length);
    stop.abort();
    assertEquals(await within(ended, "the end"), {
      how: "failed",
      aToB: SMALL.length,
      bToA: 0,
    });
    const rest = Promise.all(
      [alice, bob].map((conn) =>
        conn.read(new Uint8Array(1)).catch(() => null)
      ),
    );
    assertEquals(await within(rest, "the ends"), [null, null]);
  });

  Deno.test(`A splice that is ended before it begins is failed, ${name}`, async () => {
    await using both = await spliced(kind, { signal: AbortSignal.abort() });
    const { how } = await within(both.ended, "the end");
    assertEquals(how, "failed");
  });
}

Deno.test("A splice does not count the closing bytes of TLS to a disconnected peer as a failure", async () => {
  for (const [length, how] of [[64, "completed"], [65, "abandoned"]] as const) {
    const [alice, left] = memoryPair();
    const [bob, right] = memoryPair();
    const ended = splice(left, right, OPTIONS);
    alice.close();
    assertEquals(await bob.read(new Uint8Array(1)), null);
    await writeAll(bob, new Uint8Array(length));
    await bob.closeWrite();
    assertEquals((await ended).how, how, `${length} bytes`);
  }
});

for (
  const [what, prepare] of [
    ["nobody says a word", () => {}],
    ["one end half-closes and the other is silent", (alice: Conn) => {
      void alice.closeWrite();
    }],
    ["the reader has stopped", (alice: Conn) => {
      void (async () => {
        for (;;) await writeAll(alice, SMALL);
      })().catch(() => {});
    }],
  ] as const
) {
  Deno.test(`A splice in which nothing moves for 60 s is expired: ${what}`, async () => {
    using time = new FakeTime();
    const [alice, left] = memoryPair();
    const [bob, right] = memoryPair();
    let outcome: SpliceOutcome | undefined;
    void splice(left, right, OPTIONS).then((found) => outcome = found);
    await writeAll(bob, SMALL);
    await time.advance(0);
    prepare(alice);
    await time.advance(59_999);
    assertEquals(outcome, undefined, "a minute has not passed");
    await time.advance(20_000);
    assertEquals(outcome?.how, "expired");
    assertEquals(time.timerCount, 0);
    // Both ends notice it.
    await readToEnd(alice);
    await readToEnd(bob);
  });
}

Deno.test("A splice with an occasional byte in either direction is not idle", async () => {
  using time = new FakeTime();
  const [alice, left] = memoryPair();
  const [bob, right] = memoryPair();
  let outcome: SpliceOutcome | undefined;
  void splice(left, right, OPTIONS).then((found) => outcome = found);
  for (let minute = 0; minute < 60; minute++) {
    await writeAll(minute % 2 === 0 ? alice : bob, Uint8Array.of(minute));
    await time.advance(50_000);
    assertEquals(outcome, undefined, `ended in minute ${minute}`);
  }
  alice.close();
  bob.close();
  await time.advance(0);
  assertEquals(outcome?.how, "completed");
});

Deno.test("row 83: a splice buffers 64 KiB for a reader that stops, and then delays its sender", async () => {
  const capacityBytes = 10_000; // of each leg
  const [alice, left] = memoryPair({ capacityBytes });
  const [bob, right] = memoryPair({ capacityBytes });
  const stop = new AbortController();
  const ended = splice(left, right, { ...OPTIONS, signal: stop.signal });
  let written = 0;
  const sending = (async () => {
    for (;;) written += await alice.write(SMALL);
  })().catch(() => {});
  await everythingInMemory();
  const held = written;
  assertLess(held, 2 * capacityBytes + LIMITS.tunnelBufferBytes + SMALL.length);
  assert(held > 2 * capacityBytes, `only ${held} bytes were taken`);
  // Nothing more is taken for nothing read, and as much as was read.
  await everythingInMemory();
  assertEquals(written, held);
  await readExactly(bob, 100_000);
  await everythingInMemory();
  assert(written >= 100_000, `only ${written} bytes were taken`);
  assertLess(
    written,
    100_000 + 2 * capacityBytes + LIMITS.tunnelBufferBytes + SMALL.length,
  );
  // The other direction does not care.
  await writeAll(bob, SMALL);
  assertEquals(await readExactly(alice, SMALL.length), SMALL);
  stop.abort();
  await ended;
  await sending;
});

/** In memory a turn of the event loop is enough for all that can happen. */
function everythingInMemory(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

for (const kind of KINDS.filter(({ name }) => name.includes("over"))) {
  Deno.test(`row 83: alice to bob keeps flowing while cathy does not read, ${kind.name}`, async () => {
    await using flowing = await spliced(kind);
    await using stuck = await spliced(kind, { idleMs: 400 });
    const { alice: dave, ended } = stuck;
    const flood = new Uint8Array(MIB);
    let flooded = 0;
    const flooding = (async () => {
      for (; flooded < 256 * MIB; flooded += flood.length) {
        await writeAll(dave, flood);
      }
    })().catch(() => "held back and cut off");
    const { alice, bob } = flowing;
    let passed = 0;
    let isOver = false;
    const over = ended.then((outcome) => {
      isOver = true;
      return outcome;
    });
    const block = randomBytes(MIB, random);
    do {
      const sending = writeAll(alice, block);
      assertEquals((await readExactly(bob, MIB)).length, MIB);
      await sending;
      passed += MIB;
    } while (!isOver);
    const { how, aToB, bToA } = await over;
    assertEquals([how, bToA], ["expired", 0]);
    assertEquals(await within(flooding, "cutting"), "held back and cut off");
    // What the kernel holds on both legs, and no more.
    assertLess(aToB, 32 * MIB);
    assertLess(flooded, 64 * MIB);
    assert(passed >= MIB, `only ${passed} bytes passed`);
  });
}
