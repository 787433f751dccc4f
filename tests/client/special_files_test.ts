/**
 * Devices, pipes and sockets in the place of a file to save.
 */

import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { ReceiptWriter } from "../../lib/cli/commands/receipt.ts";
import { Failure } from "../../lib/base/errors.ts";
import { startNode, startRelay } from "../_network.ts";
import { tempShare } from "../_temp_share.ts";
import { testWith } from "../_tools.ts";
import { filesIn, get } from "./_outcomes.ts";
import { MIDDLE } from "./_setting.ts";

testWith(
  ["mkfifo"],
  "getFiles never replaces a pipe, or a link to a device, even if it may overwrite",
  async () => {
    await using relay = await startRelay();
    await using _node = await startNode(relay, { "f": MIDDLE, "s": "small" });
    for (const name of ["f", "s"]) {
      await using folder = await tempShare();
      const path = join(folder.path, name);
      for (
        const [command, ...args] of [
          ["mkfifo", path],
          ["ln", "-sf", "/dev/null", path],
        ] as const
      ) {
        const { success } = await new Deno.Command(command, { args }).output();
        assertEquals(success, true);
        for (const dryRun of [true, false]) {
          const options = { overwrite: true, dryRun };
          const { log } = await get(relay, folder.path, [name], options);
          assertEquals(
            log.of("file_failed").map(({ error }) => error.message),
            [
              `Cannot save file (${path}): a device, a pipe or a socket is there`,
            ],
          );
        }
        assertEquals((await Deno.lstat(path)).isFile, false);
        assertEquals(filesIn(folder.path), [name]);
      }
    }
  },
);

Deno.test("ReceiptWriter never replaces a device, not even through a link", async () => {
  await using folder = await tempShare();
  const link = join(folder.path, "link");
  await Deno.symlink("/dev/null", link);
  for (const path of ["/dev/null", link]) {
    const writer = new ReceiptWriter({
      path,
      overwrite: true,
      relay: { host: "relay", port: 1700 },
      encrypted: true,
    });
    await assertRejects(
      () => writer.check(),
      Failure,
      "a device, a pipe or a socket is there",
    );
  }
});
