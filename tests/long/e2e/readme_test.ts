/**
 * README.md and docs/GUIDE.md held to the program: all of their commands are
 * run, in order, in a copy of the project, and must print what they show.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { dirname, join } from "@std/path";
import { ROOT } from "../../e2e/_processes.ts";
import { copyProject } from "../../e2e/_project.ts";
import { blocksOf, STORIES } from "../../e2e/_readme.ts";
import { Walk } from "../../e2e/_walk.ts";
import { startNode, startRelay } from "../../_network.ts";
import { tempShare } from "../../_temp_share.ts";
import { testWith } from "../../_tools.ts";

const README = Deno.readTextFileSync(join(ROOT, "README.md"));

const DENO = dirname(Deno.execPath());

for (const name of STORIES) {
  const blocks = blocksOf(Deno.readTextFileSync(join(ROOT, name)), name);

  testWith(
    ["expect", "git", "jq", "timeout"],
    `A stranger's walk through ${name}: its commands do what it shows`,
    async () => {
      await using folder = await tempShare();
      await copyProject(folder.path);
      await using walk = new Walk(folder.path);
      const taken = blocks.filter(({ notRun }) => !notRun);
      for (const block of taken) await walk.take(block);
      await walk.end();
      assert(taken.length >= 9, `${taken.length} blocks`);
    },
  );
}

Deno.test("With the profile lines of the README, help, completions and verify work after the relay's address, also when the relay has stopped", async () => {
  const lines = blocksOf(README)
    .filter(({ section }) => section === "Getting")
    .flatMap(({ steps }) => steps)
    .map(({ command }) => command)
    .filter((command) => /^(RELAY=|P2P=|p2p\(\))/.test(command));
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
      [
        "verify a.txt r.json",
        /^a\.txt is unchanged since it was received on .*: 6 bytes, /,
      ],
    ] as const
  ) {
    const alone = `deno run --allow-read=. ${ROOT}peer_client.ts ${command}`;
    const behind = await run(gone, `p2p ${command}`);
    assertEquals(behind, await run(gone, alone), command);
    assertEquals([behind.code, behind.errors], [0, ""], command);
    assertMatch(behind.text, expected);
  }
});
