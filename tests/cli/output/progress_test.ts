import { assertEquals } from "@std/assert";
import type { Progress } from "../../../lib/client/events.ts";
import { formatProgress } from "../../../lib/cli/output/progress.ts";
import { formatBytes, formatSeconds } from "../../../lib/base/units.ts";
import { widthOf } from "../../../lib/cli/output/width.ts";

for (
  const [bytes, words] of [
    [0, "0 bytes"],
    [1, "1 byte"],
    [0.6, "1 byte"],
    [2, "2 bytes"],
    [999, "999 bytes"],
    [1_000, "1.0 KB"],
    [99_949, "99.9 KB"],
    [99_950, "100 KB"],
    [999_499, "999 KB"],
    [999_500, "1.0 MB"],
    [20e9, "20.0 GB"],
    [2 ** 40, "1.1 TB"],
    [5e15, "5000 TB"],
  ] as const
) {
  Deno.test(`formatBytes says ${words} for ${bytes}`, () => {
    assertEquals(formatBytes(bytes), words);
  });
}

for (
  const [seconds, words] of [
    [0, "0:00"],
    [59.4, "0:59"],
    [59.6, "1:00"],
    [3_599, "59:59"],
    [3_600, "1:00:00"],
    [90_061, "25:01:01"],
    [-1, "0:00"],
  ] as const
) {
  Deno.test(`formatSeconds says ${words} for ${seconds}`, () => {
    assertEquals(formatSeconds(seconds), words);
  });
}

const ALONE: Progress = {
  received: 25e6,
  total: 100e6,
  isWhole: true,
  name: "pictures/2024/disk.img",
  bytesPerSecond: 5e6,
  secondsLeft: 15,
  paths: { direct: 25e6, tunnel: 0 },
  files: 0,
  filesStarted: 1,
  fileCount: 1,
  nodes: 2,
};
const SWARM: Progress = { ...ALONE, swarm: { holders: 6, bytes: 21e6 } };
const { secondsLeft: _, ...UNKNOWN } = ALONE;
const MANY: Progress = { ...ALONE, files: 3, fileCount: 60 };
const CHINESE: Progress = { ...MANY, name: "写真/二〇二四年/休み.jpg" };
const OPEN: Progress = { ...MANY, isWhole: false, fileCount: 256 };
const HUGE: Progress = {
  ...MANY,
  received: 12.3e9,
  total: 456e9,
  files: 12_345,
  fileCount: 100_000,
  bytesPerSecond: 123e6,
  secondsLeft: 7_200,
};

for (
  const [what, progress, columns, line] of [
    [
      "name, bar, part, bytes, rate, time left and nodes",
      ALONE,
      120,
      "pictures/2024/disk.img  [======>                       ]   25 %  " +
      "25.0 of 100 MB  5.0 MB/s  0:15 left  2 nodes",
    ],
    [
      "the end of a long name",
      ALONE,
      79,
      "…2024/disk.img  [=>      ]   25 %  25.0 of 100 MB  5.0 MB/s  " +
      "0:15 left  2 nodes",
    ],
    [
      "a wide name, to the column",
      { ...ALONE, name: "写真/二〇二四年/休み.jpg" },
      79,
      "…四年/休み.jpg  [=>      ]   25 %  25.0 of 100 MB  5.0 MB/s  " +
      "0:15 left  2 nodes",
    ],
    [
      "files where they are several",
      MANY,
      79,
      "…2024/disk.img   25 %  25.0 of 100 MB  3/60 files  5.0 MB/s  " +
      "0:15 left  2 nodes",
    ],
    ["what matters most", ALONE, 39, " 25 %  25.0/100 MB  5.0 MB/s  0:15"],
    ["part and time left alone", MANY, 19, " 25 %  0:15"],
    [
      "no time left that is not known, and keeps its place",
      UNKNOWN,
      79,
      "…2024/disk.img  [=>      ]   25 %  25.0 of 100 MB  5.0 MB/s  " +
      "           2 nodes",
    ],
    ["the rate where no time is known", UNKNOWN, 19, " 25 %  5.0 MB/s"],
    [
      "that it waits",
      { ...UNKNOWN, received: 9e5, bytesPerSecond: 0 },
      32,
      "  0 %  900 KB/100 MB  waiting",
    ],
    [
      "what came through the relay, where there is room",
      { ...ALONE, paths: { direct: 0, tunnel: 5e6 } },
      120,
      "pictures/2024/disk.img  [==>            ]   25 %  25.0 of 100 MB  " +
      "5.0 MB/s  0:15 left  2 nodes  5.0 MB through the relay",
    ],
    [
      "one byte of several",
      { ...UNKNOWN, received: 1, total: 17, bytesPerSecond: 1 },
      28,
      "  5 %  1/17 bytes  1 byte/s",
    ],
    [
      "several bytes of which more will follow",
      { ...UNKNOWN, received: 0, total: 1, bytesPerSecond: 0, isWhole: false },
      70,
      "pictures/2024/disk.img  0 of 1+ byte  waiting             2 nodes",
    ],
    [
      "no part of nothing",
      { ...UNKNOWN, received: 0, total: 0, bytesPerSecond: 0 },
      14,
      "  0 %  waiting",
    ],
  ] as const
) {
  Deno.test(`formatProgress shows ${what} in ${columns} columns`, () => {
    assertEquals(formatProgress(progress, columns), line);
  });
}

