/**
 * What a second `get` does with the files that are there already, as the system
 * sees it.
 */

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { startNode, startRelay } from "../_network.ts";
import { tempShare } from "../_temp_share.ts";
import { runClientWith, testWithStrace } from "./_strace.ts";
import { LIMITS } from "../../lib/base/limits.ts";

for (
  const [what, count] of [
    ["itself", 40],
    ["with a worker", LIMITS.lookedHereCount + 80],
  ] as const
) {
  testWithStrace(
    `A second get opens each small file once, and looks at them ${what}`,
    async () => {
      const files = Object.fromEntries(
        Array.from({ length: count }, (_, n) => [`${n}.txt`, `file ${n}`]),
      );
      await using relay = await startRelay();
      await using _node = await startNode(relay, files);
      await using folder = await tempShare(files);
      const { code, stderr, calls } = await runClientWith(
        [relay.server.relayAddress, "get", "**", "-o", `${folder.path}/`],
        {
          injections: [],
          calls: ["openat"],
          paths: Object.keys(files).map((name) => join(folder.path, name)),
          folder: folder.path,
        },
      );
      assertEquals([code, stderr], [0, []]);
      assertEquals(calls.length, count);
    },
  );
}
