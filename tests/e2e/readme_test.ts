/**
 * The README held to the program: all of its commands are run, in order, in a
 * copy of the project, and must print what it shows.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { dirname, join } from "@std/path";
import { tempShare } from "../_temp_share.ts";
import { testWith } from "../_tools.ts";
import { compare, withMeanings } from "./_likeness.ts";
import { ROOT } from "./_processes.ts";
import { blocksOf } from "./_readme.ts";
import { Walk } from "./_walk.ts";

const README = Deno.readTextFileSync(join(ROOT, "README.md"));

/** The blocks that no test can run, by section. Each says why. */
const NOT_RUN = ["Two commands", "Something does not work"];

testWith(
  ["expect", "git", "jq", "timeout"],
  "A stranger's walk through the README: its commands do what it shows",
  async () => {
    await using folder = await tempShare();
    await copyProject(folder.path);
    await using walk = new Walk(folder.path);
    const blocks = blocksOf(README).filter(({ notRun }) => !notRun);
    for (const block of blocks) await walk.take(block);
    await walk.end();
    assert(blocks.length >= 12, `${blocks.length} blocks`);
  },
);

Deno.test("README.md says of few blocks that they cannot be run, and why", () => {
  const marked = blocksOf(README).filter(({ notRun }) => notRun);
  assertEquals(marked.map(({ section }) => section), NOT_RUN);
});

Deno.test("README.md names tasks and files that there are", async () => {
  const { tasks } = JSON.parse(
    await Deno.readTextFile(join(ROOT, "deno.json")),
  );
  const named = [...README.matchAll(/\btask ([a-z:]+)/g)].map(([, name]) =>
    name!
  );
  assert(named.length > 4);
  assertEquals(named.filter((name) => !(name in tasks)), []);
  const links = [...README.matchAll(/\]\((?!https:)([^)#]*)#?([^)]*)\)/g)];
  assert(links.length > 4);
  for (const [link, path = "", anchor] of links) {
    const target = join(ROOT, path || "README.md");
    const { isFile } = await Deno.stat(target);
    if (!anchor) continue;
    assert(isFile, link);
    const headings = (await Deno.readTextFile(target)).matchAll(/^##+ (.+)$/gm);
    const anchors = [...headings].map(([, words]) =>
      words!.toLowerCase().replaceAll(" ", "-")
    );
    assert(anchors.includes(anchor), link);
  }
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
  ] as const
) {
  Deno.test(`What is printed is not what is shown: ${what}`, () => {
    assertEquals(compare(shown, lines, new Map()), undefined);
    assert(compare(shown, shown, new Map()));
  });
}

Deno.test("What differs from run to run is taken as it comes, and kept", () => {
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

/** Copies what would be in a fresh clone, as it stands here now. */
async function copyProject(folder: string): Promise<void> {
  const { code, stdout } = await new Deno.Command("git", {
    args: ["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    cwd: ROOT,
  }).output();
  assertEquals(code, 0, "not a clone");
  for (const name of new TextDecoder().decode(stdout).split("\0")) {
    if (name === "") continue;
    await Deno.mkdir(dirname(join(folder, name)), { recursive: true });
    await Deno.copyFile(join(ROOT, name), join(folder, name));
  }
}
