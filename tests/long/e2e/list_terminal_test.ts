/**
 * `ls` as a person sees it: at a terminal of some width, with the documented
 * permission alone.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { widthOf } from "../../../lib/cli/output/width.ts";
import { startNode, startRelay } from "../../_network.ts";
import { testWith } from "../../_tools.ts";
import { ROOT } from "../../e2e/_processes.ts";
import { Pty, QUESTION } from "../../e2e/_pty.ts";

const FILES: Record<string, string | Uint8Array> = {
  "写真/とても長い名前の写真のファイル.jpg": "x",
  "photos/2024/summer/holiday in the mountains/IMG_4001.JPG": "12345",
  "a.txt": new Uint8Array(16_800_000),
};

/** What `ls` shows at a terminal of so many columns, line by line. */
async function shownAt(
  columns: number,
  words: string,
  { colours = false, into = "" } = {},
): Promise<string[]> {
  await using relay = await startRelay();
  await using _node = await startNode(relay, FILES, { name: "nas" });
  const client = `${Deno.execPath()} run --allow-net ${
    join(ROOT, "peer_client.ts")
  } ${relay.server.relayAddress}`;
  const env = colours ? "env -u NO_COLOR" : "env NO_COLOR=1";
  const command = `${env} ${client} ${words}; echo code $? >&2`;
  await using pty = Pty.type(
    `stty cols ${columns} rows 24; { ${command}; } ${into}`,
  );
  assertEquals(await pty.code, 0, pty.text);
  assertEquals(QUESTION.exec(pty.text)?.[0], undefined);
  assertEquals(pty.lines.all.at(-1), "code 0", pty.text);
  return pty.lines.all.slice(0, -1).map((line) => line.replaceAll(ERASED, ""));
}

/** How Deno itself clears the terminal before the program starts. */
// deno-lint-ignore no-control-regex
const ERASED = /\x1b\[(0G|2K|J)/g;

for (const columns of [120, 80, 40, 25]) {
  testWith(
    ["script", "stty"],
    `ls at a terminal of ${columns} columns fits, and ends with the total`,
    async () => {
      const lines = await shownAt(columns, "ls");
      assertEquals(lines.length, 4, lines.join("\n"));
      assertEquals(lines.at(-1), "3 files, 16.8 MB");
      for (const line of lines) {
        assert(widthOf(line) <= columns, `${widthOf(line)}: ${line}`);
      }
      assert(/^16\.8 MB .*a\.txt$/.test(lines[0]!), lines[0]);
      assert(lines[1]!.endsWith("IMG_4001.JPG"), lines[1]);
      assert(lines[2]!.endsWith(".jpg"), lines[2]);
      assertEquals(lines[0]!.includes("only"), columns >= 40);
      assertEquals(lines[0]!.includes("nas"), columns >= 40);
    },
  );
}

testWith(
  ["script", "stty"],
  "ls at a terminal has colours, unless NO_COLOR is set",
  async () => {
    const words = "ls --depth 1";
    const coloured = await shownAt(80, words, { colours: true });
    assert(coloured.join("\n").includes("\x1b[34mphotos/\x1b[0m"));
    assert(coloured[0]!.includes("\x1b[33monly"));
    const plain = await shownAt(80, words);
    assert(!plain.join("\n").includes("\x1b"), plain.join("\n"));
  },
);

testWith(
  ["script", "stty"],
  "ls | head -1 at a terminal ends with 0 and prints no error",
  async () => {
    const lines = await shownAt(80, "ls | head -1");
    // The total is for people, and may still be written, before or after.
    const [line, ...more] = lines.filter((line) => line !== "3 files, 16.8 MB");
    assert(/^16800000 .*a\.txt$/.test(line!), lines.join("\n"));
    assertEquals(more, []);
  },
);
