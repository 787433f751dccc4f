import { assertEquals } from "@std/assert";
import { type Key, KeyDecoder } from "../../../lib/cli/picker/keys.ts";

const encoder = new TextEncoder();

/** Keys as short words: `<up>`, or the text itself. */
function words(keys: readonly Key[]): string[] {
  return keys.map((key) =>
    key.kind === "text"
      ? key.text
      : key.kind === "key"
      ? `<${key.name}>`
      : "<terminal>"
  );
}

const TYPED: readonly (readonly [string, string[], string])[] = [
  ["letter", ["letter"], "text"],
  ["é日😀", ["é日😀"], "text beyond ASCII"],
  ["\r", ["<enter>"], "Enter"],
  ["\n", ["<enter>"], "a line break"],
  ["\t", ["<tab>"], "Tab"],
  ["\x7f\x08", ["<backspace>", "<backspace>"], "both kinds of backspace"],
  ["\x03\x04\x0e\x10\x15\x17", [
    "<ctrl_c>",
    "<ctrl_d>",
    "<ctrl_n>",
    "<ctrl_p>",
    "<ctrl_u>",
    "<ctrl_w>",
  ], "control keys"],
  [
    "\x1b[A\x1b[B\x1b[C\x1b[D",
    ["<up>", "<down>", "<right>", "<left>"],
    "arrows",
  ],
  [
    "\x1bOA\x1bOB\x1bOH\x1bOF",
    ["<up>", "<down>", "<home>", "<end>"],
    "arrows of the application mode",
  ],
  [
    "\x1b[5~\x1b[6~\x1b[3~",
    ["<page_up>", "<page_down>", "<delete>"],
    "keys with a number",
  ],
  ["\x1b[H\x1b[F\x1b[1~\x1b[4~\x1b[7~\x1b[8~", [
    "<home>",
    "<end>",
    "<home>",
    "<end>",
    "<home>",
    "<end>",
  ], "Home and End in all three ways"],
  ["\x1b[1;5A\x1b[5;2~", ["<up>", "<page_up>"], "keys with Shift and Ctrl"],
  ["\x1b[?64;1;2c", ["<terminal>"], "the terminal's answer"],
  ["a\x1b[?6cb", ["a", "<terminal>", "b"], "an answer in the middle of typing"],
  [
    "\x1b[200~two\r\nlines\x1b[201~\r",
    ["two  lines", "<enter>"],
    "a paste, and Enter after it",
  ],
  ["\x1b[200~a\x1b[Ab\x1b[201~", ["a[Ab"], "a paste with a sequence in it"],
  [
    "\x1b[200~a\x03b",
    ["a", "<ctrl_c>", "b"],
    "Ctrl-C in a paste without an end",
  ],
  ["\x1bx\x1b\x7fy", ["y"], "keys with Alt, which mean nothing"],
  ["\x1b\x1b[A", ["<escape>", "<up>"], "Escape before a sequence"],
  ["\x1b[[A\x1b[99~\x1b[15~z", ["z"], "function keys"],
  ["\x1b]0;title\x07a\x1bP1$r\x1b\\b", ["ab"], "texts of the terminal"],
  ["\x1b[12\x01a", ["<ctrl_a>", "a"], "a sequence that is broken off"],
  ["\x9b\u0085a", ["a"], "C1 control characters"],
];

for (const [typed, expected, what] of TYPED) {
  Deno.test(`KeyDecoder reads ${what}, whole and byte by byte`, () => {
    const bytes = encoder.encode(typed);
    assertEquals(words(new KeyDecoder().feed(bytes)), expected);
    const decoder = new KeyDecoder();
    const keys = [...bytes].flatMap((byte) =>
      decoder.feed(Uint8Array.of(byte))
    );
    assertEquals(
      words(keys).join("").replaceAll("><", "> <"),
      expected.join("").replaceAll("><", "> <"),
    );
  });
}

Deno.test("KeyDecoder drops bytes that are not UTF-8, and nothing else", () => {
  const bytes = Uint8Array.of(
    0x61,
    0xff,
    0xc3,
    0x62,
    0xed,
    0xa0,
    0x80,
    0xf5,
    0x63,
  );
  assertEquals(words(new KeyDecoder().feed(bytes)), ["abc"]);
});

Deno.test("KeyDecoder reads a single escape as the key when no more bytes come", () => {
  const decoder = new KeyDecoder();
  assertEquals(decoder.feed(encoder.encode("\x1b")), []);
  assertEquals(decoder.hasLoneEscape, true);
  assertEquals(words(decoder.settle()), ["<escape>"]);
  assertEquals(decoder.hasLoneEscape, false);
  assertEquals(decoder.settle(), []);
  assertEquals(words(decoder.feed(encoder.encode("[A"))), ["[A"]);
});

Deno.test("KeyDecoder reads an escape and bytes that follow in time as one key", () => {
  const decoder = new KeyDecoder();
  decoder.feed(encoder.encode("\x1b"));
  assertEquals(words(decoder.feed(encoder.encode("[A"))), ["<up>"]);
  decoder.feed(encoder.encode("\x1b["));
  assertEquals(
    decoder.settle(),
    [],
    "more than an escape is no key of its own",
  );
});

Deno.test("KeyDecoder drops a sequence that never ends, and continues", () => {
  const decoder = new KeyDecoder();
  const endless = "\x1b[" + "1".repeat(62);
  assertEquals(decoder.feed(encoder.encode(endless + "a")), [
    { kind: "text", text: "a" },
  ]);
  const text = "\x1b]" + "1".repeat(4094);
  assertEquals(decoder.feed(encoder.encode(text + "a")), [
    { kind: "text", text: "a" },
  ]);
});
