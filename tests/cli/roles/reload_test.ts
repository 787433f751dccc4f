import { assertEquals } from "@std/assert";
import { formatReload } from "../../../lib/cli/roles/reload.ts";

const RATE = { name: "limit-rate", value: "5M", before: "none" };
const EXCLUDE = { name: "exclude", value: "*.tmp, *.bak", before: "*.tmp" };
const NAME = { name: "name", value: "attic", before: "nas" };

for (
  const [changes, files, line] of [
    [[], 2, "settings read again: no change, sharing 2 files"],
    [
      [RATE, EXCLUDE],
      1,
      "settings read again: limit-rate 5M (none before), " +
      "exclude *.tmp, *.bak (*.tmp before), sharing 1 file (2 before)",
    ],
    [
      [NAME],
      2,
      "settings read again: no change, sharing 2 files; restart the node for name",
    ],
  ] as const
) {
  Deno.test(`A reload is reported in one line: ${line}`, () => {
    assertEquals(formatReload(changes, { files, before: 2 }), line);
  });
}
