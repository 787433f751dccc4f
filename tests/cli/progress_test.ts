import { assertEquals } from "@std/assert";
import {
  formatBytes,
  formatProgress,
  formatSeconds,
} from "../../lib/cli/progress.ts";

for (
  const [bytes, words] of [
    [0, "0 bytes"],
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

Deno.test("formatProgress tells part, amount, rate, time left and nodes, and files where there are several", () => {
  const progress = {
    received: 25e6,
    total: 100e6,
    bytesPerSecond: 5e6,
    paths: { direct: 25e6, tunnel: 0 },
    files: 0,
    fileCount: 1,
    nodes: 1,
  };
  assertEquals(
    formatProgress(progress),
    " 25 %  25.0 MB of 100 MB  5.0 MB/s  0:15 left  1 node",
  );
  assertEquals(
    formatProgress({ ...progress, files: 3, fileCount: 7, nodes: 2 }),
    " 25 %  25.0 MB of 100 MB  3 of 7 files  5.0 MB/s  0:15 left  2 nodes",
  );
  assertEquals(
    formatProgress({ ...progress, received: 0, total: 0, bytesPerSecond: 0 }),
    "  0 %  0 bytes of 0 bytes  0 bytes/s  waiting  1 node",
  );
});

Deno.test("formatProgress says how much came through the relay, where some did", () => {
  const progress = {
    received: 600,
    total: 1000,
    bytesPerSecond: 100,
    paths: { direct: 500, tunnel: 100 },
    files: 0,
    fileCount: 1,
    nodes: 2,
  };
  assertEquals(
    formatProgress(progress),
    " 60 %  600 bytes of 1.0 KB  100 bytes/s  0:04 left  2 nodes  100 bytes through the relay",
  );
});
