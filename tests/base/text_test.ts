import { assertEquals } from "@std/assert";
import {
  counted,
  foldCase,
  show,
  showLines,
  showWhole,
  TextCheck,
} from "../../lib/base/text.ts";
import { modulesIn } from "../_remedies.ts";

for (
  const [what, text, shown] of [
    ["plain words", "Grüße, 日本", "Grüße, 日本"],
    ["a clear-screen sequence", "a\x1b[2Jb", "a\\x1b[2Jb"],
    ["an OSC 52 sequence", "\x1b]52;c;eA==\x07", "\\x1b]52;c;eA==\\x07"],
    ["a C1 control", "\x9b31m", "\\x9b31m"],
    ["line breaks", "a\r\nb", "a\\x0d\\x0ab"],
    ["NUL and DEL", "\0\x7f", "\\x00\\x7f"],
    ["a bidi override", "a\u202eb", "a\\u{202e}b"],
    ["a bidi isolate", "\u2066", "\\u{2066}"],
    ["zero width", "a\u200bb", "a\\u{200b}b"],
    ["a line separator", "\u2028", "\\u{2028}"],
    ["a lone surrogate", "\ud800", "\\u{d800}"],
    ["a private-use character", "\ue000", "\\u{e000}"],
    ["an astral character", "🖥", "🖥"],
  ] as const
) {
  Deno.test(`show escapes ${what}`, () => {
    assertEquals(show(text), shown);
  });
}

Deno.test("show cuts at 200 characters, and not inside one", () => {
  assertEquals(show("🖥".repeat(200)), "🖥".repeat(200));
  assertEquals(show("🖥".repeat(201)), "🖥".repeat(200) + "…");
  assertEquals(show("\x1b".repeat(1_000_000)), "\\x1b".repeat(200) + "…");
});

Deno.test("showWhole escapes as show does, and cuts nothing", () => {
  const name = "n".repeat(1_000);
  assertEquals(showWhole(`${name}\x1b`), `${name}\\x1b`);
});

Deno.test("showLines keeps lines and colours, and escapes all other control of a terminal", () => {
  const lines = "a\tb\n\x1b[30;107mc\x1b[0m\n";
  assertEquals(showLines(lines), lines);
  assertEquals(
    showLines("\x1b]0;title\x07\r\x1b[2J\x9b2J\u202e\0\x7f"),
    "\\x1b]0;title\\x07\\x0d\\x1b[2J\\x9b2J\\u{202e}\\x00\\x7f",
  );
});

Deno.test("counted writes one and many correctly", () => {
  assertEquals(
    [0, 1, 2].map((count) => counted(count, "byte")),
    ["0 bytes", "1 byte", "2 bytes"],
  );
});

// Numbers that are never 1: limits, and counts of what there are several of.
const NEVER_ONE =
  /\b(?:LIMITS|limits)\.|mostBytes|hashes\.length|target\.length|#bodyLeft|#pieceEnd|listingCount|lowestBytesPerSecond|LENGTH|#loneCount|fileCount|asked\}|nodeCount\}|votes\}|uses\}|groups\.length|event\.names\}|incomplete\.length|nodes\.length|text\.length|this\.#files\}|\{count\} (?:times|files have)|wanted\}|HASH_BYTES|INDEX_KEY_BYTES|TOKEN_BYTES|isWhole|\{folder\}|\{names\.length/;

Deno.test("No number in the program's texts precedes a plural that may be wrong", async () => {
  const wrong: string[] = [];
  for await (const path of modulesIn("lib")) {
    const source = await Deno.readTextFile(
      new URL(`../../${path}`, import.meta.url),
    );
    const plurals =
      /\$\{[^}]*\}\s(?:bytes|names|files|nodes|addresses|entries|fetches|times|connections|pieces|tunnels|warnings|characters)\b(?: have)?/g;
    for (const [words] of source.matchAll(plurals)) {
      if (!NEVER_ONE.test(words)) wrong.push(`${path}: ${words}`);
    }
  }
  assertEquals(wrong, []);
});

function isText(...pieces: Uint8Array[]): boolean {
  const check = new TextCheck();
  return pieces.every((piece) => check.accepts(piece)) && check.acceptsEnd();
}

const bytes = (text: string) => new TextEncoder().encode(text);

for (
  const [what, content, expected] of [
    ["words, tabs and line breaks", bytes("Grüße\t\r\n日本\f"), true],
    ["nothing", bytes(""), true],
    ["an escape sequence", bytes("a\x1b[2J"), false],
    ["a NUL", bytes("a\0"), false],
    ["a C1 control", bytes("\u009b"), false],
    ["bytes that are not UTF-8", Uint8Array.of(0xff, 0xfe), false],
    ["the head of a PNG", Uint8Array.of(0x89, 0x50, 0x4e, 0x47), false],
  ] as const
) {
  Deno.test(`TextCheck: ${what} is ${expected ? "" : "not "}text`, () => {
    assertEquals(isText(content), expected);
  });
}

Deno.test("TextCheck treats a character that spans two pieces as one", () => {
  const content = bytes("a☕b");
  for (let cut = 0; cut <= content.length; cut++) {
    assertEquals(isText(content.slice(0, cut), content.slice(cut)), true);
  }
  assertEquals(isText(content.slice(0, 2)), false, "ends inside a character");
});

for (
  const [text, folded] of [
    ["IMG_1.JPG", "img_1.jpg"],
    ["\u00c9t\u00e9 \u03a3\u03c2", "\u00e9t\u00e9 \u03c3\u03c3"],
    ["stra\u00dfe", "stra\u00dfe"], // its capitals are two characters
    ["\u0130", "\u0130"], // its small form is two characters
    ["\u5199\u771f \u{1f600} \u{10400}", "\u5199\u771f \u{1f600} \u{10428}"],
  ] as const
) {
  Deno.test(`foldCase of ${text} is ${folded}, of as many characters`, () => {
    assertEquals(foldCase(text), folded);
    assertEquals(Array.from(folded).length, Array.from(text).length);
  });
}
