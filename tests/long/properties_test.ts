/**
 * The properties of `tests/fuzz/` with all their runs. `deno task test` does the
 * first fifth.
 */

import { doAllRuns } from "../fuzz/_runs.ts";
import { modulesBelow } from "../_rooms.ts";

doAllRuns();
for (const path of modulesBelow("tests/fuzz").sort()) {
  if (path.endsWith("_test.ts")) {
    await import(new URL(`../../${path}`, import.meta.url).href);
  }
}
