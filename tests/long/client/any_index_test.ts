/** An index of names hides no file, with more seeds. */

import { testAnyIndex } from "../../client/_any_index.ts";

for (const seed of [2, 3]) testAnyIndex(seed);
