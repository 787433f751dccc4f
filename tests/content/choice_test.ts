import { assertEquals } from "@std/assert";
import {
  groupOffers,
  type Offer,
  type Preference,
} from "../../lib/content/choice.ts";
import { seededRandom } from "../_random.ts";
import { nodesOf, offer, X, Y, Z } from "./_choice.ts";

function choose(
  offers: readonly Offer[],
  prefer: Preference = "most-nodes",
): string[] {
  return nodesOf(groupOffers(offers, prefer));
}

Deno.test("groupOffers makes no group without offers", () => {
  assertEquals(groupOffers([], "most-nodes"), []);
  assertEquals(groupOffers([], "newest"), []);
});

Deno.test("groupOffers puts together the nodes that have the same content", () => {
  const a = offer("a", X, { size: 7, modifiedMs: 5 });
  const b = offer("b", Y, { size: 8, modifiedMs: 9 });
  const c = offer("c", X, { size: 7, modifiedMs: 6 });
  assertEquals(groupOffers([a, b, c], "most-nodes"), [
    { content: X, size: 7, modifiedMs: 6, votes: 2, offers: [a, c] },
    { content: Y, size: 8, modifiedMs: 9, votes: 1, offers: [b] },
  ]);
});

for (
  const [bits, wanted] of [
    ["-", undefined],
    ["x", true],
    ["x-", undefined],
    ["xx-", true],
    ["x--", undefined],
    ["xx--", undefined],
  ] as const
) {
  Deno.test(`groupOffers takes the executable bit that most addresses have: ${bits}`, () => {
    const offers = Array.from(bits, (bit, n) => ({
      ...offer(`${n}`, X),
      ...bit === "x" && { isExecutable: true as const },
    }));
    const [group] = groupOffers(offers, "most-nodes");
    assertEquals(group?.isExecutable, wanted);
  });
}

Deno.test("groupOffers keeps nodes apart that do not know their content yet", () => {
  const a = offer("a", undefined);
  const b = offer("b", undefined);
  assertEquals(groupOffers([a, b], "most-nodes"), [
    { content: undefined, size: 100, modifiedMs: 1_000, votes: 1, offers: [a] },
    { content: undefined, size: 100, modifiedMs: 1_000, votes: 1, offers: [b] },
  ]);
});

for (
  const [what, offers, byCount, byTime] of [
    [
      "the content of most nodes, or the newest",
      [
        offer("a", X, { modifiedMs: 9_000 }),
        offer("b", Y),
        offer("c", Y),
        offer("d", Z, { modifiedMs: 5_000 }),
      ],
      ["bc", "a", "d"],
      ["a", "d", "bc"],
    ],
    [
      "the newer of two that as many have, whichever is preferred",
      [offer("a", X), offer("b", Y, { modifiedMs: 1_001 })],
      ["b", "a"],
      ["b", "a"],
    ],
    [
      "what more nodes have, of two as new",
      [offer("a", X), offer("b", Y), offer("c", Y)],
      ["bc", "a"],
      ["bc", "a"],
    ],
    [
      "what has a content id, where all else is equal",
      [offer("a", undefined), offer("b", X)],
      ["b", "a"],
      ["b", "a"],
    ],
    [
      "the newer one even without a content id",
      [offer("a", undefined, { modifiedMs: 2_000 }), offer("b", X)],
      ["a", "b"],
      ["a", "b"],
    ],
    [
      "the first that answered, if nothing distinguishes them",
      [offer("c", Z), offer("a", X), offer("b", Y)],
      ["c", "a", "b"],
      ["c", "a", "b"],
    ],
    [
      "a content as new as the latest of its nodes",
      [
        offer("a", X, { modifiedMs: 3_000 }),
        offer("b", Y, { modifiedMs: 1 }),
        offer("c", Y, { modifiedMs: 4_000 }),
      ],
      ["bc", "a"],
      ["bc", "a"],
    ],
    [
      "times before 1970 in their order",
      [
        offer("a", X, { modifiedMs: -2_000 }),
        offer("b", Y, { modifiedMs: -1_000 }),
      ],
      ["b", "a"],
      ["b", "a"],
    ],
  ] as const
) {
  Deno.test(`groupOffers takes ${what}`, () => {
    assertEquals(choose(offers, "most-nodes"), [...byCount]);
    assertEquals(choose(offers, "newest"), [...byTime]);
  });
}

Deno.test("groupOffers separates a node that gives a content another size", () => {
  const offers = [
    offer("a", X, { size: 7 }),
    offer("b", X, { size: 8 }),
    offer("c", X, { size: 8 }),
  ];
  const groups = groupOffers(offers, "most-nodes");
  assertEquals(nodesOf(groups), ["bc", "a"]);
  assertEquals(groups.map(({ size }) => size), [8, 7]);
});

Deno.test("groupOffers never mixes contents and loses no node, for any offers", () => {
  const random = seededRandom(5);
  const below = (most: number) => Math.floor(random() * most);
  for (let round = 0; round < 500; round++) {
    const offers = Array.from({ length: below(12) }, (_, n) =>
      // A content has one size.
      ([X, Y, Z, undefined] as const).map((content, at) =>
        offer(`n${n}`, content, {
          size: content === undefined ? below(3) : at,
          modifiedMs: below(3),
        })
      )[below(4)]!);
    for (const prefer of ["most-nodes", "newest"] as const) {
      const groups = groupOffers(offers, prefer);
      assertEquals(
        groups.flatMap((group) => group.offers).map(({ node }) => node).sort(),
        offers.map(({ node }) => node).sort(),
      );
      for (const { content, size, modifiedMs, offers } of groups) {
        for (const one of offers) {
          assertEquals([one.content, one.size], [content, size]);
        }
        if (content === undefined) assertEquals(offers.length, 1);
        const times = offers.map((one) => one.modifiedMs);
        assertEquals(modifiedMs, Math.max(...times));
      }
      const ids = groups.flatMap(({ content }) => content ?? []);
      assertEquals(new Set(ids).size, ids.length, "two groups of one content");
      const ranks = groups.map((group) =>
        prefer === "newest" ? group.modifiedMs : group.offers.length
      );
      assertEquals(ranks, ranks.toSorted((a, b) => b - a));
    }
  }
});
