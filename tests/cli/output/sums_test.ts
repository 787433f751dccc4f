import { assertEquals } from "@std/assert";
import { formatSum, parseSums } from "../../../lib/cli/output/sums.ts";

const A = "a".repeat(64);
const B = "b".repeat(64);

for (
  const [name, line] of [
    ["photos/a b.jpg", `${A}  photos/a b.jpg`],
    ["写真.jpg", `${A}  写真.jpg`],
    ["back\\slash", `\\${A}  back\\\\slash`],
    ["line\nbreak\r", `\\${A}  line\\nbreak\\r`],
    [" leading", `${A}   leading`],
  ] as const
) {
  Deno.test(`formatSum and parseSums agree on ${JSON.stringify(name)}`, () => {
    assertEquals(formatSum(A, name), line);
    assertEquals(parseSums(`${line}\n`), new Map([[name, A]]));
  });
}

Deno.test("parseSums takes text and binary lines, and capitals", () => {
  assertEquals(
    parseSums(`${A.toUpperCase()} *a\n\n${B}  b\n${A}  a\n`),
    new Map([["a", A], ["b", B]]),
  );
});

for (
  const [what, text] of [
    ["a short sum", `${A.slice(1)}  a`],
    ["one space", `${A} a`],
    ["no name", `${A}  `],
    ["another sum of the same name", `${A}  a\n${B}  a`],
    ["an unknown escape", `\\${A}  a\\t`],
    ["an escape at the end", `\\${A}  a\\`],
  ] as const
) {
  Deno.test(`parseSums refuses ${what}, and names its line`, () => {
    const line = text.split("\n").length;
    assertEquals(parseSums(text), { line });
  });
}
