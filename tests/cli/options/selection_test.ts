import { assertEquals, assertThrows } from "@std/assert";
import { parseSelection } from "../../../lib/cli/options/selection.ts";
import { Failure } from "../../../lib/base/errors.ts";

const NAMES = [
  "1.txt",
  "a.jpg",
  "photos/a.jpg",
  "photos/b.png",
  "photos/2024/c.jpg",
  "photos2/d.jpg",
  "\u00e9.jpg",
];

const HIDDEN = [
  ".bash_profile",
  ".ssh/authorized_keys",
  "work/.git/config",
  "work/a.txt",
  "work/.x",
  ".ssh/.x",
];

for (
  const [text, matches, leftOut] of [
    ["**", ["work/a.txt"], 5],
    ["*", [], 1],
    ["?bash*", [], 1],
    ["[.]bash*", [], 1],
    ["work/", ["work/a.txt"], 2],
    ["work/**", ["work/a.txt"], 2],
    [".*", [".bash_profile"], 0],
    [".ssh/", [".ssh/authorized_keys"], 1],
    [".ssh/**", [".ssh/authorized_keys"], 1],
    ["**/.x", ["work/.x"], 1],
    ["**/.git/*", ["work/.git/config"], 0],
    ["{.ssh,work}/*", [".ssh/authorized_keys", "work/a.txt"], 2],
    [".*/.*", [".ssh/.x"], 0],
    ["./**", ["work/a.txt"], 5],
  ] as const
) {
  Deno.test(`parseSelection takes names with a dot if ${text} has one, and counts the others`, () => {
    const selection = parseSelection(text);
    if (selection.kind !== "matching") throw new Error("it is a name");
    assertEquals(HIDDEN.filter(selection.matches), [...matches]);
    assertEquals(HIDDEN.filter(selection.leavesOut!).length, leftOut);
  });
}

for (
  const [text, prefix, matches] of [
    ["photos/", "photos/", [
      "photos/a.jpg",
      "photos/b.png",
      "photos/2024/c.jpg",
    ]],
    ["*.jpg", "", ["a.jpg", "\u00e9.jpg"]],
    ["**", "", NAMES],
    ["**/*.jpg", "", [
      "a.jpg",
      "photos/a.jpg",
      "photos/2024/c.jpg",
      "photos2/d.jpg",
      "\u00e9.jpg",
    ]],
    ["photos/*.{jpg,png}", "photos/", ["photos/a.jpg", "photos/b.png"]],
    ["photos*/?.jpg", "photos", ["photos/a.jpg", "photos2/d.jpg"]],
    ["e\u0301*", "\u00e9", ["\u00e9.jpg"]],
    ["[ab].jpg", "", ["a.jpg"]],
    ["none*", "none", []],
  ] as const
) {
  Deno.test(`parseSelection reads ${JSON.stringify(text)} as a pattern`, () => {
    const selection = parseSelection(text);
    if (selection.kind !== "matching") throw new Error("it is a name");
    assertEquals(selection.prefix, prefix);
    assertEquals(NAMES.filter(selection.matches), [...matches]);
    // A client that asks by the prefix misses nothing.
    for (const name of matches) assertEquals(name.startsWith(prefix), true);
  });
}

Deno.test("parseSelection also tries a pattern as an exact name", () => {
  for (const name of ["report[1].pdf", "why?.txt", "{a,b}"]) {
    const selection = parseSelection(name);
    if (selection.kind !== "matching") throw new Error("it is a name");
    assertEquals(selection.matches(name), true, name);
  }
});

for (
  const [text, remedy] of [
    ["/", "to select every file, use '**'"],
    [".", "to select every file, use '**'"],
    ["./", "to select every file, use '**'"],
    ["/etc/hosts", "omit the leading /: etc/hosts"],
  ] as const
) {
  Deno.test(`parseSelection suggests what to type instead of ${text}`, () => {
    const error = assertThrows(() => parseSelection(text), Failure);
    assertEquals([error.kind, error.parts.remedy], ["usage", remedy]);
  });
}

Deno.test("parseSelection ignores ./ before a name, which shells add", () => {
  assertEquals(parseSelection("./a.txt"), { kind: "name", name: "a.txt" });
});

Deno.test("parseSelection reads everything else as a name, in its normal form", () => {
  assertEquals(parseSelection("photos/e\u0301.jpg"), {
    kind: "name",
    name: "photos/\u00e9.jpg",
  });
});

for (const text of ["", "../x", "/etc/", "a//", "a\\b", "x\0"]) {
  Deno.test(`parseSelection refuses ${JSON.stringify(text)}`, () => {
    const error = assertThrows(() => parseSelection(text), Failure);
    assertEquals(error.kind, "usage");
  });
}
