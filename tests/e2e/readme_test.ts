/**
 * The README held to the program: all of its commands are run, in order, in a
 * copy of the project, and must print what it shows.
 */

import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { dirname, join } from "@std/path";
import { startNode, startRelay } from "../_network.ts";
import { tempShare } from "../_temp_share.ts";
import { testWith } from "../_tools.ts";
import { copyProject } from "./_project.ts";
import { compare, withMeanings } from "./_likeness.ts";
import { ROOT } from "./_processes.ts";
import { blocksOf } from "./_readme.ts";
import { Walk } from "./_walk.ts";

const README = Deno.readTextFileSync(join(ROOT, "README.md"));

const DENO = dirname(Deno.execPath());

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

Deno.test("With the profile lines of the README, help, completions and verify answer behind the relay's address, also when the relay is gone", async () => {
  const lines = blocksOf(README).flatMap(({ steps }) => steps)
    .map(({ command }) => command)
    .filter((command) => /^(RELAY=|P2P=|p2p\(\))/.test(command)).slice(0, 3);
  assertEquals(lines.length, 3);
  await using folder = await tempShare();
  const run = async (relay: string, ...commands: readonly string[]) => {
    const script = [...lines, `RELAY='${relay}' P2P='${ROOT}'`, ...commands];
    const { code, stdout, stderr } = await new Deno.Command("sh", {
      args: ["-c", script.join("\n")],
      cwd: folder.path,
      env: { NO_COLOR: "1", PATH: `${DENO}:${Deno.env.get("PATH")}` },
      stdin: "null",
    }).output();
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, text: decode(stdout), errors: decode(stderr) };
  };
  let gone = "";
  {
    await using relay = await startRelay();
    await using _node = await startNode(relay, { "a.txt": "whole\n" });
    gone = relay.server.relayAddress;
    const got = await run(gone, "p2p get a.txt --receipt r.json");
    assertEquals(got.code, 0, got.errors);
  }
  for (
    const [command, expected] of [
      ["help", /^The peer client: /],
      ["help get", /^Fetch files; /],
      ["get --help", /^Fetch files; /],
      ["completions zsh p2p", /^#compdef p2p\n/],
      ["completions bash", /^# Completes the words of peer_client\.ts in bash/],
      ["verify a.txt r.json", /^a\.txt is what was received on .*: 6 bytes, /],
    ] as const
  ) {
    const alone = `deno run --allow-read=. ${ROOT}peer_client.ts ${command}`;
    const behind = await run(gone, `p2p ${command}`);
    assertEquals(behind, await run(gone, alone), command);
    assertEquals([behind.code, behind.errors], [0, ""], command);
    assertMatch(behind.text, expected);
  }
});

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
