import { assertEquals } from "@std/assert";
import {
  cutEnd,
  cutStart,
  padEnd,
  startOf,
  widthOf,
  widthOfCharacter,
} from "../../../lib/cli/output/width.ts";

for (
  const [character, width, what] of [
    ["a", 1, "a letter"],
    ["é", 1, "a letter with its accent"],
    ["ß", 1, "a letter beyond ASCII"],
    ["…", 1, "an ambiguous character"],
    ["\u0301", 0, "a combining accent"],
    ["\u20dd", 0, "an enclosing circle"],
    ["\u200d", 0, "a joiner"],
    ["\x1b", 0, "a control character"],
    ["\u00ad", 0, "a soft hyphen"],
    ["日", 2, "an ideograph"],
    ["𠀀", 2, "an ideograph beyond the first plane"],
    ["ア", 2, "a kana"],
    ["ｱ", 1, "a half-width kana"],
    ["Ａ", 2, "a full-width letter"],
    ["한", 2, "a Hangul syllable"],
    ["ᄒ", 2, "a Hangul initial"],
    ["\u1161", 0, "a Hangul medial"],
    ["😀", 2, "an emoji"],
    ["⌚", 2, "an emoji of the first plane"],
    ["❤", 1, "a heart shown as text"],
    ["🇩", 1, "half a flag"],
  ] as const
) {
  Deno.test(`widthOfCharacter gives ${what} ${width}`, () => {
    assertEquals(widthOfCharacter(character), width);
  });
}

Deno.test("widthOf adds up columns, and counts marks with their letters", () => {
  assertEquals(widthOf(""), 0);
  assertEquals(widthOf("e\u0301日本.txt"), 9);
});

Deno.test("padEnd fills up to the column, and cuts nothing", () => {
  assertEquals(padEnd("日本", 6), "日本  ");
  assertEquals(padEnd("e\u0301", 2), "e\u0301 ");
  assertEquals(padEnd("日本", 3), "日本");
  assertEquals(padEnd("", 0), "");
});

Deno.test("cutEnd and cutStart cut no escape in two", () => {
  const family = "ab\\u{200d}👩.jpg";
  assertEquals(cutStart(family, 16), family);
  assertEquals(cutStart(family, 15), "…\\u{200d}👩.jpg");
  for (let columns = 8; columns < 15; columns++) {
    assertEquals(cutStart(family, columns), "…👩.jpg", `${columns} columns`);
  }
  assertEquals(cutStart(family, 5), "….jpg");
  for (let columns = 3; columns < 11; columns++) {
    assertEquals(cutEnd(family, columns), "ab…", `${columns} columns`);
  }
  assertEquals(cutEnd(family, 11), "ab\\u{200d}…");
  assertEquals(cutStart("a\\x1bcd", 5), "…cd");
  assertEquals(cutStart("a\\x1bcd", 7), "a\\x1bcd");
  assertEquals(cutEnd("a\\x1bcd", 4), "a…");
  assertEquals(cutStart("a\\{b}c", 5), "…{b}c", "no escape");
});

Deno.test("cutEnd and cutStart leave what fits, to the column", () => {
  assertEquals(cutEnd("abc", 3), "abc");
  assertEquals(cutEnd("abcd", 3), "ab…");
  assertEquals(cutStart("abcd", 3), "…cd");
  assertEquals(cutEnd("abcd", 1), "…");
  assertEquals(cutStart("abcd", 1), "…");
  assertEquals(cutEnd("abcd", 0), "");
  assertEquals(cutStart("abcd", 0), "");
  assertEquals(cutEnd("", 0), "");
});

Deno.test("A wide character that does not fit is left out", () => {
  assertEquals(startOf("a日b", 2), "a");
  assertEquals(cutEnd("日本語", 4), "日…");
  assertEquals(cutStart("日本語", 4), "…語");
});

Deno.test("A mark stays with its letter, and never follows the dots", () => {
  assertEquals(startOf("e\u0301x", 1), "e\u0301");
  assertEquals(cutStart("abe\u0301x", 3), "…e\u0301x");
  assertEquals(cutStart("abe\u0301x", 2), "…x");
});
