import { assertEquals, assertRejects } from "@std/assert";
import { Channel } from "../../lib/protocol/channel.ts";
import type { Conn, Path } from "../../lib/base/conn.ts";
import { LIMITS, type Limits, limitsWith } from "../../lib/base/limits.ts";
import { DIRECTION, type MessageOf } from "../../lib/protocol/messages.ts";
import { RateLimit } from "../../lib/base/rate.ts";
import { Download } from "../../lib/transfer/download.ts";
import type {
  Arrived,
  DownloadOptions,
  FileFailure,
} from "../../lib/transfer/download_options.ts";
import type {
  DownloadFile,
  PiecesSaving,
  Sink,
} from "../../lib/transfer/receiving.ts";
import type {
  DownloadSource,
  SourceTrouble,
} from "../../lib/transfer/source.ts";
import { hashParts, PlainHasher } from "../../lib/transfer/hashing.ts";
import { NodeSession } from "../../lib/transfer/session.ts";
import type { Lie } from "../_evil_node.ts";
import { sayData, sayPieces, sayRefused } from "../_evil_node.ts";
import { within } from "../_event_log.ts";
import { FakeTime } from "../_fake_time.ts";
import {
  describeBytes,
  type DescribedBytes,
  hangsUp,
  honestBut,
  sendEndless,
  type SendPiece,
  sendsOnly,
  sendTooFew,
  sendTooMany,
  sendTruly,
  sendWrongBytes,
  sendWrongHash,
  stalls,
} from "../_lies.ts";
import { assertBytes } from "../client/_outcomes.ts";
import { memoryPair } from "../_memory_conn.ts";
import { randomBytes, seededRandom } from "../_random.ts";

const PIECE = 256 * 1024;
// Pieces that are asked for together.
const TASK = 4;
const MIB = 1024 * 1024;
const LARGE = describeBytes("large", randomBytes(8 * MIB + 3, seededRandom(1)));
const TWO_TASKS = describeBytes(
  "two",
  randomBytes(2 * TASK * PIECE, seededRandom(3)),
);
const SMALL = describeBytes("small", randomBytes(1_000, seededRandom(2)));

/** A node at the other end of conns in memory. */
class Source implements DownloadSource {
  readonly id: string;
  readonly #lie: Lie;
  readonly #limits: Limits;
  readonly #conns: Conn[] = [];
  readonly #talks: Promise<void>[] = [];
  /** What was read from it, in order. */
  readonly reads: MessageOf<"read">[] = [];
  /** Requests for several files, in order. */
  readonly batches: MessageOf<"readMany">[] = [];
  /** Sessions that were opened. */
  openCount = 0;
  /** The path that the next session goes by. */
  path: Path = "direct";
  /** Bytes that are on their way in each direction. */
  capacityBytes = PIECE;
  #onRead = () => {};

  constructor(id: string, lie: Lie, limits: Partial<Limits> = {}) {
    this.id = id;
    this.#lie = lie;
    this.#limits = limitsWith(limits);
  }

  async open(): Promise<NodeSession> {
    this.openCount++;
    const { capacityBytes } = this;
    const conns = memoryPair({ capacityBytes });
    this.#conns.push(...conns);
    const options = {
      limits: this.#limits,
      acceptsData: true,
      writeStallMs: 15_000,
      idleMs: this.#limits.pieceStallMs,
    };
    const [client, node] = conns.map((conn) => new Channel(conn, options));
    this.#talks.push(this.#talk(node!));
    const id = this.id.padEnd(52, "a");
    return (await NodeSession.open(client!, { id, path: this.path })).session;
  }

