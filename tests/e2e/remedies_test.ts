/**
 * Every remedy in the source is one that `tests/long/` follows, or has the reason
 * why it is not followed here.
 */

import { assertEquals } from "@std/assert";
import { remediesInSource } from "../_remedies.ts";
import { OF_ACCESS } from "./_remedies_of_access.ts";
import { OF_COMMANDS } from "./_remedies_of_commands.ts";
import { OF_ENGINES } from "./_remedies_of_engines.ts";
import { UNTRIED } from "./_remedies_untried.ts";

const TRIED = { ...OF_COMMANDS, ...OF_ACCESS, ...OF_ENGINES };

Deno.test("Every remedy in the source is tried, or has a reason not to be", async () => {
  const known = new Map<string, string[]>();
  for (const table of [TRIED, UNTRIED]) {
    for (const [module, rows] of Object.entries(table)) {
      known.set(module, [...known.get(module) ?? [], ...Object.keys(rows)]);
    }
  }
  const listed = [...known].map(([module, words]) =>
    [module, words.toSorted()] as const
  );
  const found = [...await remediesInSource()].map(([module, words]) =>
    [module, [...words].toSorted()] as const
  );
  assertEquals(
    Object.fromEntries(listed),
    Object.fromEntries(found),
  );
});
