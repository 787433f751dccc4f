import { assertEquals } from "@std/assert";
import { compareNaturally } from "../../lib/content/natural_order.ts";
import { naturalKey } from "../../lib/cli/output/order.ts";
import { seededRandom } from "../_random.ts";

const encoder = new TextEncoder();

/** A name somewhere in the middle of other bytes. */
function bytesOf(name: string) {
  const bytes = encoder.encode(`9${name}9`);
  return { bytes, start: 1, end: bytes.length - 1 };
}

const compare = (a: string, b: string) =>
  Math.sign(compareNaturally(bytesOf(a), bytesOf(b)));

for (
  const [what, names] of [
    ["numbers by their value", ["a2", "a10", "a100", "b1"]],
    ["numbers in the middle", ["v1.2.10", "v1.10.2", "v2.0.0"]],
    ["long numbers", ["n9", "n123456789", "n1234567890", "n20231231235959"]],
    ["numbers before letters", ["1", "10", "a"]],
    ["zero", ["a0", "a00b", "a0c", "a1"]],
    ["the files of a folder together", ["a/b10", "a-b/a", "a.b", "ab/a"]],
    ["a number beside nothing", ["a", "a/1", "a1"]],
    ["letters of other scripts", ["z", "\u00e9", "\uffee", "\u{1f600}"]],
  ] as const
) {
  Deno.test(`compareNaturally puts ${what} in order`, () => {
    assertEquals(names.toReversed().toSorted(compare), [...names]);
  });
}

Deno.test("compareNaturally takes numbers with zeros before them as equal", () => {
  assertEquals(compare("a01", "a1"), 0);
  assertEquals(compare("a0", "a000"), 0);
  assertEquals(compare("a01b", "a1c"), -1);
});

Deno.test("compareNaturally agrees with the keys that folders are sorted by", () => {
  const random = seededRandom(671);
  const letters = [..."0019ab/.-\u00e9"];
  const name = () =>
    Array.from(
      { length: 1 + Math.floor(random() * 8) },
      () => letters[Math.floor(random() * letters.length)],
    ).join("");
  for (let n = 0; n < 20_000; n++) {
    const [a, b] = [name(), name()];
    const [x, y] = [naturalKey(a), naturalKey(b)];
    assertEquals(compare(a, b), x < y ? -1 : x > y ? 1 : 0, `${a} ${b}`);
  }
});
