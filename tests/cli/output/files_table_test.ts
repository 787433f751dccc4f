import { assert, assertEquals } from "@std/assert";
import {
  type FileRow,
  formatFileRows,
  formatHolders,
  formatLongRows,
} from "../../../lib/cli/output/files_table.ts";
import { widthOf } from "../../../lib/cli/output/width.ts";

const TIME = Date.UTC(2024, 4, 6, 7, 8, 9, 10);

function row(parts: Partial<FileRow> & { name: string }): FileRow {
  return {
    bytes: 17,
    modifiedMs: TIME,
    holders: "nas",
    mark: "",
    isFolder: false,
    indent: 0,
    nodes: ["n".repeat(52)],
    ...parts,
  };
}

const ROWS = [
  row({ name: "a.txt", mark: "only" }),
  row({ name: "写真/長い名前のファイル.jpg", bytes: 16_800_000 }),
  row({
    name: "photos/2024/summer/holiday in the mountains/IMG_4001.JPG",
    holders: "nas,laptop,desktop +3",
    mark: "differs",
  }),
];

Deno.test("formatFileRows gives plain numbers and whole names without a terminal", () => {
  assertEquals([...formatFileRows(ROWS, { colours: false })], [
    "      17  2024-05-06T07:08  nas                    only     a.txt",
    "16800000  2024-05-06T07:08  nas                             写真/長い名前のファイル.jpg",
    "      17  2024-05-06T07:08  nas,laptop,desktop +3  differs  photos/2024/summer/holiday in the mountains/IMG_4001.JPG",
  ]);
});

Deno.test("formatFileRows gives sizes for people on a terminal, and cuts names at their start", () => {
  const rows = [...formatFileRows(ROWS, { columns: 80, colours: false })];
  assertEquals(
    rows.map((line) => line.replace(/\d{4}-\d\d-\d\d \d\d:\d\d/, "DATE")),
    [
      "17 bytes  DATE  nas                    only     a.txt",
      " 16.8 MB  DATE  nas                             …名前のファイル.jpg",
      "17 bytes  DATE  nas,laptop,desktop +3  differs  …ntains/IMG_4001.JPG",
    ],
  );
});

for (const columns of [200, 100, 80, 60, 40, 30, 20]) {
  Deno.test(`formatFileRows fits into ${columns} columns, with names of two columns a character`, () => {
    const rows = [...formatFileRows(ROWS, { columns, colours: false })];
    assertEquals(rows.length, ROWS.length);
    for (const line of rows) {
      assert(widthOf(line) <= columns, `${widthOf(line)}: ${line}`);
    }
    assert(rows[0]!.endsWith("a.txt"), rows[0]);
    assert(rows[2]!.endsWith("4001.JPG"), rows[2]);
    if (columns >= 40) assert(rows[2]!.includes("differs"), rows[2]);
  });
}

Deno.test("formatFileRows colours folders and marks, and nothing without colours", () => {
  const rows = [
    row({ name: "d/", isFolder: true }),
    row({ name: "a", mark: "only" }),
    row({ name: "b", mark: "differs" }),
  ];
  const coloured = [...formatFileRows(rows, { columns: 80, colours: true })];
  assertEquals(coloured.map((line) => line.split("nas")[1]), [
    "           \x1b[34md/\x1b[0m",
    "  \x1b[33monly   \x1b[0m  a",
    "  \x1b[31mdiffers\x1b[0m  b",
  ]);
  const plain = [...formatFileRows(rows, { columns: 80, colours: false })];
  assert(!plain.join("").includes("\x1b"));
});

Deno.test("formatFileRows escapes names and nodes, and shows invalid times as a dash", () => {
  const rows = [
    row({
      name: "a\x1b[2J",
      holders: formatHolders(["n\u202es"]),
      modifiedMs: 1e300,
    }),
  ];
  for (const columns of [undefined, 80]) {
    const [line = ""] = formatFileRows(rows, { columns, colours: false });
    assert(/^17.* {2}- {2,}n\\u\{202e\}s {2}a\\x1b\[2J$/.test(line), line);
  }
});

Deno.test("formatLongRows gives whole times, ids and content ids", () => {
  const content = "c".repeat(64);
  const rows = [
    row({ name: "a", content, mark: "only" }),
    row({ name: "b", bytes: 5, nodes: ["m".repeat(52), "n".repeat(52)] }),
  ];
  const [a, b] = [...formatLongRows(rows)];
  const [m, n] = ["m".repeat(52), "n".repeat(52)];
  assertEquals(
    a,
    `17  2024-05-06T07:08:09.010Z  ${content}  ${n.padEnd(105)}  only  a`,
  );
  assertEquals(
    b,
    ` 5  2024-05-06T07:08:09.010Z  ${"-".padEnd(64)}  ${m},${n}        b`,
  );
});

for (
  const [names, text] of [
    [["nas"], "nas"],
    [["a", "b", "c"], "a,b,c"],
    [["a", "b", "c", "d", "e"], "a,b,c +2"],
  ] as const
) {
  Deno.test(`formatHolders gives "${text}" for ${names.length} nodes`, () => {
    assertEquals(formatHolders(names), text);
  });
}
