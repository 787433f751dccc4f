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
  const [content, sha256] = ["ab".repeat(32), "cd".repeat(32)];
  for (
    const { event, ...digest } of [
      { event: "file_received", content },
      { event: "file_present", content },
      { event: "file_present", sha256 },
    ] as const
  ) {
    const receipt = new ReceiptWriter({
      ...{ path: join(path, "r.json"), overwrite: false, encrypted: true },
      relay: { host: "nas", port: 1700 },
    });
    const saved = { name: "f", path: join(path, "f"), bytes: 7 };
    receipt.note(
      event === "file_present"
        ? { event, ...saved, ...digest }
        : { event, ...saved, content, from: [], holders: 1 },
    );
    const error = await assertRejects(() => receipt.write(), Failure);
    assertEquals(error.kind, "local");
    assertMatch(error.message, /f was changed after it was saved; /);
  }
  assertEquals(namesIn(folder), ["f"]);
});
