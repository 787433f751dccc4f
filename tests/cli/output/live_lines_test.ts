import { assertEquals } from "@std/assert";
import { cutLines, replaceLines } from "../../../lib/cli/output/live_lines.ts";

for (
  const [what, old, next, text] of [
    ["a first line", [], ["abc"], "\rabc"],
    ["a shorter line, without escape sequences", ["abc"], ["x"], "\rx  "],
    ["no line", ["abc"], [], "\r   \r"],
    ["two lines", ["abc"], ["a", "b"], "\ra\x1b[K\nb\x1b[J"],
    ["fewer lines", ["a", "b", "c"], ["x"], "\r\x1b[2Ax\x1b[J"],
    ["no lines", ["a", "b"], [], "\r\x1b[1A\x1b[J"],
    [
      "lines that the terminal has wrapped",
      ["0123456789"],
      ["x"],
      "\r\x1b[1Ax\x1b[J",
    ],
  ] as const
) {
  Deno.test(`replaceLines shows ${what}`, () => {
    assertEquals(replaceLines(old, next, 6), text);
  });
}

Deno.test("cutLines leaves the last column free", () => {
  assertEquals(cutLines(["012345678", "写真写真"], 6), ["01234", "写真"]);
});
