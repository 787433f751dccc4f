/**
 * How Download shares its work among sources, and how it ends.
 */

import { assertEquals, assertRejects } from "@std/assert";
import type { Path } from "../../lib/base/conn.ts";
import { LIMITS, limitsWith } from "../../lib/base/limits.ts";
import { RateLimit } from "../../lib/base/rate.ts";
import type { Arrived } from "../../lib/transfer/download_options.ts";
import { within } from "../_event_log.ts";
import {
  closeEarly,
  describeBytes,
  honestExcept,
  sendHonestly,
  sendOnly,
  sendWrongBytes,
  stall,
} from "../_lies.ts";
import { assertBytes } from "../client/_outcomes.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import {
  finish,
  LARGE,
  MIB,
  PIECE,
  receive,
  SMALL,
  Source,
  sourceWith,
  start,
  TASK,
  testInBoth,
  wanted,
} from "./_download.ts";

const TWO_TASKS = describeBytes(
  "two",
  randomBytes(2 * TASK * PIECE, seededRandom(3)),
);

testInBoth(
  "Download takes pieces from a source that stalls, also for one that has delivered little so far",
  async () => {
    // The first is asked for 8 MiB at once, the other for the last 3 bytes.
    const slow = sourceWith("slow", stall);
    const quick = sourceWith("quick");
    const { sink } = await receive([slow, quick], {
      options: { limits: limitsWith({ takeOverMs: 50 }) },
    });
    assertBytes(sink.bytes, LARGE.bytes);
  },
);

testInBoth(
  "Download keeps no more under way than the window, on any connection",
  async () => {
    const limits = limitsWith({ windowBytes: MIB, windowRequestCount: 2 });
    const held = Promise.withResolvers<void>();
    const lie = honestExcept({ large: LARGE.bytes });
    const source = new Source("a", async (channel, message) => {
      await held.promise;
      await lie(channel, message);
    });
    const run = start({ limits, connections: 2 });
    const { file, sink } = wanted(LARGE, [source]);
    run.download.addFile(file);
    run.download.addSource(source);
    run.download.close();
    const running = run.download.run();
    // Each connection gets its first request, and is not answered.
    await within(source.asked(2), "two requests");
    assertEquals(source.openCount, 2);
    assertEquals(source.reads.map(({ count }) => count), [TASK, TASK]);
    held.resolve();
    await within(running, "the end");
    await source.end();
    assertBytes(sink.bytes, LARGE.bytes);
  },
);

/** Small files, to be received from one source that has them all. */
function manySmall(
  { count, bytes, answers = Promise.resolve() }: {
    count: number;
    bytes: number;
    /** Before that it answers nothing. */
    answers?: Promise<void>;
  },
) {
  const files = Array.from(
    { length: count },
    (_, n) => describeBytes(`f${n}`, randomBytes(bytes, seededRandom(n))),
  );
  const held = files.map((file) => [file.listed.name, file.bytes] as const);
  const lie = honestExcept(Object.fromEntries(held));
  const source = new Source("a", async (channel, message) => {
    await answers;
    await lie(channel, message);
  });
  const run = start({ limits: limitsWith({}) });
  const sinks = files.map((file) => {
    const one = wanted(file, [source], { manifest: undefined });
    run.download.addFile(one.file);
    return one.sink;
  });
  run.download.addSource(source);
  return { files, source, run, sinks };
}

testInBoth(
  "Download requests so many files at a time, and no more",
  async () => {
    const held = Promise.withResolvers<void>();
    const { files, source, run, sinks } = manySmall({
      count: 2 * LIMITS.requestedFileCount,
      bytes: 10,
      answers: held.promise,
    });
    run.download.close();
    const running = run.download.run();
    const askedFor = () =>
      source.batches.reduce((sum, { of }) => sum + of.length, 0);
    // The source reads the next request when it has answered the one before.
    await within(source.asked(0), "nothing");
    held.resolve();
    let most = 0;
    for (const sink of sinks) {
      sink.onWrite = () => {
        const ended = run.finished.length;
        most = Math.max(most, askedFor() - ended);
        return Promise.resolve();
      };
    }
    await within(running, "the end");
    await source.end();
    assertEquals(askedFor(), files.length);
    assertEquals(
      most > 48 && most <= LIMITS.requestedFileCount,
      true,
      `${most}`,
    );
    for (const [n, { bytes }] of files.entries()) {
      assertBytes(sinks[n]!.bytes, bytes);
    }
  },
);

