import { assertEquals } from "@std/assert";
import { LIMITS } from "../../../lib/base/limits.ts";
import { groupOffers, type Offer } from "../../../lib/content/choice.ts";
import { contentsInWords } from "../../../lib/cli/output/choices.ts";

const X = "1".repeat(64);
const Y = "2".repeat(64);
const HASH = "ab".repeat(32);

function offer(node: string, overrides: Partial<Offer>): Offer {
  return {
    node: node.repeat(52),
    votesAs: node,
    size: 11,
    modifiedMs: 0,
    version: "v",
    ...overrides,
  };
}

function printed(name: string, offers: readonly Offer[], taken: boolean) {
  const groups = groupOffers(offers, "most-nodes");
  return contentsInWords({ name, groups, taken }, (id) => `node ${id[0]}`);
}

Deno.test("contentsInWords names the chosen content, and the number of addresses of the others", () => {
  const evil = { content: Y, size: 9, votesAs: "192.0.2.66" };
  const offers = [
    offer("a", { content: X }),
    offer("b", { content: X }),
    ...["c", "d", "e"].map((node) => offer(node, evil)),
  ];
  assertEquals(printed("f", offers, true), [
    "f has 2 contents: 11 bytes on 2, 9 bytes on 3 at one address; " +
    "taking the first (see --sha256, --node, --prefer)",
  ]);
});

Deno.test("contentsInWords gives options to paste if no content is chosen", () => {
  const offers = [
    offer("a", { content: X, sha256: HASH, modifiedMs: 1_600_000_000_000 }),
    offer("b", { content: Y, size: 9 }),
    offer("c", { size: 8, modifiedMs: LIMITS.dateLastMs }),
  ];
  const [intro, ...rows] = printed("my file's.txt", offers, false);
  assertEquals(/^my file's.txt has 3 contents, and none /.test(intro!), true);
  const name = "'my file'\\''s.txt'";
  assertEquals(rows, [
    `  ${name} --node cccccccccccccccc  8 bytes, written +275760-09-13T00:00Z, ` +
    "on node c",
    `  ${name} --sha256 ${HASH}  11 bytes, written 2020-09-13T12:26Z, on node a`,
    `  ${name} --node bbbbbbbbbbbbbbbb  9 bytes, written 1970-01-01T00:00Z, ` +
    "on node b",
  ]);
});

Deno.test("contentsInWords gives names of any length and with any start as arguments that work", () => {
  const offers = [
    offer("a", { content: X, sha256: HASH }),
    offer("b", { content: Y, sha256: HASH }),
  ];
  const rowOf = (name: string) =>
    printed(name, offers, false)[1]!.split("  ")[1];
  const long = `${"d ".repeat(150)}f`;
  assertEquals(rowOf(long), `'${long}' --sha256 ${HASH}`);
  assertEquals(rowOf("-o"), `--sha256 ${HASH} -- '-o'`);
});

Deno.test("contentsInWords escapes names of nodes", () => {
  const offers = [offer("a", { content: X }), offer("b", { content: Y })];
  const groups = groupOffers(offers, "most-nodes");
  const rows = contentsInWords(
    { name: "f", groups, taken: false },
    () => "\x1b[2J",
  );
  assertEquals(rows.some((row) => row.includes("\x1b")), false);
});
