/** An index of names hides no file, with other nodes, files and keys. */

import { testAnyIndex } from "../../client/_any_index.ts";

testAnyIndex(2);