testInBoth(
  "Download asks for small files together: for few at first, and never for more than a mebibyte",
  async () => {
    const bytes = LIMITS.smallFileBytes;
    const { files, source, run, sinks } = manySmall({ count: 100, bytes });
    await finish(run, [source]);
    const alone = source.reads.length;
    const counts = source.batches.map(({ of }) => of.length);
    const together = counts.reduce((sum, count) => sum + count, 0);
    assertEquals(alone + together, files.length);
    assertEquals(alone >= 1, true, "the first is asked for alone");
    assertEquals(Math.max(...counts), LIMITS.batchBytes / bytes);
    for (const [n, file] of files.entries()) {
      assertBytes(sinks[n]!.bytes, file.bytes);
    }
  },
);

testInBoth("Download holds back sources when the sink is slow", async () => {
  const limits = limitsWith({ slabBytes: 2 * MIB });
  let sent = 0;
  const counted = sourceWith("a", async (channel, piece) => {
    await sendHonestly(channel, piece);
    sent++;
  });
  const run = start({ limits });
  const { file, sink } = wanted(LARGE, [counted]);
  const room = Promise.withResolvers<void>();
  const waits = Promise.withResolvers<void>();
  sink.onWrite = () => {
    waits.resolve();
    return room.promise;
  };
  run.download.addFile(file);
  run.download.addSource(counted);
  run.download.close();
  const running = run.download.run();
  await waits.promise;
  for (let turn = 0; turn < 1_000; turn++) await Promise.resolve();
  // Two slabs, and what is between the two ends.
  assertEquals(sent <= 2 * TASK + 2, true, `${sent} pieces`);
  room.resolve();
  await within(running, "the end");
  await counted.end();
  assertBytes(sink.bytes, LARGE.bytes);
});

testInBoth("Download receives at no more than its rate", async () => {
  const source = sourceWith("a", undefined, SMALL);
  const rate = new RateLimit(2_000);
  const startedAt = performance.now();
  const { sink } = await receive([source], { of: SMALL, options: { rate } });
  assertEquals(sink.bytes, SMALL.bytes);
  // What may come at once after a pause is let through; the next waits.
  const second = sourceWith("b", undefined, SMALL);
  await receive([second], { of: SMALL, options: { rate } });
  const ms = performance.now() - startedAt;
  assertEquals(ms > 400, true, `${ms} ms`);
});

testInBoth(
  "Download asks for a file that is taken in order no further ahead than it may",
  async () => {
    const bytes = randomBytes(24 * MIB, seededRandom(3));
    const big = describeBytes("big", bytes);
    const source = sourceWith("a", undefined, big);
    const run = start();
    const { file, sink } = wanted(big, [source], { inOrder: true });
    run.download.addFile(file);
    run.download.addSource(source);
    run.download.close();
    const running = run.download.run();
    const enough = Promise.withResolvers<void>();
    let written = 0;
    sink.onWrite = () => {
      written += TASK * PIECE;
      if (written === 16 * MIB) enough.resolve();
      return Promise.resolve();
    };
    await within(enough.promise, "what may come ahead");
    assertEquals(Math.max(...source.pieces), 63);
    run.download.consumed(0, 60);
    await within(running, "the end");
    await source.end();
    assertBytes(sink.bytes, bytes);
  },
);

testInBoth("Download lets sources and files join while it runs", async () => {
  const run = start();
  const gate = Promise.withResolvers<void>();
  const late = sourceWith("late", async (channel, piece) => {
    gate.resolve();
    await sendHonestly(channel, piece);
  });
  // The first delivers nothing more until the other has joined.
  const waiting = sourceWith(
    "first",
    sendOnly(TASK, async (channel, piece) => {
      await gate.promise;
      await sendHonestly(channel, piece);
    }),
  );
  const { file, sink } = wanted(LARGE, [waiting]);
  const running = run.download.run();
  const index = run.download.addFile(file);
  run.download.addSource(waiting);
  run.download.addHolder(index, "late", LARGE.listed.version);
  run.download.addSource(late);
  run.download.addSource(late); // of no effect
  const empty = wanted(describeBytes("empty", new Uint8Array()), []);
  run.download.addFile(empty.file);
  run.download.close();
  await within(running, "the end");
  for (const source of [waiting, late]) await source.end();
  assertBytes(sink.bytes, LARGE.bytes);
  assertEquals(run.finished.toSorted(), [0, 1]);
  assertEquals(
    new Set(late.reads.map(({ of }) => of)),
    new Set([
      LARGE.listed.version,
    ]),
  );
  assertEquals(late.openCount, 1);
});

