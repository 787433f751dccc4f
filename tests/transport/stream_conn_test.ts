import {
  assertEquals,
  assertGreater,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { connect, createServer, type Socket } from "node:net";
import { type Conn, writeAll } from "../../lib/base/conn.ts";
import { StreamConn } from "../../lib/transport/stream_conn.ts";
import { within } from "../_event_log.ts";
import { randomBytes, seededRandom } from "../_random.ts";

const NOWHERE = { host: "", port: 0 };
const ENDS = { local: NOWHERE, remote: NOWHERE };

/** Two sockets of node:net that are each other's peer. */
async function socketPair(): Promise<
  { near: Socket; far: Socket } & AsyncDisposable
> {
  const accepted = Promise.withResolvers<Socket>();
  const server = createServer({ allowHalfOpen: true }, accepted.resolve);
  const { promise: listening, resolve } = Promise.withResolvers<void>();
  server.listen({ host: "127.0.0.1", port: 0 }, resolve);
  await listening;
  const { port } = server.address() as { port: number };
  const near = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  const far = await accepted.promise;
  for (const socket of [near, far]) socket.on("error", () => {});
  return {
    near,
    far,
    [Symbol.asyncDispose]: async () => {
      near.destroy();
      far.destroy();
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      await closed.promise;
    },
  };
}

async function readExactly(conn: Conn, length: number): Promise<Uint8Array> {
  const target = new Uint8Array(length);
  for (let at = 0; at < length;) {
    at += await within(conn.read(target.subarray(at)), "bytes") ?? NaN;
  }
  return target;
}

const BYTES = randomBytes(200_000, seededRandom(1));

for (const taken of [0, 1, 5, 1_000, 99_999]) {
  Deno.test(`StreamConn returns its socket with all unread bytes, after ${taken} bytes`, async () => {
    await using pair = await socketPair();
    const first = new StreamConn(pair.near, ENDS);
    const writing = writeAll(new StreamConn(pair.far, ENDS), BYTES);
    assertEquals(await readExactly(first, taken), BYTES.subarray(0, taken));
    const again = new StreamConn(first.release(), ENDS);
    const rest = await readExactly(again, BYTES.length - taken);
    assertEquals(rest, BYTES.subarray(taken));
    await writing;
  });
}

Deno.test("StreamConn does not use a socket that it has returned", async () => {
  await using pair = await socketPair();
  const before = pair.near.listenerCount("readable");
  const conn = new StreamConn(pair.near, ENDS);
  const far = new StreamConn(pair.far, ENDS);
  await writeAll(far, Uint8Array.of(1, 2, 3));
  await readExactly(conn, 1);
  const socket = conn.release();
  assertEquals(socket.listenerCount("readable"), before);
  assertEquals(
    socket.listenerCount("close"),
    pair.far.listenerCount("close") - 1,
  );
  const again = new StreamConn(socket, ENDS);
  assertEquals(await readExactly(again, 2), Uint8Array.of(2, 3));
  await far.closeWrite();
  assertEquals(await within(again.read(new Uint8Array(1)), "the end"), null);
});

Deno.test("StreamConn that is closed rejects pending and later calls", async () => {
  await using pair = await socketPair();
  const conn = new StreamConn(pair.near, ENDS);
  const reading = conn.read(new Uint8Array(1));
  conn.close();
  await assertRejects(() => reading, Deno.errors.Interrupted);
  await assertRejects(() => conn.read(new Uint8Array(1)));
  await assertRejects(() => conn.write(new Uint8Array(1)));
  conn.close();
});

Deno.test("StreamConn frees the memory of a chunk when all of it was read, and not before", async () => {
  await using pair = await socketPair();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  const read = pair.near.read.bind(pair.near);
  pair.near.read = (size) => {
    const chunk = read(size);
    if (chunk !== null) chunks.push(chunk);
    return chunk;
  };
  const conn = new StreamConn(pair.near, ENDS);
  const far = new StreamConn(pair.far, ENDS);
  const sent = randomBytes(1024 ** 2, seededRandom(3));
  const writing = writeAll(far, sent);
  const came = new Uint8Array(sent.length);
  for (let at = 0; at < came.length;) {
    // A part of a chunk at a time: the rest of it must still be there.
    const part = conn.read(came.subarray(at, at + 10_000));
    at += await within(part, "a part") ?? NaN;
  }
  await writing;
  assertEquals(came, sent);
  const large = chunks.filter(({ length }) => length === 0);
  assertGreater(large.length, 0, "large chunks are detached, and so empty");
  // A chunk of a few bytes may share its memory with others.
  const count = chunks.length;
  await writeAll(far, Uint8Array.of(1, 2, 3));
  assertEquals(await conn.read(new Uint8Array(10)), 3);
  assertEquals(chunks.slice(count).map(({ length }) => length), [3]);
});

Deno.test("All StreamConns share four listener functions", async () => {
  await using pair = await socketPair();
  new StreamConn(pair.near, ENDS);
  new StreamConn(pair.far, ENDS);
  for (const event of ["readable", "end", "error", "close"]) {
    const listener = pair.near.listeners(event).at(-1);
    assertEquals(typeof listener, "function");
    assertStrictEquals(pair.far.listeners(event).at(-1), listener);
  }
});
