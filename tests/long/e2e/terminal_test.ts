/**
 * The dialogue as a person meets it: on a terminal, typed into with `expect`,
 * without `--no-prompt`, so that a question of Deno's would be seen.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { randomBytes, seededRandom } from "../../_random.ts";
import { nodeHere, relayHere } from "../../_scenery.ts";
import { tempShare } from "../../_temp_share.ts";
import { testWith } from "../../_tools.ts";
import { ROOT, spawnNode, spawnRelay } from "../../e2e/_processes.ts";
import { onTerminal, type Session } from "../../e2e/_terminal.ts";

const TOOLS = ["expect"];

testWith(
  TOOLS,
  "On a terminal the dialogue stands in order, and asks for nothing else",
  async () => {
    await using relay = await relayHere();
    await using alpha = await nodeHere(relay, "files/one", { name: "alpha" });
    await using beta = await nodeHere(relay, "files/two", { name: "beta" });
    const { screen, code } = await onTerminal(
      [relay.address],
      `
    await "file name: "
    send "2.txt\\r"
  `,
    );
    assertEquals(
      screen,
      [
        "relay says: hello, this is the relay",
        "peer node count: 2",
        `1  alpha  127.0.0.1:${alpha.port}`,
        `2  beta   127.0.0.1:${beta.port}`,
        "(Enter lists all files, q quits)",
        "file name: 2.txt",
        `node 1  127.0.0.1:${alpha.port}  connected, file not found`,
        `node 2  127.0.0.1:${beta.port}  connected, file found, 17 bytes`,
        "I am Text file 2",
        "received 17 bytes, remaining 0 bytes",
        "file transfer successful from node 2 (beta)",
        "",
      ].join("\n"),
    );
    assertEquals(code, 0);
  },
);

testWith(
  TOOLS,
  "On a terminal content that is no text is offered as a file",
  async () => {
    await using folder = await tempShare({ "pic.png": "already here" });
    await using relay = await relayHere();
    await using _node = await nodeHere(relay, "files/three");
    const permissions = ["--allow-read=.", "--allow-write=."];
    const name = "pictures/relay.png";
    const picture = await Deno.readFile(join(ROOT, "files/three", name));
    const answer = (reply: string) =>
      onTerminal(
        [relay.address],
        `
      await "file name: "
      send "${name}\\r"
      await "save it as (Enter takes relay.png, q goes back): "
      send "${reply}\\r"
    `,
        { permissions, cwd: folder.path },
      );

    const refused = await answer("n");
    assertEquals(refused.code, 8);
    assertMatch(
      refused.screen,
      /pictures\/relay\.png is not text: it is not shown/,
    );
    // deno-lint-ignore no-control-regex
    assertEquals(/[\x00-\x08\x0e-\x1f]/.test(refused.screen), false);

    const taken = await answer("pic.png");
    assertEquals(taken.code, 8);
    assertMatch(taken.screen, /Cannot save file \(pic\.png\): already exists/);

    const outside = await answer("../x");
    assertEquals(outside.code, 8);

    const saved = await answer("");
    assertEquals(saved.code, 0);
    assertMatch(
      saved.screen,
      /saved as relay\.png\nreceived 901 bytes, remaining 0 bytes/,
    );
    assertEquals(await Deno.readFile(join(folder.path, "relay.png")), picture);
    const names = (await Array.fromAsync(Deno.readDir(folder.path))).map((
      { name },
    ) => name);
    assertEquals(
      names.toSorted(),
      ["pic.png", "relay.png"],
      "nothing is left behind",
    );
  },
);

testWith(
  TOOLS,
  "cat does not pour what is no text onto a terminal",
  async () => {
    await using relay = await relayHere();
    await using _node = await nodeHere(relay, "files/three");
    const args = [relay.address, "cat", "pictures/relay.png"];
    const declined = await onTerminal(
      args,
      `
    await "q goes back): "
    send "q\\r"
  `,
      { permissions: ["--allow-read=.", "--allow-write=."] },
    );
    // It offers nothing that it may not do, and Deno is not made to ask.
    const unable = await onTerminal(args, "");
    assertEquals(/save it as/.test(unable.screen), false);
    for (const { screen, code } of [declined, unable]) {
      assertEquals(code, 8);
      assertMatch(
        screen,
        /it is not text; send it to a file: … cat NAME > FILE/,
      );
    }
  },
);

testWith(
  TOOLS,
  "Ctrl-C leaves the dialogue at once, with its code",
  async () => {
    await using relay = await relayHere();
    await using _node = await nodeHere(relay, "files/one");
    const { screen, code } = await onTerminal(
      [relay.address],
      `
    await "file name: "
    send "\\003"
  `,
    );
    assertEquals(code, 130);
    assertMatch(screen, /error: Stopped: interrupted\n$/);
  },
);

testWith(TOOLS, "Ctrl-D is an empty name", async () => {
  await using relay = await relayHere();
  await using _node = await nodeHere(relay, "files/one");
  const { screen, code } = await onTerminal(
    [relay.address],
    `
    await "file name: "
    send "\\004"
  `,
  );
  assertEquals(code, 2);
  assertMatch(screen, /a name must not be empty/);
});

testWith(
  TOOLS,
  "Hostile names and greetings reach the terminal escaped",
  async () => {
    await using relay = await spawnRelay([
      "--greeting",
      "hi\x1b]0;owned\x07",
      "0",
    ]);
    await using _node = await nodeHere(relay, "files/one", {
      name: "al\x1b[2Jpha\u202e",
    });
    const { screen } = await onTerminal(
      [relay.address],
      `
    await "file name: "
    send "9.txt\\r"
  `,
    );
    assertMatch(screen, /relay says: hi\\x1b\]0;owned\\x07\n/);
    assertMatch(screen, /1 {2}al\\x1b\[2Jpha\\u\{202e\} /);
    // deno-lint-ignore no-control-regex
    assertEquals(/[\x00-\x08\x0b-\x1f\u202e]/.test(screen), false);
  },
);

/** Runs `get '*'` of three files, slowly, on a terminal. */
async function getSlowly(
  options: Parameters<typeof onTerminal>[2],
  steps = "",
  rate = "200K",
): Promise<Session & { folder: string }> {
  // Zeros would not be sent.
  const content = randomBytes(200_000, seededRandom(1));
  await using share = await tempShare({ a: content, b: content, c: content });
  await using folder = await tempShare();
  await using relay = await relayHere();
  await using _node = await spawnNode(relay.port, share.path, [
    ...["--limit-rate", rate],
  ]);
  const session = await onTerminal([relay.address, "get", "*"], steps, {
    permissions: ["--allow-read=.", "--allow-write=."],
    cwd: folder.path,
    ...options,
  });
  return { ...session, folder: folder.path };
}