// The last column of a terminal stays free.
for (
  const [what, progress, lines] of [
    ["one file", ALONE, {
      100: "pictures/2024/disk.img  [====>               ]   25 %  " +
        "25.0 of 100 MB  5.0 MB/s  0:15 left  2 nodes",
      50: "[=>         ]   25 %  25.0/100 MB  5.0 MB/s  0:15",
      40: " 25 %  25.0/100 MB  5.0 MB/s  0:15",
      20: " 25 %  0:15",
    }],
    ["several files", MANY, {
      100: "…ures/2024/disk.img  [=>      ]   25 %  25.0 of 100 MB  " +
        "3 of 60 files  5.0 MB/s  0:15 left  2 nodes",
      50: " 25 %  25.0/100 MB  3/60 files  5.0 MB/s  0:15",
      40: " 25 %  25.0/100 MB  5.0 MB/s  0:15",
      20: " 25 %  0:15",
    }],
    ["wide names", CHINESE, {
      100: "…〇二四年/休み.jpg  [=>      ]   25 %  25.0 of 100 MB  " +
        "3 of 60 files  5.0 MB/s  0:15 left  2 nodes",
      80: "…四年/休み.jpg   25 %  25.0 of 100 MB  3/60 files  5.0 MB/s  " +
        "0:15 left  2 nodes",
      50: " 25 %  25.0/100 MB  3/60 files  5.0 MB/s  0:15",
    }],
    ["many large files", HUGE, {
      100: "…isk.img  [        ]    2 %  12.3 of 456 GB  " +
        "12345 of 100000 files  123 MB/s  2:00:00 left  2 nodes",
      50: "…/disk.img    2 %  12.3/456 GB  123 MB/s  2:00:00",
      40: "  2 %  12.3/456 GB  123 MB/s  2:00:00",
      20: "  2 %  2:00:00",
    }],
    ["files of which more will follow", OPEN, {
      50: "…4/disk.img  25.0/100+ MB  3/256+ files  5.0 MB/s",
      40: "25.0/100+ MB  3/256+ files  5.0 MB/s",
    }],
  ] as const
) {
  Deno.test(`formatProgress shows ${what} on terminals of any width`, () => {
    const { secondsLeft: _, ...open } = progress;
    for (const [columns, line] of Object.entries(lines)) {
      const printed = progress.isWhole ? progress : open;
      assertEquals(formatProgress(printed, Number(columns) - 1), line, columns);
    }
  });
}

Deno.test("formatProgress uses at most its columns, however few", () => {
  for (const progress of [ALONE, UNKNOWN, MANY, CHINESE, OPEN, HUGE]) {
    for (let columns = 0; columns <= 200; columns++) {
      const width = widthOf(formatProgress(progress, columns));
      assertEquals(width <= columns, true, `${width} of ${columns}`);
    }
  }
});

Deno.test("formatProgress escapes the name", () => {
  const name = "a\x1b[2J.txt";
  assertEquals(
    formatProgress({ ...ALONE, name }, 120).split("  ")[0],
    "a\\x1b[2J.txt",
  );
});

Deno.test("formatProgress shows how many other machines send, and how much came from the swarm", () => {
  const wide = formatProgress(SWARM, 160);
  assertEquals(
    wide.includes("  2 nodes, 6 machines  21.0 MB from the swarm"),
    true,
    wide,
  );
  const usual = formatProgress(SWARM, 79);
  assertEquals(widthOf(usual) <= 79, true, usual);
  assertEquals(usual.includes("2 nodes, 6 machines"), true, usual);
  assertEquals(formatProgress(ALONE, 160).includes("machine"), false);
});
