import { assertEquals } from "@std/assert";
import { Packing } from "../../lib/relay/packing.ts";
import { randomBytes, seededRandom } from "../_random.ts";

const SAMPLE = ["a text of some length, and more", "", "x".repeat(1_000)];

for (
  const [what, texts] of [
    ["the sample itself", SAMPLE],
    ["nothing", []],
    ["empty texts", ["", "", ""]],
    ["a shorter text", ["a text of"]],
    ["a longer text", [SAMPLE[0] + "!".repeat(600)]],
    ["other texts, and more of them", ["b", "c", "d", "e", ""]],
    ["skips and literals of 255 and more", [
      "",
      "y".repeat(256),
      "x".repeat(300) + "y".repeat(300) + "x".repeat(255) + "y",
    ]],
    ["equal characters too few to skip", ["a texX of", "", "yxxxyxxxy"]],
    ["a text of NULs", ["\0\0\0", "\0\0"]],
    ["characters that are no bytes", ["a text \u{1f5a5} \ud800"]],
  ] as const
) {
  Deno.test(`Packing gives back ${what}`, () => {
    const packing = new Packing(SAMPLE);
    assertEquals(packing.unpack(packing.pack(texts)), [...texts]);
  });
}

Deno.test("Packing gives back any mixture of the sample and noise", () => {
  const random = seededRandom(11);
  const below = (most: number) => Math.floor(random() * most);
  const noise = () => String.fromCharCode(...randomBytes(below(400), random));
  for (let round = 0; round < 2_000; round++) {
    const sample = Array.from({ length: below(4) }, noise);
    const texts = Array.from({ length: below(5) }, (_, index) => {
      let text = sample[index] ?? noise();
      for (let edits = below(6); edits > 0; edits--) {
        const at = below(text.length + 1);
        text = text.slice(0, at) + noise().slice(0, below(9)) +
          text.slice(at + below(9));
      }
      return text;
    });
    const packing = new Packing(sample);
    assertEquals(packing.unpack(packing.pack(texts)), texts);
  }
});

Deno.test("Packing stores only the differences of a text", () => {
  const packing = new Packing(["0123456789abcdef"]);
  assertEquals(packing.pack(["0123456789abcdef"]), "\x10\0\0\0");
  assertEquals(packing.pack(["0123XY6789abcdef"]), "\x04\x02XY\x0a\0\0\0");
  assertEquals(packing.pack(["0123X5Y7Z9abcdef"]), "\x04\x05X5Y7Z\x07\0\0\0");
});