  /** Resolves when it has been asked so often. */
  async asked(count: number): Promise<void> {
    while (this.reads.length < count) {
      await new Promise<void>((resolve) => this.#onRead = resolve);
    }
  }

  /** Pieces that it was asked for, each as often as it was. */
  get pieces(): number[] {
    return this.reads.flatMap(({ first, count }) =>
      Array.from({ length: count }, (_, n) => first + n)
    );
  }

  async #talk(channel: Channel): Promise<void> {
    try {
      const id = this.id.padEnd(52, "a");
      await channel.send({ kind: "hello", protocol: 1, role: "node", id });
      await channel.receive(["hello"]);
      channel.openUp();
      for (;;) {
        const message = await channel.receive(DIRECTION.clientToNode);
        if (message === null) break;
        if (message.kind === "read") this.reads.push(message);
        if (message.kind === "readMany") this.batches.push(message);
        this.#onRead();
        await this.#lie(channel, message);
      }
    } catch {
      // It hangs up, or is hung up on.
    }
    channel.conn.close();
  }

  /** Waits until all its talks have ended; whether all conns are closed. */
  async end(): Promise<void> {
    await within(Promise.all(this.#talks), `${this.id} ending`);
    for (const conn of this.#conns) {
      await assertRejects(() => conn.write(Uint8Array.of(0)));
    }
  }
}

/** Keeps pieces in memory. */
class MemorySink implements Sink {
  readonly bytes: Uint8Array;
  isFinished = false;
  onWrite: () => Promise<void> = () => Promise.resolve();

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
  }

  async write(first: number, bytes: Uint8Array): Promise<void> {
    await this.onWrite();
    this.bytes.set(bytes, first * PIECE);
  }

  finish(): Promise<void> {
    this.isFinished = true;
    return Promise.resolve();
  }
}

/** As of two threads: it is never known at once. Needs no clock, nor ports. */
async function laterBySomeTurns<T>(value: T): Promise<T> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  return value;
}

/** Verifies the pieces that it writes, as a file in a lane does. */
class SavingSink extends MemorySink {
  /** Pieces that came to be saved, right or not. */
  savedCount = 0;

  save(first: number, bytes: Uint8Array, hashes: Uint8Array): PiecesSaving {
    const found = hashParts(bytes, PIECE);
    this.savedCount += found.length;
    const wrong = found.findIndex((hash, at) =>
      !hash.every((byte, n) => byte === hashes[32 * at + n])
    );
    const count = wrong < 0 ? found.length : wrong;
    const right = laterBySomeTurns(count);
    const written = right.then(() =>
      this.write(first, bytes.subarray(0, count * PIECE))
    );
    written.catch(() => {}); // as by whom it is told
    return { right, written };
  }
}

/** Where pieces are verified and written, in the test that runs. */
let isSavedElsewhere = false;

/** A test that must come to the same wherever pieces are verified and written. */
function testInBoth(name: string, run: () => Promise<void>): void {
  Deno.test(name, run);
  Deno.test(`${name}, and where a lane writes`, async () => {
    isSavedElsewhere = true;
    try {
      await run();
    } finally {
      isSavedElsewhere = false;
    }
  });
}

// Small windows, so that no source is asked for everything at once.
const SHARED: Partial<Limits> = { windowBytes: 2 * MIB };

/** A download, and all that it told. */
interface Run {
  readonly download: Download;
  readonly finished: number[];
  readonly failed: [number, FileFailure][];
  readonly trouble: SourceTrouble[];
  /** Bytes by source. */
  readonly bytes: Record<string, number>;
}

function start(options: Partial<DownloadOptions> = {}): Run {
  const finished: number[] = [];
  const failed: [number, FileFailure][] = [];
  const trouble: SourceTrouble[] = [];
  const bytes: Record<string, number> = {};
  const download = new Download({
    limits: limitsWith(SHARED),
    hasher: new PlainHasher(),
    sharesSlabs: isSavedElsewhere,
    connections: 1,
    lowestBytesPerSecond: 1,
    signal: new AbortController().signal,
    onBytes: ({ source, bytes: count }) =>
      bytes[source] = (bytes[source] ?? 0) + count,
    onFinished: (file) => finished.push(file),
    onFailed: (file, failure) => failed.push([file, failure]),
    onTrouble: (told) => trouble.push(told),
    ...options,
  });
  return { download, finished, failed, trouble, bytes };
}

