import { assertEquals, assertLess } from "@std/assert";
import {
  chooseContent,
  type ContentCriteria,
  differ,
  groupOffers,
  type Offer,
} from "../../lib/content/choice.ts";
import { seededRandom } from "../_random.ts";
import { nodesOf, offer, X, Y, Z } from "./_choice.ts";

for (
  const [what, offers, expected] of [
    ["nothing", [], false],
    ["one content", [offer("a", X), offer("b", X)], false],
    ["two contents", [offer("a", X), offer("b", Y)], true],
    [
      "two contents of different times alone",
      [offer("a", X), offer("b", X, { modifiedMs: 5 })],
      false,
    ],
    [
      "two sizes, not hashed yet",
      [offer("a", undefined), offer("b", undefined, { size: 101 })],
      true,
    ],
    [
      "one size, not hashed yet",
      [offer("a", undefined), offer("b", undefined)],
      false,
    ],
    [
      "one content, and one of its size not hashed yet",
      [offer("a", X), offer("b", undefined)],
      false,
    ],
    [
      "one content, and one of another size not hashed yet",
      [offer("a", X), offer("b", undefined, { size: 99 })],
      true,
    ],
  ] as const
) {
  Deno.test(`differ is ${expected} for ${what}`, () => {
    assertEquals(differ(groupOffers(offers, "most-nodes")), expected);
  });
}

/** Offers of five nodes at one address. */
const FIVE_IDS = Array.from(
  { length: 5 },
  (_, n) => offer(`m${n}`, Y, { votesAs: "192.0.2.66", modifiedMs: 9_000 }),
);

/** What is chosen: its nodes, and on which basis; or why nothing is. */
function chosen(
  offers: readonly Offer[],
  criteria: ContentCriteria = {},
  { isFinal = false } = {},
): string {
  const choice = chooseContent(offers, criteria, { isFinal });
  if (choice.kind === "taken") {
    return `${nodesOf([choice.group])} ${choice.basis}`;
  }
  const unknown = choice.unknown.map(({ node }) => node).join("");
  return unknown === "" ? choice.kind : `${choice.kind}, asks ${unknown}`;
}

const HASH = "ab".repeat(32);

for (
  const [what, offers, criteria, expected] of [
    ["nothing where nothing is offered", [], {}, "none"],
    [
      "the one content there is",
      [offer("a", X), offer("b", X)],
      {},
      "ab agreed",
    ],
    [
      "what two addresses have, and not what five ids at one have",
      [...FIVE_IDS, offer("a", X), offer("b", X)],
      {},
      "ab voted",
    ],
    [
      "nothing where five ids at one address stand against one honest node",
      [...FIVE_IDS, offer("a", X)],
      {},
      "undecided",
    ],
    [
      "nothing where it is even, newer or not",
      [offer("a", X), offer("b", Y, { modifiedMs: 5_000 })],
      {},
      "undecided",
    ],
    [
      "nothing where it is even, though the most is asked for",
      [offer("a", X), offer("b", Y, { modifiedMs: 5_000 })],
      { prefer: "most-nodes" },
      "undecided",
    ],
    [
      "the newest where that is asked for",
      [offer("a", X), offer("b", Y, { modifiedMs: 5_000 })],
      { prefer: "newest" },
      "b selected",
    ],
    [
      "what most have of two as new",
      [offer("a", X), offer("b", Y), offer("c", Y)],
      { prefer: "newest" },
      "bc selected",
    ],
    [
      "nothing where two are as new, and even",
      [offer("a", X), offer("b", Y)],
      { prefer: "newest" },
      "undecided",
    ],
    [
      "what most have, on a person's word",
      [offer("a", X), offer("b", Y), offer("c", Y)],
      { prefer: "most-nodes" },
      "bc selected",
    ],
    [
      "an address for each content that its nodes have",
      [
        offer("a", X, { votesAs: "192.0.2.1" }),
        offer("b", Y, { votesAs: "192.0.2.1" }),
        offer("c", Y),
      ],
      {},
      "bc voted",
    ],
    [
      "the content whose SHA-256 is asked for, however few have it",
      [
        offer("a", X, { sha256: HASH }),
        offer("b", Y, { sha256: "cd".repeat(32) }),
        offer("c", Y, { sha256: "cd".repeat(32) }),
      ],
      { sha256: HASH.toUpperCase() },
      "a selected",
    ],
    [
      "of what claims the SHA-256 the smallest, because all but one lie",
      [
        offer("a", X, { sha256: HASH, size: 2 ** 40 }),
        offer("b", X, { sha256: HASH, size: 2 ** 40 }),
        offer("c", Y, { sha256: HASH, size: 200 }),
        offer("d", Z, { sha256: "cd".repeat(32), size: 1 }),
      ],
      { sha256: HASH },
      "c selected",
    ],
    [
      "the content whose id is asked for",
      [offer("a", X), offer("b", Y), offer("c", Y)],
      { content: X },
      "a selected",
    ],
    [
      "of two that claim to be what is asked for what more addresses have",
      [
        offer("a", X, { size: 5, votesAs: "192.0.2.66" }),
        offer("b", X, { size: 5, votesAs: "192.0.2.66" }),
        offer("c", X),
        offer("d", X),
      ],
      { content: X },
      "cd selected",
    ],
    [
      "nothing where no node has what is asked for",
      [offer("a", X, { sha256: "cd".repeat(32) })],
      { sha256: HASH },
      "none",
    ],
    [
      "nothing yet where a node that has not hashed its file may have it",
      [offer("a", X, { sha256: "cd".repeat(32) }), offer("b", undefined)],
      { sha256: HASH },
      "none, asks b",
    ],
    [
      "nothing yet where a node has sent no SHA-256",
      [offer("a", X)],
      { sha256: HASH },
      "none, asks a",
    ],
    [
      "one of what is not hashed, where no difference is known",
      [offer("a", undefined), offer("b", undefined)],
      {},
      "a voted",
    ],
    [
      "nothing yet where one is hashed and another is not",
      [offer("a", X), offer("b", undefined)],
      {},
      "undecided, asks b",
    ],
    [
      "nothing where three that are not hashed may be one against two",
      [
        offer("a", X),
        offer("b", X),
        ...["c", "d", "e"].map((node) => offer(node, undefined, { size: 7 })),
      ],
      {},
      "undecided, asks cde",
    ],
    [
      "what three have against two that are not hashed",
      [
        ...["a", "b", "c"].map((node) => offer(node, X)),
        ...["d", "e"].map((node) => offer(node, undefined, { size: 7 })),
      ],
      {},
      "abc voted",
    ],
  ] as const satisfies readonly (readonly [
    string,
    readonly Offer[],
    ContentCriteria,
    string,
  ])[]
) {
  Deno.test(`chooseContent takes ${what}`, () => {
    assertEquals(chosen(offers, criteria), expected);
  });
}

