/** An index of names hides no file. `tests/long/client/` has more seeds. */

import { testAnyIndex } from "./_any_index.ts";

testAnyIndex(1);
