import { assert, assertEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import type { PieceRun } from "../../lib/content/piece_set.ts";
import { Readers } from "../../lib/node/readers.ts";

const { swarmReaderCount, swarmReaderQueueCount } = LIMITS;

type PieceReaders = Readers<PieceRun>;

function at(first: number, count = 1): PieceRun {
  return { first, count };
}

/** All that is served before something has been sent: reader and piece. */
function turns(readers: PieceReaders): string[] {
  const all: string[] = [];
  for (let turn; (turn = readers.next());) {
    all.push(`${turn.reader}${turn.request.first}`);
  }
  return all;
}

/** Readers that ask for pieces, as `a1`. */
function asking(...requests: string[]): PieceReaders {
  const readers: PieceReaders = new Readers(LIMITS);
  for (const [reader, ...piece] of requests) {
    readers.request(reader!, at(Number(piece.join(""))));
  }
  return readers;
}

Deno.test("Readers serves swarmReaderCount readers at a time, one piece each, in turn", () => {
  const names = "abcdef".split("");
  const readers = asking(
    ...names.flatMap((name, at) => [`${name}${at}`, `${name}${10 + at}`]),
  );
  const first = names.slice(0, swarmReaderCount).map((one, at) => one + at);
  assertEquals(turns(readers), first);
  assertEquals(readers.servedCount, swarmReaderCount);
  readers.sent("b");
  assertEquals(turns(readers), ["e4"], "the next, and not its second piece");
  readers.sent("a");
  readers.sent("c");
  assertEquals(turns(readers), ["f5", "a10"]);
});

Deno.test("Readers first serves pieces that were not sent yet, and then the reader that asked last", () => {
  const readers = asking("a1", "b1", "c1", "d1", "e2", "f1", "g3");
  assertEquals(turns(readers), ["a1", "e2", "g3", "f1"]);
  for (const reader of "aegf") readers.sent(reader);
  readers.request("a", at(2));
  readers.request("g", at(4));
  assertEquals(
    turns(readers),
    ["g4", "a2", "d1", "c1"],
    "the last to ask is first of those",
  );
  for (const reader of "gadc") readers.sent(reader);
  assertEquals(turns(readers), ["b1"]);
});

Deno.test("Readers serves a single reader piece by piece", () => {
  const readers = asking("a7", "a8");
  assertEquals(turns(readers), ["a7"]);
  readers.sent("a");
  assertEquals(turns(readers), ["a8"]);
  readers.sent("a");
  assertEquals(turns(readers), []);
});

Deno.test("Readers accepts at most swarmReaderQueueCount requests of one reader", () => {
  const readers = asking();
  for (let piece = 0; piece < swarmReaderQueueCount; piece++) {
    assertEquals(readers.request("a", at(piece)), true);
  }
  assertEquals(readers.request("a", at(99)), false);
  assertEquals(readers.request("b", at(99)), true);
});

Deno.test("Readers forgets the requests of a reader that disconnected, and frees its place", () => {
  const readers = asking("a1", "a2", "b1", "b2");
  turns(readers);
  readers.left("a");
  assertEquals(readers.servedCount, 1);
  readers.sent("b");
  assertEquals(turns(readers), ["b2"]);
});

Deno.test("Readers serves the reader that has waited longest, after at most swarmPassCount that asked later", () => {
  const readers: PieceReaders = new Readers({ ...LIMITS, swarmReaderCount: 1 });
  readers.request("first", at(1));
  readers.next();
  readers.request("patient", at(1));
  readers.sent("first");
  for (let n = 0; n < 2 * LIMITS.swarmPassCount; n++) {
    readers.request(`later${n}`, at(1));
    const { reader } = readers.next()!;
    readers.sent(reader);
    if (reader !== "patient") continue;
    assertEquals(n, LIMITS.swarmPassCount);
    return;
  }
  assert(false, "it had no turn");
});

Deno.test("Readers sends a piece again if its readers did not pass it on", () => {
  const readers: PieceReaders = new Readers({ ...LIMITS, swarmReaderCount: 1 });
  readers.request("waits", at(9)); // so that counts are kept
  for (
    const [reader, piece] of [["a", 9], ["a", 1], ["a", 2], ["a", 2]] as const
  ) {
    readers.request(reader, at(piece));
    const turn = readers.next()!;
    readers.sent(turn.reader);
  }
  readers.request("b", at(1));
  readers.request("c", at(2));
  assertEquals(turns(readers), ["c2"]);
});

Deno.test("Readers serves runs by the part of them that was not sent yet", () => {
  const readers: PieceReaders = new Readers({ ...LIMITS, swarmReaderCount: 1 });
  readers.request("a", at(0, 4));
  assertEquals(turns(readers), ["a0"]);
  readers.request("b", at(3, 4));
  readers.request("c", at(1, 4));
  readers.request("d", at(0, 4));
  readers.request("e", at(8, 4));
  for (const last of "aebd") {
    readers.sent(last);
    const next = turns(readers).join();
    assertEquals(next, { a: "e8", e: "b3", b: "d0", d: "c1" }[last]);
  }
});
