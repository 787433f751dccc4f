/**
 * Ranges and conditions of RFC 9110, with the clients that need each.
 */

import { assertEquals } from "@std/assert";
import { type Extent, extentOf } from "../../lib/http/ranges.ts";

const MODIFIED = Date.UTC(2026, 10, 28, 12, 0, 0, 700);
const SAME = new Date(MODIFIED).toUTCString();
const EARLIER = new Date(MODIFIED - 60_000).toUTCString();
const LATER = new Date(MODIFIED + 60_000).toUTCString();
const STRONG = { etag: '"one"', modifiedMs: MODIFIED };
const WEAK = { etag: 'W/"one"', modifiedMs: MODIFIED };
const WHOLE: Extent = { kind: "whole" };
const part = (start: number, end: number): Extent => ({
  kind: "part",
  start,
  end,
});

function ask(
  fields: Readonly<Record<string, string>>,
  { size = 1000, file = STRONG, method = "GET" } = {},
): Extent {
  const headers = new Map(Object.entries(fields));
  return extentOf({ method, headers }, size, file);
}

for (
  const [who, range, wanted] of [
    ["curl -C - goes on behind 5 bytes", "bytes=5-", part(5, 1000)],
    ["wget -c has all of it", "bytes=1000-", { kind: "none" }],
    [
      "aria2c -x8 asks for the second of eight parts",
      "bytes=125-249",
      part(125, 250),
    ],
    ["mpv reads the end of an mp4", "bytes=-500", part(500, 1000)],
    ["ffprobe reads from the start", "bytes=0-", part(0, 1000)],
    ["a range that ends behind the file", "bytes=900-5000", part(900, 1000)],
    ["a suffix longer than the file", "bytes=-5000", part(0, 1000)],
    ["a suffix of nothing", "bytes=-0", { kind: "none" }],
    ["one byte", "bytes=0-0", part(0, 1)],
    ["the unit in capitals, with spaces", "Bytes = 1 - 2", part(1, 3)],
    ["several ranges", "bytes=0-1,5-6", WHOLE],
    ["a backward range", "bytes=5-2", WHOLE],
    ["no number", "bytes=a-b", WHOLE],
    ["no range", "bytes=-", WHOLE],
    ["another unit", "lines=1-2", WHOLE],
    ["numbers beyond all files", "bytes=9999999999999999999999-", {
      kind: "none",
    }],
  ] as const
) {
  Deno.test(`Range ${JSON.stringify(range)}: ${who}`, () => {
    assertEquals(ask({ range }), wanted);
  });
}

Deno.test("Range with many spaces is read, or means the whole file, in time by its length", () => {
  const spaces = " ".repeat(1 << 16); // the cube of it would take years
  const padded = (first: string, last: string) =>
    ask({ range: `bytes${spaces}=${spaces}${first}-${spaces}${last}` });
  assertEquals(padded(`1${spaces}`, `2${spaces}`), part(1, 3));
  assertEquals(padded("", "x"), WHOLE);
  assertEquals(padded(spaces, `${spaces}x`), WHOLE);
});

Deno.test("Range of an empty file, and with other methods", () => {
  assertEquals(ask({ range: "bytes=0-" }, { size: 0 }), { kind: "none" });
  assertEquals(ask({ range: "bytes=-5" }, { size: 0 }), WHOLE);
  assertEquals(ask({ range: "bytes=0-4" }, { method: "HEAD" }), part(0, 5));
  assertEquals(ask({ range: "bytes=0-4" }, { method: "PROPFIND" }), WHOLE);
});

for (
  const [condition, file, wanted] of [
    ['"one"', STRONG, part(5, 10)],
    ['"other"', STRONG, WHOLE],
    ['W/"one"', STRONG, WHOLE],
    ['"one"', WEAK, WHOLE],
    ['W/"one"', WEAK, WHOLE],
    [SAME, STRONG, part(5, 10)],
    [EARLIER, STRONG, WHOLE],
    [LATER, STRONG, WHOLE],
    ["yesterday", STRONG, WHOLE],
  ] as const
) {
  Deno.test(`If-Range ${condition} of ${file.etag}: no part of another file than the client has`, () => {
    const fields = { range: "bytes=5-9", "if-range": condition };
    assertEquals(ask(fields, { file }), wanted);
  });
}

for (
  const [fields, file, kind] of [
    [{ "if-none-match": '"one"' }, STRONG, "unchanged"],
    [{ "if-none-match": 'W/"one"' }, STRONG, "unchanged"],
    [{ "if-none-match": '"one"' }, WEAK, "unchanged"],
    [{ "if-none-match": '"other", W/"one"' }, STRONG, "unchanged"],
    [{ "if-none-match": "*" }, STRONG, "unchanged"],
    [{ "if-none-match": '"other"' }, STRONG, "whole"],
    [{ "if-none-match": "one" }, STRONG, "whole"],
    [{ "if-modified-since": SAME }, STRONG, "unchanged"],
    [{ "if-modified-since": EARLIER }, STRONG, "whole"],
    [{ "if-modified-since": LATER }, STRONG, "unchanged"],
    [
      { "if-none-match": '"other"', "if-modified-since": LATER },
      STRONG,
      "whole",
    ],
    [{ "if-match": '"one"' }, STRONG, "whole"],
    [{ "if-match": "*" }, STRONG, "whole"],
    [{ "if-match": '"other"' }, STRONG, "changed"],
    [{ "if-match": 'W/"one"' }, STRONG, "changed"],
    [{ "if-match": 'W/"one"' }, WEAK, "changed"],
    [{ "if-unmodified-since": EARLIER }, STRONG, "changed"],
    [{ "if-unmodified-since": SAME }, STRONG, "whole"],
  ] as const
) {
  Deno.test(`${JSON.stringify(fields)} of ${file.etag}: ${kind}`, () => {
    assertEquals(ask(fields, { file }).kind, kind);
  });
}