/** A file to be received from `sources`, and where it goes. */
function wanted(
  { bytes, manifest, listed }: DescribedBytes,
  sources: readonly Source[],
  options: Partial<DownloadFile> = {},
): { file: DownloadFile; sink: MemorySink } {
  const sink = new (isSavedElsewhere ? SavingSink : MemorySink)(bytes.length);
  const { contentId: content } = manifest;
  const file = {
    name: listed.name,
    size: bytes.length,
    content,
    manifest,
    sources: new Map(sources.map(({ id }) => [id, content])),
    sink,
    ...options,
  };
  return { file, sink };
}

/** Runs to the end, and waits until everything is closed. */
async function finish(
  { download }: Run,
  sources: readonly Source[],
): Promise<void> {
  download.close();
  await within(download.run(), "the end of the download");
  for (const source of sources) await source.end();
}

function sourceWith(id: string, piece?: SendPiece, file = LARGE): Source {
  const files = { [file.listed.name]: file.bytes };
  return new Source(id, honestBut(files, piece === undefined ? {} : { piece }));
}

/** Receives one file from sources, and what came of it. */
async function receive(
  sources: readonly Source[],
  { of = LARGE, options = {}, file: changes = {} }: {
    of?: DescribedBytes;
    options?: Partial<DownloadOptions>;
    file?: Partial<DownloadFile>;
  } = {},
): Promise<Run & { sink: MemorySink }> {
  const run = start(options);
  const { file, sink } = wanted(of, sources, changes);
  run.download.addFile(file);
  for (const source of sources) run.download.addSource(source);
  await finish(run, sources);
  return { ...run, sink };
}

function total(bytes: Record<string, number>): number {
  return Object.values(bytes).reduce((sum, count) => sum + count, 0);
}

testInBoth(
  "Download receives a file from two sources, each a part of it",
  async () => {
    const sources = [sourceWith("a"), sourceWith("b")];
    const { sink, finished, bytes, trouble } = await receive(sources);
    assertBytes(sink.bytes, LARGE.bytes);
    assertEquals([sink.isFinished, finished], [true, [0]]);
    assertEquals(bytes["a"]! > MIB && bytes["b"]! > MIB, true);
    assertEquals(total(bytes), LARGE.bytes.length, "nothing is counted twice");
    assertEquals(trouble, []);
    const pieces = sources.flatMap((source) => source.pieces);
    assertEquals(
      pieces.length,
      LARGE.manifest.pieceCount,
      "nor asked for twice",
    );
  },
);

testInBoth(
  "Download asks for a file of one piece by what each source calls it, and needs no manifest",
  async () => {
    for (const manifest of [SMALL.manifest, undefined]) {
      for (const content of [SMALL.manifest.contentId, undefined]) {
        const source = sourceWith("a", undefined, SMALL);
        const { version } = SMALL.listed;
        const file = { manifest, content, sources: new Map([["a", version]]) };
        const { sink, finished } = await receive([source], { of: SMALL, file });
        assertEquals([sink.bytes, finished], [SMALL.bytes, [0]]);
        assertEquals(source.reads.map(({ of }) => of), [version]);
      }
    }
  },
);

testInBoth(
  "Download receives what is not hashed yet by the hashes that come with it, and tells them",
  async () => {
    const source = sourceWith("a");
    const file = { manifest: undefined, content: undefined };
    const { sink, download } = await receive([source], { file });
    assertBytes(sink.bytes, LARGE.bytes);
    assertEquals(download.hashesOf(0).toHex(), LARGE.manifest.hashes.toHex());
  },
);

testInBoth("Download asks only for the pieces that are missing", async () => {
  const missing = [3, 4, 17, 32];
  const have = Array.from({ length: 33 }, (_, piece) => piece)
    .filter((piece) => !missing.includes(piece));
  const source = sourceWith("a");
  const { sink, bytes } = await receive([source], { file: { have } });
  assertEquals(source.pieces, missing);
  assertEquals(bytes["a"], 3 * PIECE + 3);
  for (const piece of missing) {
    const [from, to] = [piece * PIECE, (piece + 1) * PIECE];
    assertEquals(sink.bytes.subarray(from, to), LARGE.bytes.subarray(from, to));
  }
});

