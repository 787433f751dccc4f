import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Conn, writeAll } from "../../lib/base/conn.ts";
import { ProtocolError } from "../../lib/base/errors.ts";
import { LIMITS } from "../../lib/base/limits.ts";
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

/** Reads until `bytes` have come, or the end; returns how many have. */
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

Deno.test("A connection over TLS takes any number of messages and large parts, and some small ones", () =>
  withTls(async ({ dialled, accepted }) => {
    const some = Math.floor(LIMITS.emptyRecordBytes / 2 / EMPTY_BYTES);
    const cases = [
      { bytes: 100, count: MOST_RECORDS },
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
