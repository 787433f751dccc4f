import { assertEquals } from "@std/assert";
import { editDistance } from "../../../lib/content/nearest.ts";
import { nearest } from "../../../lib/cli/options/suggestion.ts";

for (
  const [from, to, distance] of [
    ["", "", 0],
    ["", "abc", 3],
    ["abc", "", 3],
    ["get", "get", 0],
    ["gte", "get", 1], // a swap is one mistake
    ["nmae", "name", 1],
    ["ouput", "output", 1],
    ["limitrate", "limit-rate", 1],
    ["port", "host", 2],
    ["kitten", "sitting", 3],
    ["ca", "abc", 3], // what was swapped is not changed again
  ] as const
) {
  Deno.test(`editDistance of "${from}" and "${to}" is ${distance}`, () => {
    assertEquals(editDistance(from, to), distance);
    assertEquals(editDistance(to, from), distance);
  });
}

const WORDS = ["name", "node", "output", "overwrite", "config", "connections"];

for (
  const [typed, word] of [
    ["nmae", "name"],
    ["nodes", "node"],
    ["ouput", "output"],
    ["overwrit", "overwrite"],
    ["out", "output"], // its beginning
    ["connec", "connections"],
    ["ou", undefined], // too little of it
    ["port", undefined], // as near to "node" as to nothing
    ["", undefined],
    ["n".repeat(1_000_000), undefined],
  ] as const
) {
  Deno.test(`nearest takes "${typed.slice(0, 20)}" for ${word}`, () => {
    assertEquals(nearest(typed, WORDS), word);
  });
}
