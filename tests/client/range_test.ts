/**
 * Fetching a part of a file.
 */

import { assertEquals } from "@std/assert";
import type { ByteRange } from "../../lib/content/section.ts";
import { honestExcept, sendWrongBytes } from "../_lies.ts";
import { startNode, startRelay } from "../_network.ts";
import { assertBytes, fetch } from "./_outcomes.ts";
import { LARGE, MIDDLE, PIECE, startLyingNode } from "./_setting.ts";
import { startEvilNode } from "../_evil_node.ts";
import { MALLORY } from "./_setting.ts";

const SIZE = MIDDLE.length;

for (
  const [what, range, start, end, pieces] of [
    [
      "a few bytes of one piece",
      { first: 300_000, last: 300_009 },
      300_000,
      300_010,
      [1],
    ],
    [
      "bytes on both sides of a seam",
      { first: PIECE - 3, last: PIECE + 2 },
      PIECE - 3,
      PIECE + 3,
      [0, 1],
    ],
    ["all from a byte on", { first: 5 * PIECE + 1 }, 5 * PIECE + 1, SIZE, [
      5,
      6,
    ]],
    ["the last bytes", { tail: 10 }, SIZE - 10, SIZE, [5, 6]],
    ["more than there is", { first: 6 * PIECE, last: 9e12 }, 6 * PIECE, SIZE, [
      6,
    ]],
    ["nothing at the end", { tail: 0 }, SIZE, SIZE, []],
  ] as readonly [string, ByteRange, number, number, number[]][]
) {
  Deno.test(`fetchFile fetches ${what}, and no other piece`, async () => {
    await using relay = await startRelay();
    await using node = await startEvilNode(relay, {
      identity: MALLORY,
      name: "mallory",
      lie: honestExcept({ "f": MIDDLE }),
    });
    const { content, log, message } = await fetch(relay, "f", { range });
    assertEquals(message, "");
    assertBytes(content, MIDDLE.subarray(start, end));
    const asked = node.asked.flatMap((message) =>
      message.kind === "read"
        ? Array.from({ length: message.count }, (_, n) => message.first + n)
        : []
    );
    assertEquals(asked.toSorted((a, b) => a - b), pieces);
    const [received] = log.of("file_received");
    assertEquals([received?.start, received?.bytes], [start, end - start]);
  });
}

Deno.test("fetchFile yields a part that comes from two nodes, and nothing else", async () => {
  await using relay = await startRelay();
  await using alpha = await startNode(relay, { "f": LARGE }, { name: "alpha" });
  await using beta = await startNode(relay, { "f": LARGE }, { name: "beta" });
  await Promise.all([alpha, beta].map(({ log }) => log.until("hashed")));
  const range = { first: 1_000_001, last: 7_000_000 };
  const { content } = await fetch(relay, "f", { range });
  assertBytes(content, LARGE.subarray(1_000_001, 7_000_001));
});

Deno.test("fetchFile verifies a part with the hashes of the whole file", async () => {
  await using relay = await startRelay();
  await using _liar = await startLyingNode(relay, { "f": MIDDLE }, {
    piece: sendWrongBytes,
  });
  const { kind, content } = await fetch(relay, "f", { range: { tail: 10 } });
  assertEquals([kind, content], ["corrupt", null]);
});

Deno.test("fetchFile fetches a part of a file of zeros, and of a small one", async () => {
  await using relay = await startRelay();
  const zeros = new Uint8Array(3 * PIECE);
  await using node = await startNode(relay, { "zeros": zeros, "s": "small" });
  await node.log.until("hashed");
  const part = await fetch(relay, "zeros", {
    range: { first: PIECE + 5, last: 2 * PIECE + 5 },
  });
  assertBytes(part.content, new Uint8Array(PIECE + 1));
  const small = await fetch(relay, "s", { range: { first: 1, last: 2 } });
  assertBytes(small.content, new TextEncoder().encode("ma"));
});

Deno.test("fetchFile refuses a range beyond the end, and one together with a SHA-256", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "s": "small" });
  const behind = await fetch(relay, "s", { range: { first: 5 } });
  assertEquals(behind.kind, "usage");
  assertEquals(behind.message.includes("the file has 5 bytes"), true);
  const pinned = await fetch(relay, "s", {
    range: { first: 0 },
    sha256: "0".repeat(64),
  });
  assertEquals(pinned.kind, "usage");
});
