/** An index of names hides no file. `tests/long/client/` has another seed. */

import { testAnyIndex } from "./_any_index.ts";

testAnyIndex(1);
