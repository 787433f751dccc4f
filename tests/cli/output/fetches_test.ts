import { assertEquals } from "@std/assert";
import {
  formatRunning,
  formatSent,
  formatSummary,
} from "../../../lib/cli/output/fetches.ts";
import { widthOf } from "../../../lib/cli/output/width.ts";
import type { RunningFetch } from "../../../lib/node/fetch_types.ts";

const FETCH = {
  name: "holiday photos.zip",
  to: "192.0.2.7",
  files: 1,
  bytes: 40e6,
  size: 100e6,
  bytesPerSecond: 12e6,
};
const { name: _name, size: _size, ...MANY } = { ...FETCH, files: 1_234 };

for (
  const [columns, fetch, line] of [
    [79, FETCH, "holiday photos.zip to 192.0.2.7, 12.0 MB/s, 40 %"],
    [39, FETCH, "…otos.zip to 192.0.2.7, 12.0 MB/s, 40 %"],
    [30, FETCH, "…photos.zip to 192.0.2.7, 40 %"],
    [15, FETCH, "…otos.zip, 40 %"],
    [6, FETCH, "holid…"],
    [79, MANY, "1234 files to 192.0.2.7, 12.0 MB/s"],
    [
      39,
      { ...FETCH, name: "a.txt", bytesPerSecond: 0 },
      "a.txt to 192.0.2.7, waiting, 40 %",
    ],
    [
      39,
      { ...FETCH, size: 0, bytes: 0 },
      "…day photos.zip to 192.0.2.7, 12.0 MB/s",
    ],
  ] as [number, RunningFetch, string][]
) {
  Deno.test(`formatRunning shows a fetch in ${columns} columns: ${line}`, () => {
    assertEquals(formatRunning([fetch], { columns, lines: 5 }), [line]);
  });
}

Deno.test("formatRunning shows a limited number of fetches, and how many more there are", () => {
  const running = Array.from({ length: 9 }, (_, n) => ({
    ...{ ...FETCH, name: `${n}` },
  }));
  const options = { columns: 79, lines: 5 };
  const lines = formatRunning(running, options);
  assertEquals(lines.length, 5);
  assertEquals(lines[0], "0 to 192.0.2.7, 12.0 MB/s, 40 %");
  assertEquals(lines[4], "and 5 more, 60.0 MB/s");
  assertEquals(formatRunning(running.slice(4), options).length, 5);
  assertEquals(formatRunning(running, { columns: 79, lines: 1 }), [
    "and 9 more, 108 MB/s",
  ]);
  assertEquals(formatRunning([], options), []);
});

Deno.test("formatRunning uses at most its columns, and escapes text of strangers", () => {
  const fetch = { ...FETCH, name: "写真\x1b[2J.jpg", to: "\x1b[2J192.0.2.7" };
  for (let columns = 0; columns <= 120; columns++) {
    for (const line of formatRunning([fetch, fetch], { columns, lines: 1 })) {
      assertEquals(widthOf(line) <= columns, true, line);
    }
    const [line = ""] = formatRunning([fetch], { columns, lines: 5 });
    assertEquals(widthOf(line) <= columns, true, line);
    assertEquals(line.includes("\x1b"), false);
  }
});

for (
  const [sent, line] of [
    [
      { to: "192.0.2.7", name: "report.pdf", bytes: 100e6, ms: 5_000 },
      "sent report.pdf to 192.0.2.7: 100 MB in 5.00 s (20.0 MB/s)",
    ],
    [
      { to: "\x1b[2J", name: "a", bytes: 40, size: 100, ms: 12_345 },
      "sent 40 % of a to \\x1b[2J: 40 bytes in 12.3 s (3 bytes/s)",
    ],
    [
      { to: "192.0.2.7", files: 9_996, bytes: 40e6, ms: 7_200_000 },
      "sent 9996 files to 192.0.2.7: 40.0 MB in 2:00:00 (5.6 KB/s)",
    ],
    [
      { clients: 12, files: 99, bytes: 6, ms: 49 },
      "sent 99 files to 12 clients: 6 bytes in 0.05 s",
    ],
  ] as const
) {
  Deno.test(`formatSent prints: ${line}`, () => {
    assertEquals(formatSent(sent), line);
  });
}

for (
  const [summary, line] of [
    [{}, "nothing was fetched, in 1:05"],
    [
      { files: 1, clients: 1, bytes: 6, refused: [] },
      "sent 1 file, 6 bytes, to 1 client, in 1:05",
    ],
    [
      {
        ...{ files: 12, clients: 10_000, isMore: true, bytes: 1.2e9 },
        refused: [
          { reason: "idle", count: 3 },
          { reason: "unauthorized", count: 1 },
        ],
      },
      "sent 12 files, 1.2 GB, to over 10000 clients, in 1:05; " +
      "refused 4: 3 idle, 1 unauthorized",
    ],
  ] as const
) {
  Deno.test(`formatSummary prints: ${line}`, () => {
    const nothing = { files: 0, clients: 0, isMore: false, bytes: 0 };
    const rest = { seconds: 65, refused: [] };
    assertEquals(formatSummary({ ...nothing, ...rest, ...summary }), line);
  });
}
