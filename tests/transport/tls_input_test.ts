import { type AddressInfo, createServer, type Socket } from "node:net";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Conn, writeAll } from "../../lib/base/conn.ts";
import { ProtocolError } from "../../lib/base/errors.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { createIdentity, type Identity } from "../../lib/identity/identity.ts";
import { dial } from "../../lib/transport/dial.ts";
import {
  secureContextOf,
  serverHandshake,
} from "../../lib/transport/server_handshake.ts";
import { CONN_PAIRS } from "../_conn_pairs.ts";
import { replaced } from "../_replaced.ts";

/** A record of one byte, without what is free for a byte. */
const EMPTY_BYTES = 5 + 1 + 16;
const MOST_RECORDS = Math.ceil(
  (LIMITS.emptyRecordBytes + 8_192) / EMPTY_BYTES,
);

async function withTls(
  test: (ends: { dialled: Conn; accepted: Conn }) => Promise<void>,
): Promise<void> {
  const { open } = CONN_PAIRS.find(({ name }) => name.endsWith("TLS"))!;
  await using pair = await open();
  // Nothing is paid for meanwhile, however slow the machine is.
  const now = performance.now();
  using _clock = replaced(performance, "now", () => () => now);
  await test(pair);
}

/** A connection over TLS whose accepted end takes `host` for the dialler. */
async function pairFrom(
  host: string,
  identity: Identity,
): Promise<{ dialled: Conn; accepted: Conn } & Disposable> {
  const arrived = Promise.withResolvers<Socket>();
  const server = createServer({ pauseOnConnect: true }, arrived.resolve);
  const listening = Promise.withResolvers<void>();
  server.listen({ host: "127.0.0.1", port: 0 }, listening.resolve);
  await listening.promise;
  const { port } = server.address() as AddressInfo;
  const peer = { peer: identity, timeoutMs: 20_000 };
  const dialling = dial({ host: "127.0.0.1", port }, peer);
  const accepted = await serverHandshake(
    await arrived.promise,
    secureContextOf(identity),
    { remote: { host, port: 1 }, local: { host: "127.0.0.1", port } },
  );
  server.close();
  const dialled = await dialling;
  const close = () => [dialled, accepted].forEach((conn) => conn.close());
  return { dialled, accepted, [Symbol.dispose]: close };
}

/** Writes parts until the peer has ended the connection, or all are written. */
async function writeParts(
  conn: Conn,
  { bytes, count }: { bytes: number; count: number },
): Promise<void> {
  const part = new Uint8Array(bytes);
  try {
    for (let n = 0; n < count; n++) await writeAll(conn, part);
  } catch {
    // The peer has ended it.
  }
}

/** Reads until `bytes` have arrived, or the end; returns how many have. */
async function readUpTo(conn: Conn, bytes: number): Promise<number> {
  const buffer = new Uint8Array(64 * 1024);
  let got = 0;
  while (got < bytes) {
    const count = await conn.read(buffer);
    if (count === null) return got;
    got += count;
  }
  return got;
}

Deno.test("A connection over TLS ends if its peer sends emptyRecordBytes around content of a few bytes", () =>
  withTls(async ({ dialled, accepted }) => {
    const count = 2 * MOST_RECORDS;
    const writing = writeParts(dialled, { bytes: 1, count });
    const reading = readUpTo(accepted, count);
    const error = await assertRejects(() => reading, ProtocolError);
    assertEquals(error.code, "rate_limited");
    await writing;
  }));

Deno.test("A connection over TLS ends if its peer sends more small messages than a node answers", () =>
  withTls(async ({ dialled, accepted }) => {
    const [bytes, count] = [100, 2 * MOST_RECORDS];
    const writing = writeParts(dialled, { bytes, count });
    const reading = readUpTo(accepted, bytes * count);
    const error = await assertRejects(() => reading, ProtocolError);
    assertEquals(error.code, "rate_limited");
    await writing;
  }));

Deno.test("Small records of one address count together, over all of its connections", async () => {
  const identity = await createIdentity();
  // Nothing is paid for meanwhile, however slow the machine is.
  const now = performance.now();
  using _clock = replaced(performance, "now", () => () => now);
  const { emptyRecordBytes: most, addressEmptyRecordBytes: mostOfAll } = LIMITS;
  const count = Math.floor(most / 2 / EMPTY_BYTES);
  const ends: unknown[] = [];
  const connections = mostOfAll / (most / 2) + 1;
  for (let n = 0; n <= connections; n++) {
    const host = n < connections ? "192.0.2.1" : "192.0.2.2";
    using pair = await pairFrom(host, identity);
    const writing = writeParts(pair.dialled, { bytes: 1, count });
    const end = await readUpTo(pair.accepted, count)
      .catch((error) => error instanceof ProtocolError ? error.code : error);
    ends.push(end);
    await writing;
  }
  const whole = new Array(connections - 1).fill(count);
  assertEquals(ends, [...whole, "rate_limited", count]);
});

Deno.test("A connection over TLS takes any number of large parts, and some small ones", () =>
  withTls(async ({ dialled, accepted }) => {
    const some = Math.floor(LIMITS.emptyRecordBytes / 2 / EMPTY_BYTES);
    const cases = [
      { bytes: 1_408, count: MOST_RECORDS },
      { bytes: 256 * 1024, count: 64 },
      { bytes: 1, count: some },
    ];
    for (const { bytes, count } of cases) {
      const writing = writeParts(dialled, { bytes, count });
      assertEquals(await readUpTo(accepted, bytes * count), bytes * count);
      await writing;
    }
    assert(some > 1_000);
  }));
