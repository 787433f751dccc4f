import { assertEquals } from "@std/assert";
import {
  MOST_SCORE,
  MOST_TERM_UNITS,
  parseTerms,
  scoreOf,
  subjectOf,
} from "../../../lib/cli/picker/fuzzy.ts";
import { Search, SLICE_NAMES } from "../../../lib/cli/picker/search.ts";

/** The names that match, best first. */
function found(query: string, names: readonly string[]): string[] {
  const search = new Search(names);
  search.ask(query);
  while (!search.isDone) search.work();
  return Array.from(
    { length: search.count },
    (_, rank) => names[search.at(rank)]!,
  );
}

const BETTER: readonly (readonly [string, string, string, string])[] = [
  ["letter", "letter.txt", "notes/l-e-t-t-e-r.txt", "together before apart"],
  ["rep", "report.pdf", "prepare.pdf", "the start of a word before its middle"],
  ["ab", "foo/ab.txt", "ab/foo.txt", "the last part of a path before others"],
  [
    "ab",
    "axxb/a-b.txt",
    "axxb/c.txt",
    "a word of the last part, not the first",
  ],
  ["fb", "foo-bar.txt", "fooxbar.txt", "starts of words before others"],
  ["fb", "FooBar.txt", "Foobar.txt", "capitals that start a word"],
  ["a", "a.txt", "a-long-name.txt", "short before long"],
  ["v2", "v2.bin", "v-x2.bin", "together before word by word"],
  ["img 7", "img-7.png", "img-017.png", "all terms, each at its best"],
];

for (const [query, better, worse, what] of BETTER) {
  Deno.test(`Search puts ${what}`, () => {
    assertEquals(found(query, [worse, better]), [better, worse]);
    assertEquals(found(query, [better, worse]), [better, worse]);
  });
}

Deno.test("Search leaves names that match equally in their order", () => {
  assertEquals(found("x", ["x1", "x3", "x2"]), ["x1", "x3", "x2"]);
  assertEquals(found("", ["b", "a"]), ["b", "a"]);
  assertEquals(found("  ", ["b", "a"]), ["b", "a"]);
});

Deno.test("Search distinguishes capitals from small letters only if a capital is typed", () => {
  const names = ["ab", "AB", "Ab"];
  assertEquals(found("ab", names).length, 3);
  assertEquals(found("Ab", names), ["Ab"]);
  assertEquals(found("É", ["é", "É"]), ["É"]);
  assertEquals(found("é", ["é", "É"]).length, 2);
});

Deno.test("Search finds a letter with its accent in any spelling", () => {
  assertEquals(found("e\u0301", ["caf\u00e9"]), ["caf\u00e9"]);
  const search = new Search(["xe\u0300", "caf\u00e9", "e"]);
  for (const query of ["e", "e\u0301"]) {
    search.ask(query);
    while (!search.isDone) search.work();
  }
  assertEquals([search.count, search.at(0)], [1, 1]);
});

Deno.test("Search looks at one slice of names at a time", () => {
  const names = Array.from({ length: SLICE_NAMES + 2 }, (_, n) => `n${n}`);
  const search = new Search(names);
  search.ask("n");
  assertEquals([search.count, search.isDone], [0, false]);
  search.work();
  assertEquals([search.count, search.isDone], [SLICE_NAMES, false]);
  search.ask("n1"); // a search that is not done cannot be narrowed
  while (!search.isDone) search.work();
  assertEquals(search.count, names.filter((name) => name.includes("1")).length);
  assertEquals(search.at(0), 1);
});

Deno.test("scoreOf stays within its bounds for the longest term", () => {
  const name = "a/".repeat(MOST_TERM_UNITS);
  const terms = parseTerms(name);
  assertEquals(terms[0]?.text.length, MOST_TERM_UNITS);
  const score = scoreOf(terms, subjectOf(name));
  assertEquals(score > 0 && score <= MOST_SCORE, true, `${score}`);
  const far = `a${"x".repeat(900)}b`;
  assertEquals(scoreOf(parseTerms("ab"), subjectOf(far)), 0);
});
