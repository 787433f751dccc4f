/**
 * Slow sources, rates and buffers of Download.
 */

import { assertEquals } from "@std/assert";
import { LIMITS, limitsWith } from "../../lib/base/limits.ts";
import { RateLimit } from "../../lib/base/rate.ts";
import type { DownloadOptions } from "../../lib/transfer/download_options.ts";
import type { SourceTrouble } from "../../lib/transfer/source.ts";
import { sendData, sendPieces, sendRefusal } from "../_evil_node.ts";
import { FakeTime } from "../_fake_time.ts";
import {
  closeEarly,
  sendEndless,
  sendOnly,
  type SendPiece,
  sendTooFew,
  sendTooMany,
  sendWrongBytes,
  sendWrongHash,
} from "../_lies.ts";
import { assertBytes } from "../client/_outcomes.ts";
import { seededRandom } from "../_random.ts";
import {
  LARGE,
  MIB,
  receive,
  SHARED,
  sourceWith,
  start,
  testInBoth,
  wanted,
} from "./_download.ts";

/** Sends so many bytes of a piece each second. */
function trickles(bytesPerSecond: number): SendPiece {
  return async (channel, { message, bytes, hash }) => {
    for (let at = 0; at < bytes.length; at += bytesPerSecond) {
      const part = bytes.subarray(at, at + bytesPerSecond);
      await sendData(channel, message, part);
      await new Promise<void>((resolve) => setTimeout(resolve, 1_000));
    }
    await sendPieces(channel, message, hash);
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
      const reported = run.trouble.map(({ source, kind, out }) =>
        [source, kind, out].join(" ")
      );
      assertEquals(reported, isOut ? ["slow slow true"] : []);
      stop.abort(new Error("seen enough"));
      await time.advance(60_000);
      await running;
    },
  );
}

/** How a source may end: each is chosen by chance. */
const ENDS: readonly SendPiece[] = [
  closeEarly,
  sendWrongBytes,
  sendWrongHash,
  sendTooFew,
  sendTooMany,
  sendEndless,
  (channel, { message }) =>
    sendRefusal(channel, message, { code: "changed", text: "it" }),
];

testInBoth(
  "Download gives every slab back, however its sources end",
  async () => {
    const random = seededRandom(1115);
    const below = (most: number) => Math.floor(random() * most);
    for (let round = 0; round < 12; round++) {
      const ending = Array.from({ length: 1 + below(3) }, (_, n) => {
        const end = ENDS[below(ENDS.length)]!;
        return sourceWith(`ends${n}`, sendOnly(below(9), end));
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
  "Download continues if a source is excluded while others of its connections wait for a slab",
  async () => {
    // One slab: whatever the liar's other connections were lent would be all.
    const limits = limitsWith({ slabBytes: MIB, pieceFailureCount: 100 });
    for (let round = 0; round < 8; round++) {
      const liar = sourceWith("liar", sendOnly(round, sendWrongBytes));
      const honest = sourceWith("honest");
      const { sink, download } = await receive([liar, honest], {
        options: { limits, connections: 4 },
      });
      assertBytes(sink.bytes, LARGE.bytes);
      assertEquals(download.lentBytes, 0);
    }
  },
);

/** Runs two sources for 100 s of fake time; what was reported of them. */
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
  const reported = [...trouble];
  const pieces = sources.flatMap((source) => source.pieces);
  stop.abort(new Error("seen enough"));
  await time.advance(120_000);
  await running;
  return { trouble: reported, pieces };
}

testInBoth(
  "Download blames no source for the rate that it holds itself to",
  async () => {
    const { trouble, pieces } = await twoFor100s({
      rate: new RateLimit(6_000),
    });
    assertEquals(trouble, []);
    // 600,000 bytes have arrived: two whole pieces, and two that are under way.
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
  "Download blames no source for a slow disk",
  async () => {
    const onWrite = () =>
      new Promise<void>((resolve) => setTimeout(resolve, 90_000));
    const limits = limitsWith({ ...SHARED, slabBytes: 2 * MIB });
    const { trouble } = await twoFor100s({ limits }, { onWrite });
    assertEquals(trouble, []);
  },
);

testInBoth(
  "Download blames no source if all are slow: then its own line is slow",
  async () => {
    const { trouble } = await twoFor100s({}, { piece: trickles(3_000) });
    assertEquals(trouble, []);
  },
);
