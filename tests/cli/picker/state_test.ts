import { assertEquals } from "@std/assert";
import type { Key, KeyName } from "../../../lib/cli/picker/keys.ts";
import {
  type KeyOutcome,
  Picker,
  type Size,
} from "../../../lib/cli/picker/state.ts";
import { filesOf } from "../_picker_files.ts";

const WIDE: Size = { columns: 60, rows: 6 };
const NARROW: Size = { columns: 20, rows: 5 };

function open(
  files: ReturnType<typeof filesOf>,
  size = NARROW,
  nodeCount = 2,
): Picker {
  return new Picker(files, { size, nodeCount });
}

/** The rows as they would stand on the screen. */
function rowsOf(picker: Picker): string[] {
  return picker.frame().rows.map(({ spans }) =>
    spans.map(({ text }) => text).join("")
  );
}

/** Presses keys: names in `<>`, everything else as text. */
function press(picker: Picker, typed: string): KeyOutcome {
  let outcome: KeyOutcome = { kind: "open" };
  for (const [word] of typed.matchAll(/<\w+>|[^<]+/g)) {
    const key: Key = word.startsWith("<")
      ? { kind: "key", name: word.slice(1, -1) as KeyName }
      : { kind: "text", text: word };
    outcome = picker.press(key);
  }
  return outcome;
}

function marked(picker: Picker): string {
  return rowsOf(picker).find((_, at) => picker.frame().rows[at]!.isMarked) ??
    "";
}

Deno.test("Picker shows what was typed, how many match, and the files with size and nodes", () => {
  const picker = open(
    filesOf("a.txt", ["photos/b.jpg", { size: 1_234_567, nodeCount: 3 }], [
      "c.txt",
      { nodeCount: 1 },
    ], ["d.txt", { differs: true, size: 0 }]),
    WIDE,
  );
  assertEquals(rowsOf(picker), [
    "> ",
    "  4 of 4 files  Enter picks, Esc goes back",
    "> a.txt                            17 bytes  2 nodes        ",
    "  photos/b.jpg                       1.2 MB  3 nodes        ",
    "  c.txt                            17 bytes  only 1 node    ",
    "  d.txt                             0 bytes  2 nodes, differ",
  ]);
  assertEquals(picker.frame().cursor, { column: 2, row: 0 });
  press(picker, "tx");
  assertEquals(rowsOf(picker).slice(0, 3), [
    "> tx",
    "  3 of 4 files  Enter picks, Esc goes back",
    "> a.txt                            17 bytes  2 nodes        ",
  ]);
  assertEquals(picker.frame().cursor, { column: 4, row: 0 });
});

Deno.test("Picker warns of files on a single node only if there are several nodes", () => {
  const files = filesOf(["a.txt", { nodeCount: 1 }]);
  const styles = (nodeCount: number) =>
    open(files, WIDE, nodeCount).frame().rows[2]!.spans.at(-1);
  assertEquals(styles(1)?.style, "dim");
  assertEquals(styles(1)?.text.trim(), "17 bytes  1 node");
  assertEquals(styles(2)?.style, "warning");
});

Deno.test("Picker emphasises the matched characters", () => {
  const picker = open(filesOf("letter.txt"));
  press(picker, "ltr");
  assertEquals(
    picker.frame().rows[2]!.spans.map(({ text, style }) => [text, style]),
    [
      ["> ", "plain"],
      ["l", "match"],
      ["e", "plain"],
      ["t", "match"],
      ["te", "plain"],
      ["r", "match"],
      [".txt", "plain"],
    ],
  );
});

Deno.test("Picker on a narrow terminal shows size and nodes of the marked file, and warns with a mark", () => {
  const picker = open(filesOf("a", ["b", { nodeCount: 1 }], "c", "d"));
  assertEquals(rowsOf(picker), [
    "> ",
    "4 of 4  17 bytes, 2…",
    "> a",
    " !b",
    "  c",
  ]);
  press(picker, "<down>");
  assertEquals(marked(picker), ">!b");
});

for (
  const [size, rows] of [
    [{ columns: 20, rows: 2 }, ["> ", "> a"]],
    [{ columns: 20, rows: 1 }, ["> "]],
    [{ columns: 3, rows: 3 }, ["> ", "2 …", "> a"]],
    [{ columns: 1, rows: 3 }, [">", "…", ">"]],
  ] as const
) {
  Deno.test(`Picker fits into ${size.columns}×${size.rows}`, () => {
    const picker = open(filesOf("a", "b"), size);
    assertEquals(rowsOf(picker), [...rows]);
    assertEquals(picker.frame().cursor.column < size.columns, true);
  });
}

