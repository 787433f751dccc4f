import { assertEquals } from "@std/assert";
import { PARTIAL_SUFFIX, safeName } from "../lib/names.ts";
import { needsEscaping } from "../lib/text.ts";

for (
  const name of [
    "2.txt",
    "photos/2024/a.jpg",
    "Grüße.txt",
    "日本.txt",
    "%2e%2e/x",
    "-rf",
    "a b.txt",
    ".hidden",
    "a..b",
    "раураl", // Cyrillic that looks like Latin: allowed
    "__proto__",
    "a".repeat(255),
    Array(32).fill("a").join("/"),
  ]
) {
  Deno.test(`safeName accepts ${JSON.stringify(name.slice(0, 40))}`, () => {
    assertEquals(safeName(name), { kind: "safe", name });
  });
}

for (
  const [what, name] of [
    ["an empty name", ""],
    ["..", ".."],
    [".", "."],
    ["../x", "../x"],
    ["a/../../x", "a/../../x"],
    ["./x", "./x"],
    ["an absolute path", "/etc/passwd"],
    ["a//b", "a//b"],
    ["a trailing slash", "a/"],
    ["a backslash", "..\\x"],
    ["a drive", "C:x"],
    ["a UNC path", "//host/x"],
    ["a colon", "a:b"],
    ["a leading space", " x"],
    ["a trailing space", "x "],
    ["a trailing dot", "x."],
    ["a Windows device", "CON"],
    ["a Windows device with an ending", "a/nul.txt"],
    ["our own suffix", "x" + PARTIAL_SUFFIX],
    ["NUL", "a\0b"],
    ["a line feed", "a\nb"],
    ["a tab", "a\tb"],
    ["an escape sequence", "a\x1b[2Jb"],
    ["a C1 control", "a\x9bb"],
    ["DEL", "a\x7fb"],
    ["a bidi override", "a\u202eb"],
    ["a bidi isolate", "a\u2066b"],
    ["a byte order mark", "\ufeffa"],
    ["a private-use character", "a\ue000"],
    ["an unassigned character", "a\u{e0fff}"],
    ["a lone surrogate", "a\ud800"],
    ["the mark of bytes that were not UTF-8", "a\ufffd"],
    ["a part of 256 bytes", "a".repeat(256)],
    ["a part of 256 bytes in 128 characters", "é".repeat(128)],
    ["1,025 bytes", Array(5).fill("a".repeat(204)).join("/") + "a"],
    ["33 parts", Array(33).fill("a").join("/")],
    ["5,000 characters", "a".repeat(5_000)],
  ] as const
) {
  Deno.test(`safeName refuses ${what} and names the rule`, () => {
    const verdict = safeName(name);
    assertEquals(verdict.kind, "refused");
    if (verdict.kind === "refused") {
      assertEquals(verdict.rule.startsWith("a "), true, verdict.rule);
      assertEquals(needsEscaping(verdict.rule), false);
    }
  });
}

Deno.test("safeName brings NFD to NFC", () => {
  assertEquals(safeName("e\u0301.txt"), { kind: "safe", name: "\u00e9.txt" });
});

Deno.test("safeName leaves zero-width characters to be shown escaped", () => {
  const verdict = safeName("a\u200bb");
  assertEquals(verdict.kind, "safe");
  assertEquals(needsEscaping("a\u200bb"), true);
});