testInBoth(
  "Download finishes what is there already, and what is empty, without asking anybody",
  async () => {
    const run = start();
    const empty = describeBytes("empty", new Uint8Array());
    const none = wanted(empty, []);
    const all = wanted(LARGE, [], {
      have: Array.from({ length: 33 }, (_, piece) => piece),
    });
    run.download.addFile(none.file);
    run.download.addFile(all.file);
    await finish(run, []);
    assertEquals(run.finished.toSorted(), [0, 1]);
    assertEquals([none.sink.isFinished, all.sink.isFinished], [true, true]);
  },
);

testInBoth(
  "Download goes on with the other source when one hangs up for good",
  async () => {
    const dies = sourceWith("dies", sendsOnly(TASK + 1, hangsUp));
    const lives = sourceWith("lives");
    const { sink, trouble, bytes } = await receive([dies, lives], {
      options: { limits: limitsWith({ ...SHARED, sourceFailureCount: 1 }) },
    });
    assertBytes(sink.bytes, LARGE.bytes);
    assertEquals(total(bytes), LARGE.bytes.length);
    assertEquals(
      trouble.map(({ source, kind, out }) => [source, kind, out]),
      [["dies", "broke_off", true]],
    );
    assertEquals(dies.openCount, 1);
  },
);

testInBoth(
  "Download tries a source that hangs up again, and puts it out the third time",
  async () => {
    const dies = sourceWith("dies", hangsUp);
    const { failed, trouble } = await receive([dies], {
      options: { limits: limitsWith({ pieceFailureCount: 100 }) },
    });
    assertEquals(failed, [[0, "undelivered"]]);
    assertEquals(trouble.map(({ out }) => out), [false, false, true]);
    assertEquals(dies.openCount, 3);
  },
);

testInBoth("Download goes on where a source broke off once", async () => {
  let count = 0;
  const source = sourceWith(
    "a",
    (channel, piece) =>
      ++count === 6 ? hangsUp(channel, piece) : sendTruly(channel, piece),
  );
  const { sink, trouble } = await receive([source]);
  assertBytes(sink.bytes, LARGE.bytes);
  assertEquals(trouble.map(({ kind, out }) => [kind, out]), [
    ["broke_off", false],
  ]);
  assertEquals(source.openCount, 2);
});

for (
  const [what, piece] of [
    ["other bytes", sendWrongBytes],
    ["a byte too few", sendTooFew],
    ["a byte too many", sendTooMany],
    ["bytes without end", sendEndless],
  ] as const
) {
  testInBoth(
    `Download puts out and names a source that sends ${what}, and the file is right`,
    async () => {
      // It begins well, so that it is trusted by then.
      const liar = sourceWith("liar", sendsOnly(TASK + 1, piece));
      const honest = sourceWith("honest");
      const { sink, trouble, failed } = await receive([liar, honest]);
      assertBytes(sink.bytes, LARGE.bytes);
      assertEquals(failed, []);
      assertEquals(
        trouble.map(({ source, kind, out }) => [source, kind, out]),
        [["liar", "lied", true]],
      );
      assertEquals(liar.openCount, 1);
    },
  );
}

testInBoth(
  "Download gives a file up as corrupt when all that have it lie, and goes on with others",
  async () => {
    const piece: SendPiece = (channel, told) =>
      told.message.of === SMALL.manifest.contentId
        ? sendTruly(channel, told)
        : sendWrongBytes(channel, told);
    const files = { large: LARGE.bytes };
    const liars = ["a", "b"].map((id) =>
      new Source(id, honestBut(files, { piece }))
    );
    const honest = sourceWith("c", undefined, SMALL);
    const run = start();
    const large = wanted(LARGE, liars);
    const small = wanted(SMALL, [honest]);
    run.download.addFile(large.file);
    run.download.addFile(small.file);
    for (const source of [...liars, honest]) run.download.addSource(source);
    await finish(run, [...liars, honest]);
    assertEquals(run.failed, [[0, "corrupt"]]);
    assertEquals(run.finished, [1]);
    assertEquals(large.sink.bytes.every((byte) => byte === 0), true);
    assertEquals(large.sink.isFinished, false);
    assertEquals(small.sink.bytes, SMALL.bytes);
    assertEquals(
      run.trouble.map(({ source, kind }) => `${source} ${kind}`).toSorted(),
      ["a lied", "b lied"],
    );
  },
);

