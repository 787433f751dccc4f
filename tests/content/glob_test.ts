import { assertEquals, assertThrows } from "@std/assert";
import { globPrefix, isGlob, parseGlob } from "../../lib/content/glob.ts";

const CASES:
  readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ["*", ["a", "a.b"], ["a/b", ".hidden"]],
    ["*.jpg", ["a.jpg"], [".jpg", "a.jpeg", "d/a.jpg", "a.jpg.txt"]],
    [".*", [".hidden", ".jpg"], ["a", "a.b", "d/.x"]],
    ["**/.x/**/c", [".x/c", "a/.x/c", "a/.x/b/c"], [".x/.x/c", ".y/.x/c"]],
    ["a?c", ["abc", "a\u{1f600}c"], ["ac", "abbc", "a/c"]],
    ["**", ["a", "a/b/c"], []],
    ["**/*.txt", ["a.txt", "d/e/a.txt"], ["a.text"]],
    ["d/**", ["d/a", "d/e/a"], ["d", "e/a", "dd/a"]],
    ["d/**/x", ["d/x", "d/e/f/x"], ["x", "d/xx", "e/d/x"]],
    ["**/d/**/x", ["d/x", "a/d/b/d/x"], ["a/x"]],
    ["[a-c]x", ["ax", "cx"], ["dx", "x", "abx"]],
    ["[!a-c]x", ["dx", "!x"], ["ax"]],
    ["[^a]", ["b"], ["a", "^a"]],
    ["[]a]", ["]", "a"], ["[]a]", "b"]],
    ["[a-]", ["a", "-"], ["b"]],
    ["[a", ["[a"], ["a"]],
    ["{a,b}.{x,y}", ["a.x", "b.y"], ["a.z", "{a,b}.x"]],
    ["{a,{b,c}d}", ["a", "bd", "cd"], ["b", "d"]],
    ["{a}", ["{a}"], ["a"]],
    ["{a,b", ["{a,b"], ["a"]],
    ["x{,y}", ["x", "xy"], ["y"]],
    ["a*b*c", ["abc", "axxbxxc", "abbcc"], ["acb", "ab"]],
    ["a**c", ["abc", "ac"], ["a/c"]],
    [".*", [".a"], ["a."]],
  ];

for (const [glob, matching, others] of CASES) {
  Deno.test(`parseGlob ${glob} matches the right names, and no others`, () => {
    const matches = parseGlob(glob);
    for (const name of matching) assertEquals(matches(name), true, name);
    for (const name of others) assertEquals(matches(name), false, name);
    for (const name of matching) {
      assertEquals(name.startsWith(globPrefix(glob)), true, name);
    }
  });
}

Deno.test("parseGlob takes no longer for a name that almost fits", () => {
  const matches = parseGlob("*a".repeat(30) + "b");
  assertEquals(matches("a".repeat(1_000)), false);
  const folders = parseGlob("**/a/".repeat(10) + "b");
  assertEquals(folders("a/".repeat(500) + "c"), false);
});

Deno.test("parseGlob refuses braces that expand too much", () => {
  parseGlob("{a,b}".repeat(8));
  assertThrows(() => parseGlob("{a,b}".repeat(9)), RangeError);
  assertThrows(() => parseGlob(`{${",".repeat(300)}}`), RangeError);
});

Deno.test("isGlob distinguishes patterns from names", () => {
  assertEquals(["a*", "a?", "a[", "a{"].map(isGlob), [true, true, true, true]);
  assertEquals(["a", "a/b", "a]", "-"].map(isGlob), [
    false,
    false,
    false,
    false,
  ]);
});

for (
  const [glob, prefix, matching, others] of [
    ["*.JPG", "", ["a.jpg", "A.Jpg", "b.JPG"], ["a.jpeg", ".jpg"]],
    ["2024/summer/*", "2024/", ["2024/SUMMER/a"], ["2025/summer/a"]],
    ["[A-C]x", "", ["ax", "BX"], ["dx"]],
    ["[!a-c]x", "", ["Dx"], ["Ax"]],
    ["{IMG,dsc}_?", "", ["img_1", "DSC_2"], ["im_1"]],
    ["\u00c9T\u00c9*", "", ["\u00e9t\u00e9.txt"], ["ete.txt"]],
    ["\u03a3\u039f\u03a6\u039f\u03a3", "", [
      "\u03c3\u03bf\u03c6\u03bf\u03c2", // with a final sigma
      "\u03c3\u03bf\u03c6\u03bf\u03c3",
    ], []],
  ] as const
) {
  Deno.test(`parseGlob ${glob} ignoring case matches the right names, and no others`, () => {
    const matches = parseGlob(glob, { ignoreCase: true });
    for (const name of matching) assertEquals(matches(name), true, name);
    for (const name of others) assertEquals(matches(name), false, name);
    assertEquals(globPrefix(glob, { ignoreCase: true }), prefix);
  });
}
