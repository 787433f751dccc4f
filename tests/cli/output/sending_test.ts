import { assertEquals } from "@std/assert";
import {
  formatFetched,
  formatSending,
} from "../../../lib/cli/output/sending.ts";
import { widthOf } from "../../../lib/cli/output/width.ts";

const PROGRESS = {
  to: "192.0.2.7",
  name: "holiday photos.zip",
  bytes: 25e6,
  total: 100e6,
  ms: 5_000,
};

for (
  const [columns, others, line] of [
    [
      99,
      0,
      "holiday photos.zip  to 192.0.2.7  [======>                       ]   25 %  " +
      "25.0 of 100 MB  5.0 MB/s",
    ],
    [
      79,
      2,
      "…iday photos.zip  to 192.0.2.7  [=>      ]   25 %  25.0 of 100 MB  5.0 MB/s  +2",
    ],
    [49, 0, "…iday photos.zip   25 %  25.0 of 100 MB  5.0 MB/s"],
    [39, 0, "…tos.zip  to 192.0.2.7   25 %  5.0 MB/s"],
    [19, 0, " 25 %  5.0 MB/s"],
  ] as const
) {
  Deno.test(`formatSending tells of a fetch in ${columns} columns`, () => {
    assertEquals(formatSending(PROGRESS, { columns, others }), line);
  });
}

Deno.test("formatSending takes at most its columns, and escapes what others say", () => {
  const progress = { ...PROGRESS, name: "写真\x1b[2J.jpg" };
  for (let columns = 0; columns <= 120; columns++) {
    const line = formatSending(progress, { columns, others: 3 });
    assertEquals(widthOf(line) <= columns, true, line);
    assertEquals(line.includes("\x1b"), false);
  }
});

Deno.test("formatFetched tells of a complete fetch, and how many are left", () => {
  assertEquals(
    formatFetched(PROGRESS, 2),
    "sent holiday photos.zip to 192.0.2.7: 100 MB in 5.00 s (20.0 MB/s), 2 fetches left",
  );
  assertEquals(
    formatFetched({ ...PROGRESS, total: 6, ms: 0 }, 0),
    "sent holiday photos.zip to 192.0.2.7: 6 bytes in 0.00 s, the last fetch",
  );
});