testInBoth(
  "Download takes from a source only the file that it no longer has",
  async () => {
    const lie = honestBut({ large: LARGE.bytes, small: SMALL.bytes });
    const partly: Lie = (channel, message) =>
      message.kind === "read" && message.of === LARGE.manifest.contentId
        ? sayRefused(channel, message, { code: "changed", text: "it\x1b[2J" })
        : lie(channel, message);
    const source = new Source("a", partly);
    const other = sourceWith("b");
    const run = start();
    const large = wanted(LARGE, [source, other]);
    const small = wanted(SMALL, [source]);
    run.download.addFile(large.file);
    run.download.addFile(small.file);
    run.download.addSource(source);
    run.download.addSource(other);
    await finish(run, [source, other]);
    assertEquals(run.finished.toSorted(), [0, 1]);
    assertBytes(large.sink.bytes, LARGE.bytes);
    assertEquals(small.sink.bytes, SMALL.bytes);
    assertEquals(source.openCount, 1);
    for (const told of run.trouble) {
      assertEquals(told, {
        source: "a",
        kind: "lost_file",
        cause: "it\\x1b[2J",
        code: "changed",
        out: false,
        file: 0,
      });
    }
  },
);

testInBoth(
  "Download takes the last pieces from a source that stalls",
  async () => {
    const slow = sourceWith("slow", sendsOnly(TASK + 1, stalls));
    const quick = sourceWith("quick");
    const { sink, bytes, trouble } = await receive([slow, quick], {
      options: { limits: limitsWith({ ...SHARED, takeOverMs: 50 }) },
    });
    assertBytes(sink.bytes, LARGE.bytes);
    assertEquals(total(bytes), LARGE.bytes.length);
    // It was not put out: it was only not waited for.
    assertEquals(trouble, []);
    const twice = slow.pieces.filter((piece) => quick.pieces.includes(piece));
    assertEquals(twice.length > 0, true);
  },
);

