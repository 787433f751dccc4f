import { assertEquals } from "@std/assert";
import { PARTIAL_SUFFIX, safeName } from "../../lib/base/names.ts";
import { show } from "../../lib/base/text.ts";

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
    "console.log",
    "nul-values.txt",
    "com10",
    "\u2764\ufe0f.png", // a heart, in colour
    "\u{1f468}\u200d\u{1f469}\u200d\u{1f467}.jpg", // a family: one picture
    "\u{1f44d}\u{1f3fd} ok", // a thumb with a colour
    "\u{1f3f3}\ufe0f\u200d\u{1f308}", // a flag of two pictures
    "1\ufe0f\u20e3 intro.mp4", // a keycap
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.txt", // Persian
    "\u0915\u094d\u200d\u0937", // Devanagari
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
    ["a Windows device in small letters", "conin$"],
    ["a Windows device of a console", "CONOUT$.txt"],
    ["a Windows device with a space before its ending", "NUL .txt"],
    ["a Windows device with spaces before two endings", "a/Aux   .tar.gz"],
    ["a Windows device with a raised number", "COM¹"],
    ["a Windows device with a raised number and an ending", "lpt³.log"],
    ["a stream of a file", "a.txt:hidden:$DATA"],
    ["a joiner between letters", ".g\u200dit/config"],
    ["a joiner after a dot", ".\u200dgit"],
    ["a joiner at an end", ".ssh\u200d/authorized_keys"],
    ["a non-joiner between letters", ".ba\u200cshrc"],
    ["a variant of a letter", "a\ufe0f"],
    ["a joiner between a letter and ASCII", "\u00e9\u200da"],
    ["a zero-width space", "a\u200bb"],
    ["a word joiner", "a\u2060b"],
    ["a soft hyphen", "a\u00adb"],
    ["a mark of a direction", "a\u200eb"],
    ["an Arabic mark of a direction", "a\u061cb"],
    ["a filler", "\u3164"],
    ["a tag", "a\u{e0061}"],
    ["a variation of another plane", "a\u{e0100}"],
    ["a line separator", "a\u2028b"],
    ["a note between the lines", "a\ufff9b"],
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
      assertEquals(show(verdict.rule), verdict.rule);
    }
  });
}

Deno.test("safeName brings NFD to NFC", () => {
  assertEquals(safeName("e\u0301.txt"), { kind: "safe", name: "\u00e9.txt" });
});
