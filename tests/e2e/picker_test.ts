/**
 * The list to choose from, on real terminals: what a person sees and types, and
 * that the terminal is as before in the end, however it ends.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { nodeHere, relayHere } from "../_scenery.ts";
import { tempShare } from "../_temp_share.ts";
import { testWith } from "../_tools.ts";
import { commandLine, runRole } from "./_processes.ts";
import { onTerminal, type Session, Tmux } from "./_terminal.ts";

const EXPECT = ["expect", "stty"];
const TMUX = ["tmux", "stty"];
const ESC = "\x1b";

/** A relay, and two nodes that share the files of the demo. */
async function demo() {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await relayHere());
  const alpha = stack.use(
    await nodeHere(relay, "files/one", { name: "alpha" }),
  );
  const beta = stack.use(
    await nodeHere(relay, "files/two", { name: "beta" }),
  );
  const owned = stack.move();
  return {
    ...{ relay, alpha, beta },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

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
const ASKS_AGAIN = `await "Enter lists again, q leaves): "`;
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
  "A terminal that tells no size is drawn on as one of 80×24",
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
        `file name (Enter lists again, q leaves): ${name}`;
      const status = `\rlisting files …\r${" ".repeat(15)}\r`;
      assertEquals(
        screen.replace(status, ""),
        [
          "relay says: hello, this is the relay",
          "peer node count: 2",
          `1  alpha  127.0.0.1:${alpha.port}`,
          `2  beta   127.0.0.1:${beta.port}`,
          "(Enter lists all files, q leaves)",
          "file name: ?",
          "(to save in this folder, start the client with --allow-read=. --allow-write=.)",
          `${question} 17  1 node   only    1.txt`,
          " 17  1 node   only    2.txt",
          "  0  1 node   only    empty.txt",
          "759  1 node   only    letter.txt",
          line("letter.txt"),
          "print or save it? (Enter prints, s saves, q goes back): x",
          "not an answer: the file was neither printed nor saved",
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

/** What the dialogue has always printed, where it is not on a terminal. */
function plainTranscript(
  place: Awaited<ReturnType<typeof demo>>,
  name: string,
  rest: readonly string[],
): string {
  const { alpha, beta } = place;
  return [
    "relay says: hello, this is the relay",
    "peer node count: 2",
    `1  alpha  127.0.0.1:${alpha.port}`,
    `2  beta   127.0.0.1:${beta.port}`,
    `file name: ${name}`,
    ...rest,
    "",
  ].join("\n");
}

const NO_NAME = "error: Cannot ask for file (): a name must not be empty";

Deno.test("The dialogue without a terminal is unchanged to the byte, also for ?, q and no name", async () => {
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
  EXPECT,
  "The dialogue with its content in a file is what it was, to the byte, and asks for a name",
  async () => {
    await using place = await demo();
    await using folder = await tempShare();
    const path = join(folder.path, "content");
    const { relay, alpha } = place;
    // The terminal itself shows what is typed, and the line break after it.
    for (
      const [typed, rest, code] of [
        ["1.txt", [
          `node 1  127.0.0.1:${alpha.port}  connected, file found, 17 bytes`,
          "received 17 bytes, remaining 0 bytes",
          "file transfer successful from node 1 (alpha)",
        ], 0],
        ["", ["", NO_NAME], 2],
      ] as const
    ) {
      const client = commandLine("peer_client.ts", [relay.address])
        .map((word) => `'${word}'`).join(" ");
      const output = await new Deno.Command("expect", {
        args: [
          "-c",
          `
          set timeout 60
          spawn -noecho sh -c {${client} > '${path}'}
          expect -ex "file name: "
          send "${typed}\\r"
          expect eof
          lassign [wait] pid id os code
          exit $code
        `,
        ],
        env: { NO_COLOR: "1", TERM: "xterm" },
      }).output();
      assertEquals(
        new TextDecoder().decode(output.stdout).replaceAll("\r\n", "\n"),
        plainTranscript(place, typed, rest),
      );
      assertEquals(output.code, code);
      const content = await Deno.readTextFile(path);
      assertEquals(content, code === 0 ? "I am Text file 1\n" : "");
    }
  },
);

const SIZE = { columns: 78, rows: 14 };

testWith(
  TMUX,
  "A file is found with a few letters and printed; Enter lists again, and q leaves",
  async () => {
    await using place = await demo();
    await using terminal = await Tmux.open([place.relay.address], SIZE);
    await terminal.shows("file name:");
    await terminal.press("Enter");
    await terminal.shows("4 of 4 files");
    await terminal.type("2t");
    await terminal.showsRows(0, [
      "> 2t",
      "  1 of 4 files  Enter picks, Esc goes back",
      "> 2.txt                                              17 bytes  only 1 node",
      "",
    ]);
    await terminal.press("Enter");
    await terminal.shows("print or save it?");
    await terminal.press("Enter");
    const printed = await terminal.shows("q leaves):");
    const at = printed.indexOf("17  1 node   only    2.txt");
    assertEquals(printed.slice(at, at + 8), [
      "17  1 node   only    2.txt",
      "print or save it? (Enter prints, s saves, q goes back):",
      `node 1  127.0.0.1:${place.alpha.port}  connected, file not found`,
      `node 2  127.0.0.1:${place.beta.port}  connected, file found, 17 bytes`,
      "I am Text file 2",
      "received 17 bytes, remaining 0 bytes",
      "file transfer successful from node 2 (beta)",
      "file name (Enter lists again, q leaves):",
    ]);
    // Enter means the same wherever a name is asked for.
    await terminal.press("Enter");
    await terminal.shows("4 of 4 files");
    await terminal.press("Escape");
    await terminal.until((rows) =>
      rows.filter((row) => row.endsWith("q leaves):")).length === 2
    );
    await terminal.press("q", "Enter");
    await terminal.shows("left with 0, terminal as before");
  },
);

testWith(
  TMUX,
  "The list follows arrows and pages, a paste, and the terminal's size, also a narrow one",
  async () => {
    await using place = await demo();
    const names = Array.from({ length: 30 }, (_, n) => `日本 ${n + 10}.txt`);
    await using folder = await tempShare(
      Object.fromEntries(names.map((name) => [name, name])),
    );
    await using _node = await nodeHere(place.relay, folder.path);
    await using terminal = await Tmux.open([place.relay.address], {
      columns: 20,
      rows: 5,
    });
    await terminal.shows("file name:");
    await terminal.type("?");
    await terminal.press("Enter");
    await terminal.showsRows(0, [
      ">",
      "34 of 34  17 bytes,…",
      ">!1.txt",
      " !2.txt",
      " !empty.txt",
    ]);
    await terminal.press("End");
    await terminal.press("PageUp");
    await terminal.showsRows(2, [
      ">!日本 36.txt",
      " !日本 37.txt",
      " !日本 38.txt",
    ]);
    await terminal.resize(60, 4);
    await terminal.showsRows(0, [
      ">",
      "  34 of 34 files  Enter picks, Esc goes back",
      "> 日本 36.txt                      13 bytes  only 1 node",
      "  日本 37.txt                      13 bytes  only 1 node",
    ]);
    await terminal.paste("23\n.txt");
    await terminal.showsRows(0, [
      "> 23 .txt",
      "  1 of 34 files  Enter picks, Esc goes back",
      "> 日本 23.txt                      13 bytes  only 1 node",
      "",
    ]);
    await terminal.press("Escape");
    await terminal.shows("q leaves):");
    await terminal.press("C-d");
    await terminal.shows("left with 0, terminal as before");
  },
);

testWith(
  TMUX,
  "A picked file is saved with progress, and replaces one that is there only after a yes",
  async () => {
    await using relay = await relayHere();
    const content = "0123456789abcdef".repeat(80_000);
    await using shared = await tempShare({ "sub/big.bin": content });
    await using _node = await nodeHere(relay, shared.path);
    await using folder = await tempShare({ "big.bin": "mine" });
    const path = join(folder.path, "big.bin");
    const permissions = ["--allow-read=.", "--allow-write=."];
    const args = ["--limit-rate", "1M", relay.address];
    await using terminal = await Tmux.open(args, {
      ...{ permissions, cwd: folder.path },
      ...SIZE,
    });
    const save = async (...answers: readonly string[]) => {
      await terminal.type("sub/big.bin");
      await terminal.press("Enter");
      await terminal.shows("print or save it?");
      await terminal.press("s", "Enter");
      for (const answer of answers) {
        await terminal.type(answer);
        await terminal.press("Enter");
      }
    };
    await terminal.shows("file name:");
    await terminal.press("Enter");
    await terminal.shows("> sub/big.bin");
    await terminal.press("Enter");
    await terminal.shows("print or save it?");
    await terminal.press("s", "Enter");
    await terminal.shows("Enter takes big.bin, q goes back):");
    await terminal.press("Enter");
    await terminal.shows(
      "big.bin exists; replace it? (y replaces, Enter leaves it):",
    );
    await terminal.press("n", "Enter");
    await terminal.shows("not saved");
    assertEquals(await Deno.readTextFile(path), "mine");

    await save("missing/b");
    await terminal.shows("error: Cannot save to (missing): no such folder");

    await save("", "y");
    await terminal.until((rows) =>
      rows.some((row) => /big\.bin.*\d %/.test(row))
    );
    await terminal.shows("saved big.bin, 1280000 bytes, from");
    assertEquals(await Deno.readTextFile(path), content);
    await terminal.shows("q leaves):");
    await terminal.press("q", "Enter");
    await terminal.shows("left with 0, terminal as before");
    const left = (await Array.fromAsync(Deno.readDir(folder.path)))
      .map(({ name }) => name);
    assertEquals(left, ["big.bin"], "nothing is left behind");
  },
);

testWith(
  TMUX,
  "Names that hide something stand escaped in the list, and contents that differ are told",
  async () => {
    await using relay = await relayHere();
    await using one = await tempShare({
      "\u00e9\u200d.txt": "1",
      "c.txt": "1",
    });
    await using two = await tempShare({ "c.txt": "two" });
    await using _alpha = await nodeHere(relay, one.path);
    await using _beta = await nodeHere(relay, two.path);
    await using terminal = await Tmux.open([relay.address], SIZE);
    await terminal.shows("file name:");
    await terminal.press("Enter");
    const rows = await terminal.shows("2 nodes, differ");
    assertMatch(rows[2]!, /^> c\.txt .* (1 byte|3 bytes) {2}2 nodes, differ$/);
    assertMatch(
      rows[3]!,
      /^ {2}\u00e9\\u\{200d\}\.txt .* 1 byte {2}only 1 node$/,
    );
    await terminal.press("C-c");
    await terminal.shows("q leaves):");
    await terminal.press("C-c");
    await terminal.shows("left with 130, terminal as before");
  },
);

testWith(
  TMUX,
  "What fails is told, and asked for again; what is no text is not poured out",
  async () => {
    await using relay = await relayHere();
    await using _node = await nodeHere(relay, "files/three");
    await using folder = await tempShare();
    // Saving is offered only where the client may save.
    const permissions = ["--allow-read=.", "--allow-write=."];
    await using terminal = await Tmux.open([relay.address], {
      ...{ permissions, cwd: folder.path },
      ...SIZE,
    });
    await terminal.shows("file name:");
    await terminal.press("Enter");
    await terminal.shows("2 of 2 files");
    await terminal.type("png");
    await terminal.shows("1 of 2 files");
    await terminal.press("Enter");
    await terminal.shows("print or save it?");
    await terminal.press("p", "Enter");
    await terminal.shows("save it as (Enter takes relay.png, q goes back):");
    await terminal.press("q", "Enter");
    await terminal.shows("error: Cannot show file (pictures/relay.png)");
    await terminal.shows("q leaves):");
    await terminal.type("nowhere.txt");
    await terminal.press("Enter");
    await terminal.until((rows) =>
      rows.findLast((row) => row !== "")?.startsWith("print or save") ?? false
    );
    await terminal.press("p", "Enter");
    await terminal.shows("error: Cannot find file (nowhere.txt)");
    await terminal.until((rows) =>
      rows.findLast((row) => row !== "")?.startsWith("file name (Enter") ??
        false
    );
    await terminal.press("q", "Enter");
    await terminal.shows("left with 0, terminal as before");
  },
);

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
    await terminal.shows("q leaves):");
    await terminal.press("q", "Enter");
    await terminal.shows("left with 0, terminal as before");
  },
);
