import { assert, assertEquals } from "@std/assert";
import { type Conn, writeAll } from "../../lib/base/conn.ts";
import { CONN_PAIRS } from "../_conn_pairs.ts";

const MIB = 1024 ** 2;
/** More than the system keeps for both ends of a connection. */
const ALL_MIB = 48;

/** Writes all of it; `written` is the number of bytes so far. */
function writing(conn: Conn): { written: number; done: Promise<void> } {
  const state = { written: 0, done: Promise.resolve() };
  state.done = (async () => {
    const part = new Uint8Array(MIB);
    for (let n = 0; n < ALL_MIB; n++) {
      await writeAll(conn, part.fill(n));
      state.written++;
    }
  })();
  return state;
}

/** Resolves when no more is written, or all. */
async function untilStuck(state: { written: number }): Promise<void> {
  for (let before = -1; before !== state.written;) {
    before = state.written;
    await new Promise((resolve) => setTimeout(resolve, 300));
    if (state.written === ALL_MIB) return;
  }
}

/** Reads all of it, and checks each byte's part. */
async function readAll(conn: Conn): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  for (let bytes = 0; bytes < ALL_MIB * MIB;) {
    const count = await conn.read(buffer) ?? 0;
    assert(count > 0, `the end after ${bytes} bytes`);
    assertEquals(buffer[0], Math.floor(bytes / MIB));
    bytes += count;
  }
}

for (const { name, open } of CONN_PAIRS) {
  if (name.includes("a byte at a time")) continue;
  for (const reader of ["accepted", "dialled"] as const) {
    Deno.test(`A conn ${name} takes little that its ${reader} end does not read, and all of it later`, async () => {
      await using pair = await open();
      const conn = pair[reader];
      const peer = pair[reader === "accepted" ? "dialled" : "accepted"];
      // It has begun to read, as a role that then lets others go first.
      const first = new Uint8Array(1);
      const reading = conn.read(first);
      await writeAll(peer, new Uint8Array(1));
      assertEquals(await reading, 1);
      const state = writing(peer);
      await untilStuck(state);
      assert(state.written < ALL_MIB, `${state.written} MiB were taken`);
      await Promise.all([readAll(conn), state.done]);
    });
  }
}