/** The states of the progress line, each as it was written. */
function statesIn(screen: string): string[] {
  return screen.split(/[\r\n]+/).filter((line) => / % {2}/.test(line));
}

testWith(
  TOOLS,
  "Progress is of all files from the start, is drawn without escape sequences, and ends in a line about all",
  async () => {
    // Slow enough for states after the first second, on a slow machine too.
    const dumb = { env: { TERM: "dumb" } };
    const { screen, code } = await getSlowly(dumb, "", "100K");
    assertEquals(code, 0);
    assertEquals(screen.includes("\x1b"), false);
    const states = statesIn(screen);
    assertEquals(states.length > 2, true);
    for (const state of states) assertMatch(state, / of 600 KB .* of 3 files /);
    // The first second is too short to judge.
    assertEquals(states[0]!.includes("left"), false);
    assertMatch(states.at(-1)!, / 0:0\d left {2}1 node *$/);
    assertMatch(
      screen,
      /[\r\n]3 files, 600 KB in \d+\.\d+ s \(.*\/s\), from 1 node\n/,
    );
  },
);

testWith(
  TOOLS,
  "Progress keeps to one row on a narrow terminal, or the terminal reports no size",
  async () => {
    for (
      const [size, most] of [
        ["columns 20 rows 10", 19],
        ["columns 0 rows 0", 79],
      ] as const
    ) {
      const { screen, code } = await getSlowly({ size });
      assertEquals(code, 0);
      for (const state of statesIn(screen)) {
        assertEquals(state.length <= most, true, state);
      }
    }
  },
);

testWith(
  TOOLS,
  "Ctrl-C while progress is drawn leaves a clean line, and says how to continue",
  async () => {
    const { screen, code } = await getSlowly(
      {},
      `
      await " %  "
      send "\\003"
    `,
    );
    assertEquals(code, 130);
    const last = screen.split("\n").at(-2)!.split("\r").at(-1);
    assertEquals(
      last,
      "error: Stopped: interrupted; the bytes received so far are kept; run the same command again to continue",
    );
  },
);
