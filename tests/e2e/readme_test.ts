/**
 * README.md and docs/GUIDE.md held to the project: what they name is there, and
 * few of their blocks cannot be run. `tests/long/` runs the others.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { dirname, join } from "@std/path";
import { compare, withMeanings } from "./_likeness.ts";
import { ROOT } from "./_processes.ts";
import { blocksOf, documentNames, STORIES } from "./_readme.ts";

const README = Deno.readTextFileSync(join(ROOT, "README.md"));

/** The blocks that no test can run, by section. Each says why. */
const NOT_RUN = [
  ...Array<string>(3).fill("The first minute"), // typed by a test of p2p
  "Two commands",
];

for (const name of STORIES) {
  const blocks = blocksOf(Deno.readTextFileSync(join(ROOT, name)), name);

  Deno.test(`${name} marks few blocks as not runnable, with a reason`, () => {
    const marked = blocks.filter(({ notRun }) => notRun);
    const expected = name === "README.md" ? NOT_RUN : [];
    assertEquals(marked.map(({ section }) => section), expected);
  });
}

Deno.test("README.md has at most 1,500 words", () => {
  const words = README.split(/\s+/).filter((word) => word !== "");
  assert(words.length <= 1500, `${words.length} words`);
});

const { tasks } = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json")));

for (const name of await documentNames()) {
  Deno.test(`${name} names only existing tasks and files`, async () => {
    const document = await Deno.readTextFile(join(ROOT, name));
    const named = [...document.matchAll(/\bdeno(?:@[\d.]+)? task ([a-z:]+)/g)];
    assertEquals(named.filter(([, task]) => !(task! in tasks)), []);
    const links = document.matchAll(
      /\]\((?!https:)([^()#\s]*)#?([^()\s]*)\)/g,
    );
    for (const [link, path = "", anchor] of links) {
      const target = path === ""
        ? join(ROOT, name)
        : join(ROOT, dirname(name), path);
      const { isFile } = await Deno.stat(target);
      if (!anchor) continue;
      assert(isFile, link);
      const text = await Deno.readTextFile(target);
      const anchors = [...text.matchAll(/^##+ (.+)$/gm)].map(([, words]) =>
        words!.toLowerCase().replaceAll(/[^\w -]/g, "").replaceAll(" ", "-")
      );
      assert(anchors.includes(anchor), link);
    }
  });
}

Deno.test("README.md leads to every other document for people", async () => {
  const names = (await documentNames()).filter((name) => name !== "README.md");
  assertEquals(names.filter((name) => !README.includes(`(${name})`)), []);
});

const ID = "a".repeat(52);
const OTHER = "b".repeat(52);

for (
  const [what, shown, lines] of [
    ["another word", ["sharing 2 files"], ["sharing 3 files"]],
    ["a line less", ["one", "two"], ["one"]],
    ["a line more", ["one"], ["one", "two"]],
    ["another order", ["one", "two"], ["two", "one"]],
    ["a space more", ["1  node"], ["1   node"]],
    ["an id that is none", [`id ${ID}`], ["id alpha"]],
    [
      "two ids for one",
      [`id ${ID}`, `id ${ID}`],
      [`id ${ID}`, `id ${OTHER}`],
    ],
    [
      "one id for two",
      [`id ${ID}`, `id ${OTHER}`],
      [`id ${ID}`, `id ${ID}`],
    ],
    ["another node", ["saved f, from a, b"], ["saved f, from a, c"]],
    ["seconds that are none", ["in 0.2 s"], ["in NaN s"]],
    ["nothing after an elision", ["…", "two"], ["one"]],
    ["an elision of nothing", ["one", "…", "two"], ["one", "two"]],
    ["a port that is none", [" tunnel_port  h:4000 can"], [
      " tunnel_port  h:x can",
    ]],
    ["room that is none", ["ok  76.1 GiB free at ."], ["ok  some free at ."]],
  ] as const
) {
  Deno.test(`Output that differs from the document is found: ${what}`, () => {
    assertEquals(compare(shown, lines, new Map()), undefined);
    assert(compare(shown, shown, new Map()));
  });
}

Deno.test("Output that differs between runs is accepted, and kept", () => {
  const found = compare(
    ["saved f, from a, b", `id ${ID}`, "…", `0 bytes  0.01 s (5.0 KB/s)`],
    [
      "saved f, from b, a",
      `id ${OTHER}`,
      "one",
      "two",
      "0 bytes  12.34 s (71.3 MB/s)",
    ],
    new Map(),
  );
  assertEquals(found, new Map([[ID, OTHER]]));
  assertEquals(withMeanings(`to ${ID}`, found!), `to ${OTHER}`);
  assertThrows(() => withMeanings(`to ${OTHER}`, found!), Error, "before");
});

for (
  const [what, readme] of [
    ["a comment with another verb", "<!-- walk: skip it -->\n"],
    ["a comment on no commands", "<!-- not run: why -->\n```ts\n```\n"],
    ["output of no command", "```console\nhello\n```\n"],
    [
      "a section that there is not",
      "<!-- walk: after Nowhere -->\n```sh\ntrue\n```\n",
    ],
  ] as const
) {
  Deno.test(`blocksOf refuses ${what}`, () => {
    assertThrows(() => blocksOf(readme), Error, "README.md");
  });
}