Deno.test("Picker moves the mark, and the list with it", () => {
  const names = Array.from({ length: 9 }, (_, n) => `file ${n}`);
  const picker = open(filesOf(...names));
  for (
    const [keys, expected, seen] of [
      ["<up>", 0, [0, 1, 2]],
      ["<down>", 1, [0, 1, 2]],
      ["<ctrl_n><ctrl_n>", 3, [1, 2, 3]],
      ["<ctrl_p>", 2, [1, 2, 3]],
      ["<page_down>", 5, [3, 4, 5]],
      ["<page_down>", 8, [6, 7, 8]],
      ["<page_down>", 8, [6, 7, 8]],
      ["<page_up>", 5, [5, 6, 7]],
      ["<home>", 0, [0, 1, 2]],
      ["<end>", 8, [6, 7, 8]],
      ["<down>", 8, [6, 7, 8]],
    ] as const
  ) {
    press(picker, keys);
    assertEquals(marked(picker), `> file ${expected}`, keys);
    assertEquals(
      rowsOf(picker).slice(2).map((row) => Number(row.at(-1))),
      [...seen],
      keys,
    );
  }
});

Deno.test("Picker returns the marked file on Enter, and none if none matches", () => {
  const picker = open(filesOf("a", "b", "c"));
  press(picker, "zz");
  assertEquals(press(picker, "<enter>"), { kind: "open" });
  assertEquals(rowsOf(picker), ["> zz", "0 of 3"]);
  press(picker, "<ctrl_u><down>");
  const outcome = press(picker, "<enter>");
  assertEquals(outcome.kind === "picked" && outcome.file.name, "b");
});

for (const key of ["escape", "ctrl_c", "ctrl_d", "ctrl_g"]) {
  Deno.test(`Picker quits on ${key}`, () => {
    assertEquals(press(open(filesOf("a")), `x<${key}>`), { kind: "left" });
  });
}

Deno.test("Picker edits what was typed, character by character and word by word", () => {
  const picker = open(filesOf("a"), WIDE);
  for (
    const [keys, expected] of [
      ["one two  ", "> one two  "],
      ["<ctrl_w>", "> one "],
      ["😀é<backspace>", "> one 😀"],
      ["<backspace><backspace>", "> one"],
      ["<ctrl_u><backspace>", "> "],
      ["<tab><left><right><delete><ctrl_x>", "> "],
    ] as const
  ) {
    press(picker, keys);
    assertEquals(rowsOf(picker)[0], expected);
  }
});

Deno.test("Picker takes no more than 200 characters, and shows their end", () => {
  const picker = open(filesOf("a"));
  press(picker, "x".repeat(300) + "<backspace>yz");
  assertEquals(rowsOf(picker)[0], `> …${"x".repeat(15)}y`);
  press(picker, "<backspace>".repeat(200));
  assertEquals(rowsOf(picker)[0], "> ");
});

Deno.test("Picker escapes names and what was typed, and cuts them by columns from the left", () => {
  const picker = open(
    filesOf("a\x1b[2J\u202ebcd", "日本語日本語日本語日本.txt"),
  );
  assertEquals(
    rowsOf(picker).slice(2),
    [
      "> …[2J\\u{202e}bcd",
      "  …語日本語日本.txt",
    ].map((row) => row),
  );
  press(picker, "\x1b日");
  assertEquals(rowsOf(picker)[0], "> \\x1b日");
  assertEquals(picker.frame().cursor.column, 8);
});

Deno.test("Picker keeps the mark in sight when the terminal changes its size", () => {
  const names = Array.from({ length: 9 }, (_, n) => `file ${n}`);
  const picker = open(filesOf(...names), { columns: 20, rows: 9 });
  press(picker, "<down><down><down><down><down><down>");
  picker.resize({ columns: 20, rows: 4 });
  assertEquals(rowsOf(picker).slice(2), ["  file 5", "> file 6"]);
  picker.resize({ columns: 20, rows: 30 });
  assertEquals(rowsOf(picker).length, 11);
  assertEquals(marked(picker), "> file 6");
});

Deno.test("Picker answers a key within one slice, and finds the rest afterwards", () => {
  const names = Array.from({ length: 120_000 }, (_, n) => `n${n}`);
  const picker = open(filesOf(...names), { columns: 40, rows: 4 });
  press(picker, "n");
  assertEquals(picker.isSearching, true);
  assertEquals(rowsOf(picker)[1]?.slice(0, 17), "50000… of 120000 ");
  picker.work();
  picker.work();
  assertEquals(picker.isSearching, false);
  assertEquals(rowsOf(picker)[1]?.slice(0, 17), "120000 of 120000 ");
});
