/** The text of a receipt, which people read on a terminal. */

import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import {
  readReceipt,
  ReceiptWriter,
} from "../../../lib/cli/commands/receipt.ts";
import type { ListedNode } from "../../../lib/client/nodes.ts";
import { describeBytes } from "../../_lies.ts";
import { tempShare } from "../../_temp_share.ts";

const BYTES = new Uint8Array([1]);

Deno.test("A receipt has the names of nodes, but no character of them that controls a terminal", async () => {
  await using folder = await tempShare({ "f": BYTES });
  const path = join(folder.path, "r.json");
  const name = "nas\x9b2J\x7f\u202e\u200b";
  const writer = new ReceiptWriter({
    ...{ path, relay: { host: "nas", port: 1700 } },
    ...{ overwrite: false, encrypted: true },
  });
  writer.note({
    ...{ event: "file_received", name: "f", bytes: 1, holders: 1 },
    ...{
      path: join(folder.path, "f"),
      content: describeBytes("f", BYTES).manifest.contentId,
    },
    from: [{
      node: { id: "c".repeat(52), name } as ListedNode,
      ...{ isHolder: false, bytes: 1, paths: { direct: 1, tunnel: 0 } },
    }],
  });
  assertEquals(await writer.write(), 1);
  assertMatch(await Deno.readTextFile(path), /^[ -~\n]*$/);
  assertEquals((await readReceipt(path)).files[0]?.from[0]?.name, name);
});
