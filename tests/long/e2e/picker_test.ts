/**
 * The list to choose from, on real terminals: what a person sees and types, and
 * that the terminal is as before in the end, however it ends.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { testWith } from "../../_tools.ts";
import { runRole } from "../../e2e/_processes.ts";
import { onTerminal, type Session, Tmux } from "../../e2e/_terminal.ts";
import {
  demo,
  EXPECT,
  NO_NAME,
  plainTranscript,
  SIZE,
  TMUX,
} from "../../e2e/_picker.ts";

const ESC = "\x1b";

/** Everything that was switched on has been switched off, the last first. */
function assertRestored({ screen, settings }: Session): void {
  assert(settings[0] !== "", "the settings were seen");
  assertEquals(settings[1], settings[0]);
  // deno-lint-ignore no-control-regex
  const opened = [...screen.matchAll(/\x1b\[\?(\d+)([hl])/g)];
  assert(
    opened.some(([all]) => all === `${ESC}[?1049h`),
    "the picker was open",
  );
  const last = new Map(opened.map(([, mode, state]) => [mode, state]));
  assertEquals(
    Object.fromEntries(last),
    { 1049: "l", 2004: "l", 7: "h", 25: "h" },
  );
  assertEquals(
    screen.includes(ESC, screen.indexOf(`${ESC}[?1049l`) + 1),
    false,
  );
}

const OPEN = `
  await "file name: "
  send "\\r"
  answer
  await "letter.txt"
`;
const ASKS_AGAIN = `await "Enter lists again, q quits): "`;
// The key is followed by a question to the terminal.
const ESCAPE = `send "\\033"; answer; ${ASKS_AGAIN}`;

for (
  const [what, steps, code] of [
    [
      "Escape, then q",
      `${ESCAPE}; send "q\\r"`,
      0,
    ],
    ["Ctrl-C, then q", `send "\\003"; ${ASKS_AGAIN}; send "q\\r"`, 0],
    ["Ctrl-D twice", `send "\\004"; ${ASKS_AGAIN}; send "\\004"`, 0],
    ["Escape, then Ctrl-D", `${ESCAPE}; send "\\004"`, 0],
    ["Escape, then Ctrl-C", `${ESCAPE}; send "\\003"`, 130],
    ["SIGTERM", `exec kill -TERM $pid`, 130],
    ["SIGINT from elsewhere", `exec kill -INT $pid`, 130],
    ["SIGHUP", `exec kill -HUP $pid`, 129],
    ["SIGQUIT", `exec kill -QUIT $pid`, 131],
  ] as const
) {
  testWith(
    EXPECT,
    `The picker left by ${what} gives the terminal back as it was`,
    async () => {
      await using place = await demo();
      const session = await onTerminal(
        [place.relay.address],
        `${OPEN}\n${steps}`,
      );
      assertEquals(session.code, code, session.screen);
      assertRestored(session);
    },
  );
}

for (const [how, code] of [["throw", 1], ["reject", 1], ["exit", 3]] as const) {
  testWith(
    EXPECT,
    `A program that ends by ${how} while the picker is open gives the terminal back`,
    async () => {
      const session = await onTerminal([how], "answer", {
        script: "tests/e2e/_crashing_picker.ts",
      });
      assertEquals(session.code, code, session.screen);
      const end = session.screen.indexOf(`${ESC}[?1049l`);
      assertRestored({ ...session, screen: session.screen.slice(0, end + 8) });
    },
  );
}

testWith(
  EXPECT,
  "The picker obeys NO_COLOR, and colours otherwise",
  async () => {
    await using place = await demo();
    const steps = `${OPEN}\nsend "ltr"\n${ESCAPE}\nsend "q\\r"`;
    for (const [value, coloured] of [["1", false], ["", true]] as const) {
      const session = await onTerminal([place.relay.address], steps, {
        env: { NO_COLOR: value },
      });
      assertRestored(session);
      // deno-lint-ignore no-control-regex
      assertEquals(/\x1b\[[1-9][0-9;]*m/.test(session.screen), coloured);
    }
  },
);

testWith(
  EXPECT,
  "A terminal that reports no size is drawn on as one of 80×24",
  async () => {
    await using place = await demo();
    const session = await onTerminal(
      [place.relay.address],
      `${OPEN}\nsend "\\033\\[F\\r"\nawait "goes back): "\nsend "q\\r"\n${ASKS_AGAIN}\nsend "q\\r"`,
      { size: "rows 0 columns 0" },
    );
    assertRestored(session);
    assertEquals(session.code, 0);
    assertMatch(session.screen, /2 of 4 files|4 of 4 files {2}Enter picks/);
    assertMatch(
      session.screen,
      /759 {2}1 node {3}only {4}letter\.txt\nprint or save/,
    );
  },
);

for (
  const [what, permissions, question] of [
    ["says in TERM that it is dumb", ["--allow-env=TERM"], ""],
    ["does not answer", [], `${ESC}[c\r    \r`],
  ] as const
) {
  testWith(
    EXPECT,
    `A terminal that ${what} gets the plain list`,
    async () => {
      await using place = await demo();
      const { alpha, beta, relay } = place;
      const { screen, code, settings } = await onTerminal(
        [relay.address],
        `
        await "file name: "
        send "?\\r"
        ${ASKS_AGAIN}
        send "letter.txt\\r"
        await "goes back): "
        send "x\\r"
        ${ASKS_AGAIN}
        send "q\\r"
      `,
        { permissions, env: { TERM: "dumb" } },
      );
      assertEquals(settings[1], settings[0]);
      assertEquals(code, 0);
      const line = (name: string) =>
        `file name (Enter lists again, q quits): ${name}`;
      const status = `\rlisting files …\r${" ".repeat(15)}\r`;
      assertEquals(
        screen.replace(status, ""),
        [
          "relay says: hello, this is the relay",
          "peer node count: 2",
          `1  alpha  127.0.0.1:${alpha.port}`,
          `2  beta   127.0.0.1:${beta.port}`,
          "(Enter lists all files, q quits)",
          "file name: ?",
          "(to save in this folder, start the client with --allow-read=. --allow-write=.)",
          `${question} 17  1 node   only    1.txt`,
          " 17  1 node   only    2.txt",
          "  0  1 node   only    empty.txt",
          "759  1 node   only    letter.txt",
          line("letter.txt"),
          "print or save it? (Enter prints, s saves, q goes back): x",
          "unknown answer: the file was neither printed nor saved",
          line("q"),
          "",
        ].join("\n"),
      );
    },
  );
}

testWith(
  EXPECT,
  "q leaves the dialogue at once",
  async () => {
    await using place = await demo();
    const { screen, code } = await onTerminal(
      [place.relay.address],
      `await "file name: "\nsend "q\\r"`,
    );
    assertEquals(code, 0);
    assertMatch(screen, /file name: q\n$/);
    assertEquals(screen.includes(ESC), false);
  },
);

Deno.test("The dialogue without a terminal prints the same bytes as before, also for ?, q and no name", async () => {
  await using place = await demo();
  const { relay, alpha, beta } = place;
  const notFound = (name: string) => [
    `node 1  127.0.0.1:${alpha.port}  connected, file not found`,
    `node 2  127.0.0.1:${beta.port}  connected, file not found`,
    `error: Cannot find file (${name}): none of 2 nodes has it; check the name`,
  ];
  for (
    const [input, name, code, rest] of [
      ["?\n", "?", 4, notFound("?")],
      ["q\n", "q", 4, notFound("q")],
      ["\n2.txt\n", "", 2, [NO_NAME]],
      ["", "", 2, [NO_NAME]],
      ["1.txt", "1.txt", 0, [
        `node 1  127.0.0.1:${alpha.port}  connected, file found, 17 bytes`,
        "received 17 bytes, remaining 0 bytes",
        "file transfer successful from node 1 (alpha)",
      ]],
    ] as const
  ) {
    const run = await runRole("peer_client.ts", [relay.address], { input });
    assertEquals(
      run.stderr.join("\n") + "\n",
      plainTranscript(place, name, rest),
    );
    assertEquals(run.code, code);
    assertEquals(run.text, code === 0 ? "I am Text file 1\n" : "");
  }
});

testWith(
  ["tmux", "bash", "stty"],
  "Ctrl-Z in the picker gives the shell its terminal, and fg the picker its own",
  async () => {
    await using place = await demo();
    await using terminal = await Tmux.openInShell([place.relay.address], SIZE);
    await terminal.shows("file name:");
    await terminal.press("Enter");
    await terminal.shows("letter.txt");
    for (const typed of ["l", "et"]) {
      await terminal.press("C-z");
      const rows = await terminal.shows("Stopped");
      assertEquals(rows.some((row) => row.startsWith("> ")), false);
      await terminal.type("stty -a | grep -o ' icanon' && jobs");
      await terminal.press("Enter");
      await terminal.shows(" icanon");
      await terminal.type("fg");
      await terminal.press("Enter");
      await terminal.shows("letter.txt");
      await terminal.type(typed);
    }
    await terminal.shows("> let");
    await terminal.shows("1 of ");
    await terminal.press("Enter");
    await terminal.shows("print or save it?");
    await terminal.press("C-c");
    await terminal.shows("error: Stopped: ");
  },
);

testWith(
  TMUX,
  "The picker that no shell could continue is not stopped by Ctrl-Z",
  async () => {
    await using place = await demo();
    await using terminal = await Tmux.open([place.relay.address], SIZE);
    await terminal.shows("file name:");
    await terminal.press("Enter");
    await terminal.shows("letter.txt");
    await terminal.press("C-z");
    await terminal.type("let");
    await terminal.shows("> let");
    await terminal.press("C-c");
    await terminal.shows("q quits):");
    await terminal.press("q", "Enter");
    await terminal.shows("left with 0, terminal as before");
  },
);