testInBoth(
  "Download takes pieces from a source that stalls, also for one that has delivered little so far",
  async () => {
    // The first is asked for 8 MiB at once, the other for the last 3 bytes.
    const slow = sourceWith("slow", stalls);
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
    const lie = honestBut({ large: LARGE.bytes });
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
  const lie = honestBut(Object.fromEntries(held));
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
    await sendTruly(channel, piece);
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
  assertEquals(ms > 400 && ms < 5_000, true, `${ms} ms`);
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
    await sendTruly(channel, piece);
  });
  // The first delivers nothing more until the other has joined.
  const waiting = sourceWith(
    "first",
    sendsOnly(TASK, async (channel, piece) => {
      await gate.promise;
      await sendTruly(channel, piece);
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
  "Download uses as many connections to a source as it is told",
  async () => {
    const source = sourceWith("a");
    const { sink } = await receive([source], { options: { connections: 3 } });
    assertBytes(sink.bytes, LARGE.bytes);
    assertEquals(source.openCount, 3);
  },
);

testInBoth(
  "Download tells bytes by the path of the session that they came over",
  async () => {
    const arrived: Arrived[] = [];
    const source: Source = sourceWith(
      "a",
      sendsOnly(TASK, async (channel, piece) => {
        if (source.path === "tunnel") return await sendTruly(channel, piece);
        source.path = "tunnel";
        await hangsUp(channel, piece);
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
    const liar = sourceWith("liar", sendsOnly(2 * TASK, sendWrongBytes));
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
    const source = sourceWith("a", stalls);
    const run = start({ signal: stop.signal });
    run.download.addFile(wanted(LARGE, [source]).file);
    run.download.addSource(source);
    run.download.close();
    const running = assertRejects(() => run.download.run(), Error, "told to");
    await within(source.asked(1), "a request");
    stop.abort(new Error("told to"));
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

/** Sends so many bytes of a piece each second. */
function trickles(bytesPerSecond: number): SendPiece {
  return async (channel, { message, bytes, hash }) => {
    for (let at = 0; at < bytes.length; at += bytesPerSecond) {
      const part = bytes.subarray(at, at + bytesPerSecond);
      await sayData(channel, message, part);
      await new Promise<void>((resolve) => setTimeout(resolve, 1_000));
    }
    await sayPieces(channel, message, hash);
  };
}

for (const [more, isOut] of [[-64, true], [64, false]] as const) {
  testInBoth(
    `Download ${isOut ? "leaves" : "keeps"} a source that is ${
      isOut ? "slower" : "no slower"
    } than it may be while there is another`,
    async () => {
      using time = new FakeTime();
      const lowestBytesPerSecond = LIMITS.lowestBytesPerSecond;
      const stop = new AbortController();
      const run = start({ lowestBytesPerSecond, signal: stop.signal });
      const slow = sourceWith("slow", trickles(lowestBytesPerSecond + more));
      const other = sourceWith("other", trickles(2 * lowestBytesPerSecond));
      const { file } = wanted(LARGE, [slow, other]);
      run.download.addFile(file);
      for (const source of [slow, other]) run.download.addSource(source);
      const running = run.download.run().catch(() => {});
      for (let second = 0; second < 40; second++) await time.advance(1_000);
      const told = run.trouble.map(({ source, kind, out }) =>
        [source, kind, out].join(" ")
      );
      assertEquals(told, isOut ? ["slow slow true"] : []);
      stop.abort(new Error("seen enough"));
      await time.advance(60_000);
      await running;
    },
  );
}

/** How a source may end: each is chosen by chance. */
const ENDS: readonly SendPiece[] = [
  hangsUp,
  sendWrongBytes,
  sendWrongHash,
  sendTooFew,
  sendTooMany,
  sendEndless,
  (channel, { message }) =>
    sayRefused(channel, message, { code: "changed", text: "it" }),
];

testInBoth(
  "Download gives every slab back, however its sources end",
  async () => {
    const random = seededRandom(1115);
    const below = (most: number) => Math.floor(random() * most);
    for (let round = 0; round < 12; round++) {
      const ending = Array.from({ length: 1 + below(3) }, (_, n) => {
        const end = ENDS[below(ENDS.length)]!;
        return sourceWith(`ends${n}`, sendsOnly(below(9), end));
      });
      const sources = [...ending, sourceWith("honest")];
      const { sink, download } = await receive(sources, {
        options: {
          connections: 1 + below(3),
          limits: limitsWith({
            ...SHARED,
            slabBytes: (1 + below(2)) * MIB,
            pieceFailureCount: 100,
            sourceFailureCount: 1,
          }),
        },
      });
      assertBytes(sink.bytes, LARGE.bytes);
      assertEquals(download.lentBytes, 0, `round ${round}`);
    }
  },
);

testInBoth(
  "Download goes on where a source is put out while others of its connections wait for a slab",
  async () => {
    // One slab: whatever the liar's other connections were lent would be all.
    const limits = limitsWith({ slabBytes: MIB, pieceFailureCount: 100 });
    for (let round = 0; round < 8; round++) {
      const liar = sourceWith("liar", sendsOnly(round, sendWrongBytes));
      const honest = sourceWith("honest");
      const { sink, download } = await receive([liar, honest], {
        options: { limits, connections: 4 },
      });
      assertBytes(sink.bytes, LARGE.bytes);
      assertEquals(download.lentBytes, 0);
    }
  },
);

/** Runs two sources for 100 s of fake time; what was told of them. */
async function twoFor100s(
  options: Partial<DownloadOptions>,
  { piece, onWrite }: { piece?: SendPiece; onWrite?: () => Promise<void> } = {},
): Promise<{ trouble: SourceTrouble[]; pieces: number[] }> {
  using time = new FakeTime();
  const stop = new AbortController();
  const run = start({
    lowestBytesPerSecond: LIMITS.lowestBytesPerSecond,
    signal: stop.signal,
    ...options,
  });
  const sources = ["a", "b"].map((id) => sourceWith(id, piece));
  // As a system has it that takes what is sent before it is read.
  for (const source of sources) source.capacityBytes = MIB;
  const { file, sink } = wanted(LARGE, sources);
  if (onWrite !== undefined) sink.onWrite = onWrite;
  run.download.addFile(file);
  for (const source of sources) run.download.addSource(source);
  const running = run.download.run().catch(() => {});
  for (let second = 0; second < 100; second++) await time.advance(1_000);
  const { trouble } = run;
  const told = [...trouble];
  const pieces = sources.flatMap((source) => source.pieces);
  stop.abort(new Error("seen enough"));
  await time.advance(120_000);
  await running;
  return { trouble: told, pieces };
}

testInBoth(
  "Download blames no source for the rate that it holds itself to",
  async () => {
    const { trouble, pieces } = await twoFor100s({
      rate: new RateLimit(6_000),
    });
    assertEquals(trouble, []);
    // 600,000 bytes have come: two whole pieces, and two that are under way.
    assertEquals(pieces.toSorted((a, b) => a - b), [0, 1, 2, 3]);
  },
);

testInBoth(
  "Download asks for nothing twice, however long its own rate makes the end",
  async () => {
    using time = new FakeTime();
    const sources = ["a", "b"].map((id) => sourceWith(id));
    const run = start({ rate: new RateLimit(80_000) });
    const { file, sink } = wanted(LARGE, sources);
    run.download.addFile(file);
    for (const source of sources) run.download.addSource(source);
    run.download.close();
    const running = run.download.run();
    for (let second = 0; second < 110; second++) await time.advance(1_000);
    assertEquals(run.finished, [0]);
    await running;
    assertBytes(sink.bytes, LARGE.bytes);
    const pieces = sources.flatMap((source) => source.pieces);
    assertEquals(pieces.length, LARGE.manifest.pieceCount);
  },
);

testInBoth(
  "Download blames no source for a disk that takes its time",
  async () => {
    const onWrite = () =>
      new Promise<void>((resolve) => setTimeout(resolve, 90_000));
    const limits = limitsWith({ ...SHARED, slabBytes: 2 * MIB });
    const { trouble } = await twoFor100s({ limits }, { onWrite });
    assertEquals(trouble, []);
  },
);

testInBoth(
  "Download blames no source where all are slow: the line is its own",
  async () => {
    const { trouble } = await twoFor100s({}, { piece: trickles(3_000) });
    assertEquals(trouble, []);
  },
);

Deno.test("Download has verified by its sink all that comes, and writes nothing wrong", async () => {
  isSavedElsewhere = true;
  try {
    const liar = sourceWith("a", sendWrongBytes);
    const { sink, trouble } = await receive([liar, sourceWith("b")]);
    assertBytes(sink.bytes, LARGE.bytes);
    assertEquals(trouble.map(({ kind }) => kind), ["lied"]);
    const { savedCount } = sink as SavingSink;
    // The last piece alone is small enough to be hashed on the spot.
    const { pieceCount } = LARGE.manifest;
    assertEquals(savedCount >= pieceCount - 1, true, `${savedCount} pieces`);
  } finally {
    isSavedElsewhere = false;
  }
});

Deno.test("Download lets its sink verify nothing of a file without a manifest", async () => {
  isSavedElsewhere = true;
  try {
    const { sink, finished } = await receive([sourceWith("a")], {
      file: { manifest: undefined, content: undefined },
    });
    assertEquals(finished, [0]);
    assertBytes(sink.bytes, LARGE.bytes);
    assertEquals((sink as SavingSink).savedCount, 0);
  } finally {
    isSavedElsewhere = false;
  }
});