for (
  const [what, offers, expected] of [
    ["and that is hashed", [offer("a", undefined), offer("b", X)], "b voted"],
    [
      "but not where sizes differ",
      [offer("a", undefined, { size: 5 }), offer("b", X)],
      "undecided, asks a",
    ],
  ] as const
) {
  Deno.test(`chooseContent takes a content that is not known to differ if nothing more can be found out, ${what}`, () => {
    assertEquals(chosen(offers, {}, { isFinal: true }), expected);
  });
}

Deno.test("chooseContent counts one vote of an address, however many ids it has", () => {
  const random = seededRandom(7);
  const below = (most: number) => Math.floor(random() * most);
  for (let round = 0; round < 500; round++) {
    const offers = Array.from(
      { length: 1 + below(8) },
      (_, n) =>
        offer(`n${n}`, [X, Y, Z][below(3)]!, {
          votesAs: `192.0.2.${below(4)}`,
          modifiedMs: below(3),
        }),
    );
    const before = chooseContent(offers, {}, { isFinal: false });
    const { votesAs, content } = offers[below(offers.length)]!;
    const more = Array.from(
      { length: 20 },
      (_, n) => offer(`m${n}`, content, { votesAs, modifiedMs: 9 }),
    );
    const after = chooseContent([...offers, ...more], {}, { isFinal: false });
    assertEquals(after.kind, before.kind);
    if (before.kind === "taken" && after.kind === "taken") {
      assertEquals(after.group.content, before.group.content);
    }
  }
});

for (
  const [what, times, expected] of [
    ["newest whose time is not in the future", [1_000, 5_000, 5_001], "b"],
    ["newest, where no time is in the future", [1_000, 5_000, 4_999], "b"],
    ["one whose time is not in the future", [9_000, -7, 8_000], "b"],
  ] as const
) {
  Deno.test(`chooseContent takes the ${what}`, () => {
    const offers = [X, Y, Z].map((content, n) =>
      offer("abc"[n]!, content, { modifiedMs: times[n]! })
    );
    const criteria = { prefer: "newest", notAfterMs: 5_000 } as const;
    assertEquals(chosen(offers, criteria), `${expected} selected`);
  });
}

Deno.test("chooseContent takes the times that are not in the future of all that have a content", () => {
  const criteria = { prefer: "newest", notAfterMs: 5_000 } as const;
  const offers = [
    offer("a", X, { modifiedMs: 9_000 }),
    offer("b", X, { modifiedMs: 4_000 }),
    offer("c", Y, { modifiedMs: 3_000 }),
  ];
  assertEquals(chosen(offers, criteria), "ab selected");
  const later = offer("d", Z, { modifiedMs: 4_500 });
  assertEquals(chosen([...offers, later], criteria), "d selected");
});

Deno.test("chooseContent decides by addresses where all times are in the future", () => {
  const criteria = { prefer: "newest", notAfterMs: 5_000 } as const;
  const [a, b, c] = [
    offer("a", X, { modifiedMs: 9_000 }),
    offer("b", Y, { modifiedMs: 8_000 }),
    offer("c", Y, { modifiedMs: 7_000 }),
  ];
  assertEquals(chosen([a, b, c], criteria), "bc selected");
  assertEquals(chosen([a, b], criteria), "undecided");
});

Deno.test("chooseContent reads each of a thousand offers of one name a few times", () => {
  let readCount = 0;
  const rivals = Array.from({ length: 1_000 }, (_, n) => ({
    ...offer(`rival ${n}`, undefined, { size: 7 }),
    get votesAs(): string {
      readCount++;
      return "one address";
    },
  }));
  const offers = [offer("a", X, { size: 5 }), offer("b", X, { size: 5 })];
  const choice = chooseContent([...offers, ...rivals], {}, { isFinal: false });
  assertEquals(choice.kind, "taken");
  assertLess(readCount, 10 * rivals.length);
});
