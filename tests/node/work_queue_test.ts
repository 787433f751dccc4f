import { assert, assertEquals } from "@std/assert";
import { setImmediate } from "node:timers/promises";
import { writeAll } from "../../lib/base/conn.ts";
import { LIMITS, limitsWith } from "../../lib/base/limits.ts";
import { encodeMessage } from "../../lib/protocol/messages.ts";
import { WorkQueue } from "../../lib/node/work_queue.ts";
import { serviceOf } from "../_client_service.ts";
import { within } from "../_event_log.ts";
import { SteppedTurns, withEcho } from "../_turns.ts";

/** Works on and on in pieces of 2 ms, and notes each. */
async function toil(
  queue: WorkQueue,
  { source, signal, onTurn }: {
    source: string;
    signal: AbortSignal;
    onTurn: () => void;
  },
): Promise<void> {
  using work = queue.enter(source);
  while (!signal.aborted) {
    await work.turn();
    if (signal.aborted) return;
    onTurn();
    const until = performance.now() + 2;
    while (performance.now() < until);
    work.charge(2, "sent");
  }
}

Deno.test("WorkQueue gives the event loop and the network a turn while any number of clients work without a pause", async () => {
  using queue = new WorkQueue(LIMITS);
  const stop = new AbortController();
  const { signal } = stop;
  let pieces = 0;
  const onTurn = () => {
    if (++pieces > 2_000) stop.abort(); // nobody is let in
  };
  const toiling = Array.from(
    { length: 8 },
    (_, n) => toil(queue, { source: `192.0.2.${n}`, signal, onTurn }),
  );
  await withEcho(async (echo) => {
    const before = pieces;
    const trips = 10;
    for (let trip = 0; trip < trips; trip++) await echo();
    // Three pieces of 2 ms are a turn; there and back take up to four of them.
    const most = 4 * 3 * trips;
    const done = pieces - before;
    assert(done >= trips / 2 && done <= most, `${done} pieces`);
    stop.abort();
    queue[Symbol.dispose]();
    await within(Promise.all(toiling), "the end of all work");
  });
});

Deno.test("WorkQueue serves a new client before one that has worked without a pause", async () => {
  using queue = new WorkQueue(LIMITS);
  const stop = new AbortController();
  let turns = 0;
  const options = { signal: stop.signal, onTurn: () => turns++ };
  const toiling = toil(queue, { source: "192.0.2.1", ...options });
  while (turns < 20) await setImmediate();
  using work = queue.enter("192.0.2.2");
  const before = turns;
  await work.turn();
  assert(turns - before <= 3, `${turns - before} pieces of the other first`);
  stop.abort();
  queue[Symbol.dispose]();
  await within(toiling, "the end of all work");
});

Deno.test("WorkQueue delays a client that asked too much, and lets it continue when disposed of", async () => {
  using queue = new WorkQueue(limitsWith({ clientWorkMsPerSecond: 0.001 }));
  using work = queue.enter("192.0.2.1");
  using other = queue.enter("192.0.2.2");
  assertEquals(work.turn(), undefined);
  work.charge(2 * LIMITS.clientWorkBurstMs);
  const resting = work.turn();
  assert(resting !== undefined);
  let isOver = false;
  void resting.then(() => isOver = true);
  await other.turn();
  await setImmediate();
  assertEquals(isOver, false);
  queue[Symbol.dispose]();
  await within(resting, "the end of the rest");
});

Deno.test("A node answers a write full of requests of any kind in turns", async () => {
  await using stack = new AsyncDisposableStack();
  const names = Array.from({ length: 200 }, (_, n) => `file ${n}`);
  const files = Object.fromEntries(names.map((name) => [name, ""]));
  const { conn, client, service } = await serviceOf(files, stack);
  const gone = encodeMessage({
    kind: "read",
    request: 1,
    of: "0".repeat(32),
    first: 0,
    count: 1,
  });
  const browse = encodeMessage({ kind: "browse", request: 1, prefix: "no" });
  const count = 1_000;
  const frames = new Uint8Array(count * (gone.length + browse.length));
  for (let n = 0; n < count; n++) {
    frames.set(gone, n * (gone.length + browse.length));
    frames.set(browse, n * (gone.length + browse.length) + gone.length);
  }
  const served = client.run();
  let failure: unknown = null;
  served.catch((error) => failure = error);
  const answered = () => service.requests.snapshot().browse ?? 0;
  void writeAll(conn, frames).catch(() => {});
  const scratch = new Uint8Array(1 << 20);
  void (async () => {
    while (await conn.read(scratch) !== null);
  })().catch(() => {});
  let turnCount = 0;
  {
    using turns = new SteppedTurns();
    while (answered() < count) {
      if (failure !== null) throw failure;
      await within(setImmediate(), "a turn");
    }
    turnCount = turns.count;
  }
  conn.close();
  await served.catch(() => {});
  // The clock is looked at more than once for each request.
  const least = 2 * count / (LIMITS.turnMs + 1);
  assert(turnCount >= least, `${turnCount} turns`);
});

Deno.test("A node gives others a turn every turnMs while it lists a thousand files", async () => {
  await using stack = new AsyncDisposableStack();
  const names = Array.from({ length: 1_000 }, (_, n) => `file ${n}`);
  const files = Object.fromEntries(names.map((name) => [name, ""]));
  const { conn, client } = await serviceOf(files, stack);
  const served = client.run();
  await writeAll(
    conn,
    encodeMessage({ kind: "browse", request: 1, prefix: "" }),
  );
  let bytes = 0;
  let turnCount = 0;
  {
    using turns = new SteppedTurns();
    const scratch = new Uint8Array(1 << 20);
    while (bytes < 50_000) bytes += await conn.read(scratch) ?? 0;
    turnCount = turns.count;
  }
  conn.close();
  await served.catch(() => {});
  // The clock is looked at more than once for each slice of 64 files.
  const least = 61 * 1_000 / 64 / (LIMITS.turnMs + 1);
  assert(turnCount >= least, `${turnCount} turns`);
});
