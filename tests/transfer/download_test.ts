import { assertEquals } from "@std/assert";
import { limitsWith } from "../../lib/base/limits.ts";
import type { Lie } from "../_evil_node.ts";
import { sendRefusal } from "../_evil_node.ts";
import {
  closeEarly,
  describeBytes,
  honestExcept,
  sendEndless,
  sendHonestly,
  sendOnly,
  type SendPiece,
  sendTooFew,
  sendTooMany,
  sendWrongBytes,
  stall,
} from "../_lies.ts";
import { assertBytes } from "../client/_outcomes.ts";
import {
  finish,
  LARGE,
  MIB,
  PIECE,
  receive,
  type SavingSink,
  SHARED,
  SMALL,
  Source,
  sourceWith,
  start,
  TASK,
  testInBoth,
  testInLane,
  wanted,
} from "./_download.ts";

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
  "Download receives what is not hashed yet by the hashes that come with it, and passes them on",
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
  "Download continues with the other source when one closes its connection for good",
  async () => {
    const dies = sourceWith("dies", sendOnly(TASK + 1, closeEarly));
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
  "Download tries a source again that closes its connection, and excludes it the third time",
  async () => {
    const dies = sourceWith("dies", closeEarly);
    const { failed, trouble } = await receive([dies], {
      options: { limits: limitsWith({ pieceFailureCount: 100 }) },
    });
    assertEquals(failed, [[0, "undelivered"]]);
    assertEquals(trouble.map(({ out }) => out), [false, false, true]);
    assertEquals(dies.openCount, 3);
  },
);

testInBoth("Download continues after a source broke off once", async () => {
  let count = 0;
  const source = sourceWith(
    "a",
    (channel, piece) =>
      ++count === 6 ? closeEarly(channel, piece) : sendHonestly(channel, piece),
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
    `Download excludes and names a source that sends ${what}, and the file is right`,
    async () => {
      // It begins well, so that it is trusted by then.
      const liar = sourceWith("liar", sendOnly(TASK + 1, piece));
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
    const piece: SendPiece = (channel, piece) =>
      piece.message.of === SMALL.manifest.contentId
        ? sendHonestly(channel, piece)
        : sendWrongBytes(channel, piece);
    const files = { large: LARGE.bytes };
    const liars = ["a", "b"].map((id) =>
      new Source(id, honestExcept(files, { piece }))
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
    const lie = honestExcept({ large: LARGE.bytes, small: SMALL.bytes });
    const partly: Lie = (channel, message) =>
      message.kind === "read" && message.of === LARGE.manifest.contentId
        ? sendRefusal(channel, message, { code: "changed", text: "it\x1b[2J" })
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
    for (const reported of run.trouble) {
      assertEquals(reported, {
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
    const slow = sourceWith("slow", sendOnly(TASK + 1, stall));
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

testInLane(
  "Download has its sink verify everything that arrives, and writes nothing wrong",
  async () => {
    const liar = sourceWith("a", sendWrongBytes);
    const { sink, trouble } = await receive([liar, sourceWith("b")]);
    assertBytes(sink.bytes, LARGE.bytes);
    assertEquals(trouble.map(({ kind }) => kind), ["lied"]);
    const { savedCount } = sink as SavingSink;
    // The last piece alone is small enough to be hashed on the spot.
    const { pieceCount } = LARGE.manifest;
    assertEquals(savedCount >= pieceCount - 1, true, `${savedCount} pieces`);
  },
);

testInLane(
  "Download lets its sink verify nothing of a file without a manifest",
  async () => {
    const { sink, finished } = await receive([sourceWith("a")], {
      file: { manifest: undefined, content: undefined },
    });
    assertEquals(finished, [0]);
    assertBytes(sink.bytes, LARGE.bytes);
    assertEquals((sink as SavingSink).savedCount, 0);
  },
);
