/** Receipts of files that somebody changed after they were saved. */

import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { Failure } from "../../../lib/base/errors.ts";
import { ReceiptWriter } from "../../../lib/cli/commands/receipt.ts";
import { namesIn } from "../../e2e/_transfer.ts";
import { tempShare } from "../../_temp_share.ts";

Deno.test("A receipt is not written if a file was changed after it was saved", async () => {
  await using folder = await tempShare({ "f": "changed" });
  const { path } = folder;
  for (const event of ["file_received", "file_present"] as const) {
    const receipt = new ReceiptWriter({
      ...{ path: join(path, "r.json"), overwrite: false, encrypted: true },
      relay: { host: "nas", port: 1700 },
    });
    const content = "ab".repeat(32);
    const saved = { name: "f", path: join(path, "f"), bytes: 7, content };
    receipt.note(
      event === "file_present"
        ? { event, ...saved }
        : { event, ...saved, from: [], holders: 1 },
    );
    const error = await assertRejects(() => receipt.write(), Failure);
    assertEquals(error.kind, "local");
    assertMatch(error.message, /f was changed after it was saved; /);
  }
  assertEquals(namesIn(folder), ["f"]);
});
