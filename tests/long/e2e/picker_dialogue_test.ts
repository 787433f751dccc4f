/**
 * The dialogue with its list, on real terminals: what is typed, shown and saved.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { nodeHere, relayHere } from "../../_scenery.ts";
import { tempShare } from "../../_temp_share.ts";
import { testWith } from "../../_tools.ts";
import { commandLine } from "../../e2e/_processes.ts";
import { Tmux } from "../../e2e/_terminal.ts";
import {
  demo,
  EXPECT,
  NO_NAME,
  plainTranscript,
  SIZE,
  TMUX,
} from "../../e2e/_picker.ts";

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
    const printed = await terminal.shows("q quits):");
    const at = printed.indexOf("17  1 node   only    2.txt");
    assertEquals(printed.slice(at, at + 8), [
      "17  1 node   only    2.txt",
      "print or save it? (Enter prints, s saves, q goes back):",
      `node 1  127.0.0.1:${place.alpha.port}  connected, file not found`,
      `node 2  127.0.0.1:${place.beta.port}  connected, file found, 17 bytes`,
      "I am Text file 2",
      "received 17 bytes, remaining 0 bytes",
      "file transfer successful from node 2 (beta)",
      "file name (Enter lists again, q quits):",
    ]);
    // Enter means the same wherever a name is asked for.
    await terminal.press("Enter");
    await terminal.shows("4 of 4 files");
    await terminal.press("Escape");
    await terminal.until((rows) =>
      rows.filter((row) => row.endsWith("q quits):")).length === 2
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
    await terminal.shows("q quits):");
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
      "big.bin exists; replace it? (y replaces, Enter keeps it):",
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
    await terminal.shows("q quits):");
    await terminal.press("q", "Enter");
    await terminal.shows("left with 0, terminal as before");
    const left = (await Array.fromAsync(Deno.readDir(folder.path)))
      .map(({ name }) => name);
    assertEquals(left, ["big.bin"], "nothing is left behind");
  },
);

testWith(
  TMUX,
  "Names that hide something stand escaped in the list, and different contents are reported",
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
    await terminal.shows("q quits):");
    await terminal.press("C-c");
    await terminal.shows("left with 130, terminal as before");
  },
);

testWith(
  TMUX,
  "What fails is reported, and asked for again; what is no text is not poured out",
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
    await terminal.shows("q quits):");
    await terminal.type("nowhere.txt");
    await terminal.press("Enter");
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
  TMUX,
  "A typed name that is in no list is reported at once, and the dialogue goes on",
  async () => {
    await using place = await demo();
    await using terminal = await Tmux.open([place.relay.address], SIZE);
    await terminal.shows("file name:");
    await terminal.press("Enter");
    await terminal.shows("4 of 4 files");
    await terminal.press("Escape");
    await terminal.shows("q quits):");
    await terminal.type("zzz");
    await terminal.press("Enter");
    const shown = await terminal.shows("check the name");
    assertEquals(shown.some((row) => row.includes("print or save")), false);
    await terminal.until((rows) =>
      rows.filter((row) => row.startsWith("file name (")).length === 2
    );
    await terminal.type("2.txt");
    await terminal.press("Enter");
    await terminal.shows("print or save it?");
    await terminal.press("q", "Enter");
    await terminal.until((rows) =>
      rows.filter((row) => row.startsWith("file name (")).length === 3
    );
    await terminal.press("q", "Enter");
    await terminal.shows("left with 0, terminal as before");
  },
);
