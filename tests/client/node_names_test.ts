import { assertEquals } from "@std/assert";
import { distinctNames } from "../../lib/client/node_names.ts";

for (
  const [what, nodes, names] of [
    ["one of its name", [["abcdef", "nas"], ["bcdefg", "pi"]], ["nas", "pi"]],
    [
      "two of one name",
      [["abcdef", "nas"], ["abddef", "nas"], ["x", "pi"]],
      ["nas.abcd", "nas.abdd", "pi"],
    ],
    [
      "two whose ids begin with the same letters",
      [["abcdefg", "nas"], ["abcdeff", "nas"]],
      ["nas.abcdefg", "nas.abcdeff"],
    ],
    ["the same twice", [["abcdef", "nas"], ["abcdef", "nas"]], ["nas", "nas"]],
  ] as const
) {
  Deno.test(`distinctNames names ${what}`, () => {
    const listed = nodes.map(([id, name]) => ({ id, name }));
    const known = distinctNames(listed);
    assertEquals(listed.map(({ id }) => known.get(id)), [...names]);
  });
}