testInBoth(
  "Download uses as many connections to a source as its options allow",
  async () => {
    const source = sourceWith("a");
    const { sink } = await receive([source], { options: { connections: 3 } });
    assertBytes(sink.bytes, LARGE.bytes);
    assertEquals(source.openCount, 3);
  },
);

testInBoth(
  "Download counts bytes by the path of the session that they came over",
  async () => {
    const arrived: Arrived[] = [];
    const source: Source = sourceWith(
      "a",
      sendOnly(TASK, async (channel, piece) => {
        if (source.path === "tunnel") return await sendHonestly(channel, piece);
        source.path = "tunnel";
        await closeEarly(channel, piece);
      }),
    );
    const { sink } = await receive([source], {
      options: { onBytes: (bytes) => arrived.push(bytes) },
    });
    assertBytes(sink.bytes, LARGE.bytes);
    const sum = (path: Path) =>
      arrived.filter((one) => one.path === path)
        .reduce((sum, { bytes }) => sum + bytes, 0);
    assertEquals(arrived.every((one) => one.source === "a"), true);
    assertEquals(sum("direct"), TASK * PIECE);
    assertEquals(sum("tunnel"), LARGE.bytes.length - TASK * PIECE);
  },
);

testInBoth(
  "Download puts all connections of a source out when it lies on one",
  async () => {
    const liar = sourceWith("liar", sendOnly(2 * TASK, sendWrongBytes));
    const honest = sourceWith("honest");
    const { sink, trouble } = await receive([liar, honest], {
      options: { connections: 3 },
    });
    assertBytes(sink.bytes, LARGE.bytes);
    assertEquals(trouble.map(({ source, kind }) => `${source} ${kind}`), [
      "liar lied",
    ]);
  },
);

testInBoth(
  "Download gives a file up when no source has it, and says so at once",
  async () => {
    const source = sourceWith("a", undefined, SMALL);
    const run = start();
    run.download.addFile(wanted(LARGE, []).file);
    const small = wanted(SMALL, [source]);
    run.download.addFile(small.file);
    run.download.addSource(source);
    await finish(run, [source]);
    assertEquals([run.failed, run.finished], [[[0, "undelivered"]], [1]]);
  },
);

testInBoth(
  "Download stops with the reason of its signal, and closes everything",
  async () => {
    const stop = new AbortController();
    const source = sourceWith("a", stall);
    const run = start({ signal: stop.signal });
    run.download.addFile(wanted(LARGE, [source]).file);
    run.download.addSource(source);
    run.download.close();
    const running = assertRejects(
      () => run.download.run(),
      Error,
      "by the test",
    );
    await within(source.asked(1), "a request");
    stop.abort(new Error("by the test"));
    await within(running, "the end");
    await source.end();
    assertEquals([run.finished, run.failed], [[], []]);
  },
);

testInBoth(
  "Download ends with what a sink throws, and closes everything",
  async () => {
    const source = sourceWith("a");
    const run = start();
    const { file, sink } = wanted(LARGE, [source]);
    sink.onWrite = () => Promise.reject(new Deno.errors.WriteZero("full"));
    run.download.addFile(file);
    run.download.addSource(source);
    run.download.close();
    await within(
      assertRejects(() => run.download.run(), Deno.errors.WriteZero, "full"),
      "the end",
    );
    await source.end();
    assertEquals(sink.isFinished, false);
  },
);

testInBoth(
  "Download does not finish a file if one of its writes failed and the last one succeeds in the same turn",
  async () => {
    const source = sourceWith("a", undefined, TWO_TASKS);
    const run = start();
    const { file, sink } = wanted(TWO_TASKS, [source]);
    const writes: PromiseWithResolvers<void>[] = [];
    sink.onWrite = () => {
      const write = Promise.withResolvers<void>();
      if (writes.push(write) === 2) {
        writes[0]!.reject(new Deno.errors.WriteZero("full"));
        write.resolve();
      }
      return write.promise;
    };
    run.download.addFile(file);
    run.download.addSource(source);
    run.download.close();
    await within(
      assertRejects(() => run.download.run(), Deno.errors.WriteZero, "full"),
      "the end",
    );
    await source.end();
    assertEquals([sink.isFinished, run.finished], [false, []]);
  },
);
