import { assertEquals } from "@std/assert";
import { sha256 } from "../../lib/base/hash.ts";
import type { ContentGroup, Offer } from "../../lib/content/choice.ts";
import {
  HashVotes,
  isPlausible,
  isProven,
  majorityOf,
  uncut,
  wholeHashOf,
} from "../../lib/content/whole_hash.ts";

const SMALL = sha256(new TextEncoder().encode("small")).toHex();
const EMPTY = sha256(new Uint8Array()).toHex();
const OTHER = "ab".repeat(32);
const CONTENT = "cd".repeat(32);
const LARGE = 1_000_000;

Deno.test("isProven is true of the SHA-256 of a file of one piece that its content id has", () => {
  const { contentId: content } = uncut(5, SMALL);
  assertEquals(isProven({ size: 5, content, sha256: SMALL }), true);
  assertEquals(isProven({ size: 5, sha256: SMALL }), false);
  assertEquals(isPlausible({ size: 5, sha256: SMALL }), true);
  for (const isIt of [isProven, isPlausible]) {
    assertEquals(isIt({ size: 5, content, sha256: OTHER }), false);
    assertEquals(isIt({ size: 4, content, sha256: SMALL }), false);
    assertEquals(isIt({ size: 0, sha256: OTHER }), false);
  }
  const empty = uncut(0, EMPTY).contentId;
  assertEquals(isProven({ size: 0, content: empty, sha256: EMPTY }), true);
  const large = { size: LARGE, content: CONTENT, sha256: OTHER };
  assertEquals([isPlausible(large), isProven(large)], [true, false]);
});

Deno.test("HashVotes counts each address once, and decides no tie", () => {
  const votes = new HashVotes();
  assertEquals(votes.winner, undefined);
  votes.add(OTHER, { votesAs: "a" });
  votes.add(OTHER, { votesAs: "a" });
  assertEquals([votes.winner, votes.wonBy(1), votes.wonBy(2)], [
    ...[OTHER, OTHER, undefined],
  ]);
  votes.add(SMALL, { votesAs: "b" });
  assertEquals([votes.winner, votes.wonBy(1)], ["differs", undefined]);
  votes.add(SMALL, { votesAs: "c" });
  assertEquals([votes.winner, votes.wonBy(2)], [SMALL, SMALL]);
});

/** Offers of one content at different addresses, by the SHA-256 that they give. */
function group(
  size: number,
  content: string,
  ...sums: (string | undefined)[]
): ContentGroup {
  const offers = sums.map((sha256, n): Offer => ({
    ...{ node: `n${n}`, votesAs: `a${n}`, size, content, sha256 },
    ...{ modifiedMs: 0, version: "0a".repeat(16) },
  }));
  return { content, size, modifiedMs: 0, votes: sums.length, offers };
}

for (
  const [sums, found] of [
    [[SMALL], SMALL],
    [[SMALL, OTHER], undefined],
    [[SMALL, undefined], undefined],
    [[SMALL, undefined, SMALL], SMALL],
    [[OTHER, SMALL, SMALL], SMALL],
    [[undefined], undefined],
  ] as const
) {
  const claims = sums.map((sum) => sum?.slice(0, 2) ?? "none").join(", ");
  Deno.test(
    `wholeHashOf a large content of which addresses claim ${claims} is ${
      found?.slice(0, 2) ?? "unknown"
    }`,
    () => {
      assertEquals(wholeHashOf(group(LARGE, CONTENT, ...sums)), found);
    },
  );
}

Deno.test("wholeHashOf a small content is the one that its id proves, whatever others claim", () => {
  const { contentId } = uncut(5, SMALL);
  assertEquals(wholeHashOf(group(5, contentId, OTHER, SMALL, OTHER)), SMALL);
  assertEquals(wholeHashOf(group(5, contentId, OTHER, OTHER)), undefined);
});

Deno.test("majorityOf is more than half", () => {
  assertEquals([1, 2, 3, 4, 5].map(majorityOf), [1, 2, 2, 3, 3]);
});
